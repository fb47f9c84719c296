// When a run ends, told from past runs; what holds for sentences that people read and for any input whatever.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  agentDurations,
  estimateEnd,
  type JudgedEstimate,
  judgeEstimates,
  nearestRank,
  type PastRun,
  pastRun,
  pastRunOf,
  type RunFacts,
  type RunSoFar,
} from "../../../src/workspace/estimate.ts";
import { estimateAnswer } from "../../../src/workspace/estimate-answers.ts";

const START = 1_767_603_600_000;
const NO_RECORD = judgeEstimates([]);

const facts: RunFacts = {
  sessionId: "sync-1",
  scope: "quick",
  order: "sequence",
  expectedAgents: 3,
  acceptedAt: START,
  endedAt: START + 100,
  agentEnds: [START + 10, START + 40, START + 100],
  status: "completed",
};
const accepted: RunSoFar = { scope: "quick", order: "sequence", expectedAgents: 3, acceptedAt: START, agentEnds: [] };

/** A past run with so long to go from acceptance, and then from each agent's end. */
function past(remainingMs: readonly number[], change: Partial<PastRun> = {}): PastRun {
  const durationMs = remainingMs[0] ?? 0;
  const run = { sessionId: "past", scope: "quick", order: "sequence", expectedAgents: 3, endedAt: START, durationMs };
  return pastRun.parse({ ...run, remainingMs, ...change });
}

function pastRuns(durationsMs: readonly number[], change: Partial<PastRun> = {}): PastRun[] {
  return durationsMs.map((durationMs) => past([durationMs], change));
}

/** 1, 2, ... up to a hundred seconds. */
const SECONDS = Array.from({ length: 100 }, (_, index) => (index + 1) * 1_000);

describe("a run becomes a past run", () => {
  test("with its remaining time at acceptance and at each agent's end, in the order of time", () => {
    const shuffled = { ...facts, agentEnds: [START + 100, START + 10, START + 40] };
    expect(pastRunOf(shuffled)).toEqual({
      ...{ sessionId: "sync-1", scope: "quick", order: "sequence", expectedAgents: 3 },
      ...{ endedAt: START + 100, durationMs: 100, remainingMs: [100, 90, 60, 0] },
    });
  });

  test.each(["completed", "partially_completed"] as const)("when it %s", (status) => {
    expect(pastRunOf({ ...facts, status })).toBeDefined();
  });

  test.each(["requested", "running", "failed", "cancelled", "timed_out"] as const)("not when it is %s", (status) => {
    expect(pastRunOf({ ...facts, status })).toBeUndefined();
  });

  test("not without a time of acceptance or of its end, nor with them the wrong way round", () => {
    expect(pastRunOf({ ...facts, acceptedAt: null })).toBeUndefined();
    expect(pastRunOf({ ...facts, endedAt: null })).toBeUndefined();
    expect(pastRunOf({ ...facts, endedAt: START - 1 })).toBeUndefined();
  });

  test("without agents that ended after it, or that nobody expected; one that ended before acceptance ended then", () => {
    const agentEnds = [START - 5, START + 10, START + 101];
    expect(pastRunOf({ ...facts, agentEnds })?.remainingMs).toEqual([100, 100, 90]);
    expect(pastRunOf({ ...facts, expectedAgents: 1 })?.remainingMs).toEqual([100, 90]);
  });
});

describe("an estimate", () => {
  test("is not made before OPAL has accepted the run", () => {
    expect(estimateEnd(pastRuns(SECONDS), { ...accepted, acceptedAt: null }, START)).toEqual({
      known: false,
      reason: "not_accepted_yet",
    });
  });

  test("is not made without a past run of the same number of agents and the same order that got this far", () => {
    const unknown = { known: false, reason: "no_past_run" };
    expect(estimateEnd([], accepted, START)).toEqual(unknown);
    expect(estimateEnd([past([9], { expectedAgents: 2 })], accepted, START)).toEqual(unknown);
    expect(estimateEnd([past([9], { order: "parallel" })], accepted, START)).toEqual(unknown);
    expect(estimateEnd([past([9])], { ...accepted, agentEnds: [START] }, START)).toEqual(unknown);
  });

  test("counts from acceptance while no agent has ended", () => {
    expect(estimateEnd(pastRuns(SECONDS), accepted, START)).toEqual({
      ...{ known: true, p50At: START + 50_000, p90At: START + 90_000, basedOn: 100, isOverdue: false },
    });
  });

  test("counts from the last agent's end, by what past runs still had to go at that point", () => {
    const history = [past([900, 700, 30]), past([900, 700, 50]), past([900, 700, 70])];
    const running = { ...accepted, agentEnds: [START + 400, START + 100] };
    expect(estimateEnd(history, running, START + 410)).toEqual({
      ...{ known: true, p50At: START + 450, p90At: START + 470, basedOn: 3, isOverdue: false },
    });
  });

  test("leaves out past runs that would have ended by now", () => {
    expect(estimateEnd(pastRuns(SECONDS), accepted, START + 80_000)).toEqual({
      ...{ known: true, p50At: START + 90_000, p90At: START + 98_000, basedOn: 20, isOverdue: false },
    });
  });

  test("says overdue once nine of ten past runs would have ended, and still tells from the others", () => {
    expect(estimateEnd(pastRuns(SECONDS), accepted, START + 90_000)).toMatchObject({ isOverdue: false, basedOn: 10 });
    expect(estimateEnd(pastRuns(SECONDS), accepted, START + 90_001)).toMatchObject({
      ...{ known: true, p50At: START + 95_000, basedOn: 10, isOverdue: true },
    });
  });

  test("is now, and overdue, when no past run took this long", () => {
    const now = START + 100_000;
    expect(estimateEnd(pastRuns(SECONDS), accepted, now)).toEqual({
      ...{ known: true, p50At: now, p90At: now, basedOn: 100, isOverdue: true },
    });
  });

  test("is made from runs of the same scope alone once there are five of them at this point", () => {
    const others = pastRuns([900, 900, 900, 900, 900, 900], { scope: "priority" });
    const four = pastRuns([100, 100, 100, 100]);
    expect(estimateEnd([...others, ...four], accepted, START)).toMatchObject({ p50At: START + 900, basedOn: 10 });
    expect(estimateEnd([...others, ...four, past([100])], accepted, START)).toMatchObject({
      ...{ p50At: START + 100, basedOn: 5 },
    });
    const after = { ...accepted, agentEnds: [START] };
    const further = others.map((run) => ({ ...run, remainingMs: [900, 800] }));
    expect(estimateEnd([...further, ...four, past([100, 90])], after, START)).toMatchObject({ basedOn: 7 });
  });

  test("does not fall behind now when the clock of the agent's end is ahead of ours", () => {
    const running = { ...accepted, agentEnds: [START + 20] };
    expect(estimateEnd([past([100, 60])], running, START)).toMatchObject({ p50At: START + 80, isOverdue: false });
  });

  test("made at acceptance of runs like the past ones, keeps its promise as often as it says", () => {
    const estimate = estimateEnd(pastRuns(SECONDS), accepted, START);
    if (!estimate.known) throw new Error("there is a past");
    const record = judgeEstimates(
      SECONDS.map((durationMs) => ({ ...estimate, madeAt: START, endedAt: START + durationMs })),
    );
    expect(record).toEqual({ estimates: 100, endedByP50Share: 0.5, endedByP90Share: 0.9, medianErrorMs: 25_000 });
  });
});

describe("the record of estimates", () => {
  const made = (endedAt: number, change: Partial<JudgedEstimate> = {}): JudgedEstimate => ({
    ...{ madeAt: START, p50At: START + 50, p90At: START + 90, endedAt, ...change },
  });

  test("says nothing while there is nothing to judge", () => {
    const nothing = { estimates: 0, endedByP50Share: null, endedByP90Share: null, medianErrorMs: null };
    expect(judgeEstimates([])).toEqual(nothing);
    expect(judgeEstimates([made(START), made(START + 10, { madeAt: START + 11 })])).toEqual(nothing);
  });

  test("counts an end at the very moment as by then, and an error the same in both directions", () => {
    expect(judgeEstimates([made(START + 50), made(START + 90), made(START + 91), made(START + 20)])).toEqual({
      ...{ estimates: 4, endedByP50Share: 0.5, endedByP90Share: 0.75, medianErrorMs: 30 },
    });
  });
});

describe("the durations of agents", () => {
  test("are told for each agent by itself", () => {
    const rows = [30, 10, 20].map((durationMs) => ({ agentId: "geo_audit", durationMs }));
    expect(agentDurations([...rows, { agentId: "content_review", durationMs: 7 }])).toEqual({
      geo_audit: { p50Ms: 20, p90Ms: 30, runs: 3 },
      content_review: { p50Ms: 7, p90Ms: 7, runs: 1 },
    });
    expect(agentDurations([])).toEqual({});
  });
});

describe("the answer", () => {
  test("gives both times and the record", () => {
    const record = { estimates: 8, endedByP50Share: 0.5, endedByP90Share: 0.875, medianErrorMs: 1_200 };
    const estimate = { known: true, p50At: START, p90At: START + 1_000, basedOn: 12, isOverdue: false } as const;
    expect(estimateAnswer(estimate, record)).toEqual({
      estimated_end: {
        ...{ p50: "2026-01-05T09:00:00.000Z", p90: "2026-01-05T09:00:01.000Z" },
        ...{ based_on_runs: 12, overdue: false, reason: null },
      },
      estimate_record: { estimates: 8, ended_by_p50: 0.5, ended_by_p90: 0.875, median_error_ms: 1_200 },
    });
  });

  test.each([
    ["no_past_run", "No comparable run has been completed yet."],
    ["not_accepted_yet", "OPAL has not accepted the run yet."],
  ] as const)("says in a sentence why nothing is known: %s", (reason, sentence) => {
    expect(estimateAnswer({ known: false, reason }, NO_RECORD)).toEqual({
      estimated_end: { p50: null, p90: null, based_on_runs: 0, overdue: false, reason: sentence },
      estimate_record: { estimates: 0, ended_by_p50: null, ended_by_p90: null, median_error_ms: null },
    });
  });
});

describe("whatever comes in", () => {
  const time = fc.oneof(fc.integer({ min: 0, max: 60 }), fc.integer({ min: 0, max: 2 ** 40 }));
  const soFar = fc.record<RunSoFar>({
    scope: fc.constantFrom("quick", "priority"),
    order: fc.constantFrom("sequence", "parallel"),
    expectedAgents: fc.integer({ min: 1, max: 3 }),
    acceptedAt: fc.option(time),
    agentEnds: fc.array(time, { maxLength: 4 }),
  });
  const anyFacts = fc
    .tuple(
      soFar,
      fc.record({
        sessionId: fc.string(),
        endedAt: fc.option(time),
        status: fc.constantFrom<RunFacts["status"][]>("completed", "partially_completed", "failed", "running"),
      }),
    )
    .map(([run, rest]): RunFacts => ({ ...run, ...rest }));
  const history = fc.array(anyFacts, { maxLength: 30 }).map((runs) => runs.flatMap((run) => pastRunOf(run) ?? []));
  const values = fc.array(fc.integer({ min: 0, max: 100 }), { minLength: 1, maxLength: 40 });
  const percent = fc.integer({ min: 1, max: 100 });

  test("a past run can be written down and read back, and its remainders never grow", () => {
    fc.assert(
      fc.property(anyFacts, (run) => {
        const learnt = pastRunOf(run);
        fc.pre(learnt !== undefined);
        expect(pastRun.parse(JSON.parse(JSON.stringify(learnt)))).toEqual(learnt);
        expect(learnt.remainingMs[0]).toBe(learnt.durationMs);
        expect(learnt.remainingMs).toEqual(learnt.remainingMs.toSorted((a, b) => b - a));
      }),
    );
  });

  test("there is an estimate or a reason, and now <= p50 <= p90", () => {
    fc.assert(
      fc.property(history, soFar, time, (runs, running, now) => {
        const estimate = estimateEnd(runs, running, now);
        expect(estimateAnswer(estimate, NO_RECORD).estimated_end.reason === null).toBe(estimate.known);
        if (!estimate.known) return;
        expect(estimate.p50At).toBeGreaterThanOrEqual(now);
        expect(estimate.p90At).toBeGreaterThanOrEqual(estimate.p50At);
        expect(estimate.basedOn).toBeGreaterThan(0);
        expect(estimate.basedOn).toBeLessThanOrEqual(runs.length);
      }),
      { numRuns: 1_000 },
    );
  });

  test("a history that took longer gives an estimate that is later by as much", () => {
    const durations = fc.array(fc.integer({ min: 1, max: 1_000 }), { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(durations, fc.integer({ min: 1, max: 1_000 }), (durationsMs, moreMs) => {
        const estimate = estimateEnd(pastRuns(durationsMs), accepted, START);
        const slower = estimateEnd(pastRuns(durationsMs.map((each) => each + moreMs)), accepted, START);
        if (!estimate.known || !slower.known) throw new Error("there is a past");
        expect([slower.p50At, slower.p90At]).toEqual([estimate.p50At + moreMs, estimate.p90At + moreMs]);
      }),
    );
  });

  test("while nothing happens the estimate never moves to an earlier time, nor from overdue to not", () => {
    fc.assert(
      fc.property(history, soFar, time, fc.nat({ max: 100 }), (runs, running, now, laterMs) => {
        const before = estimateEnd(runs, running, now);
        const after = estimateEnd(runs, running, now + laterMs);
        expect(after.known).toBe(before.known);
        if (!before.known || !after.known) return;
        expect(after.p50At).toBeGreaterThanOrEqual(before.p50At);
        expect(after.p90At).toBeGreaterThanOrEqual(before.p90At);
        expect(Number(after.isOverdue)).toBeGreaterThanOrEqual(Number(before.isOverdue));
      }),
      { numRuns: 1_000 },
    );
  });

  test("a quantile is one of the values, enough of them do not exceed it, and too few are below it", () => {
    fc.assert(
      fc.property(values, percent, (all, share) => {
        const quantile = nearestRank(all, share) ?? Number.NaN;
        expect(all).toContain(quantile);
        const needed = (share * all.length) / 100;
        expect(all.filter((value) => value <= quantile).length).toBeGreaterThanOrEqual(needed);
        expect(all.filter((value) => value < quantile).length).toBeLessThan(needed);
      }),
    );
  });

  test("a quantile does not depend on the order of the values, and a higher one is never less", () => {
    fc.assert(
      fc.property(values, percent, percent, (all, one, other) => {
        const [low, high] = [Math.min(one, other), Math.max(one, other)];
        expect(nearestRank(all.toReversed(), one)).toBe(nearestRank(all, one));
        expect(nearestRank(all, high) ?? Number.NaN).toBeGreaterThanOrEqual(nearestRank(all, low) ?? Number.NaN);
      }),
    );
    expect(nearestRank([], 50)).toBeUndefined();
  });

  test("the record's shares are shares, and at least as many runs end by p90 as by p50", () => {
    const estimate = fc.tuple(time, time, time, time).map(([madeAt, one, other, endedAt]) => ({
      ...{ madeAt, p50At: Math.min(one, other), p90At: Math.max(one, other), endedAt },
    }));
    fc.assert(
      fc.property(fc.array(estimate, { maxLength: 20 }), (made) => {
        const record = judgeEstimates(made);
        const parts = [record.endedByP50Share, record.endedByP90Share, record.medianErrorMs];
        expect(parts.map((part) => part === null)).toEqual(parts.map(() => record.estimates === 0));
        expect(record.endedByP50Share ?? 0).toBeLessThanOrEqual(record.endedByP90Share ?? 0);
        expect(record.endedByP90Share ?? 1).toBeLessThanOrEqual(1);
      }),
    );
  });

  test("every row of an agent is counted, whatever the agent is called", () => {
    const agentId = fc.oneof(fc.string(), fc.constantFrom("__proto__", "constructor"));
    fc.assert(
      fc.property(fc.array(fc.record({ agentId, durationMs: fc.nat() })), (rows) => {
        const durations = Object.entries(agentDurations(rows));
        expect(durations.map(([id]) => id).toSorted()).toEqual([...new Set(rows.map((row) => row.agentId))].toSorted());
        expect(durations.reduce((total, [, agent]) => total + agent.runs, 0)).toBe(rows.length);
        for (const [, agent] of durations) expect(agent.p50Ms).toBeLessThanOrEqual(agent.p90Ms);
      }),
    );
  });
});
