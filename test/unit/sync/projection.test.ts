// The read model's rows, as pure functions of a run's log.
import fc from "fast-check";
import { describe, expect, test, vi } from "vitest";
import { type DeliveryRow, deliveryRows, type ProjectionSource, readAgain } from "../../../src/sync/delivery-rows.ts";
import { withinBudget } from "../../../src/sync/projection.ts";
import { type AgentRow, agentRows, bodyOf, executionRow } from "../../../src/sync/rows.ts";
import { type EventBody, type RunEvent, runEvent } from "../../../src/sync/run/events.ts";
import { fold } from "../../../src/sync/run/reduce.ts";
import type { RunRequest } from "../../../src/sync/run/request.ts";
import type { KnownRun } from "../../../src/sync/run/state.ts";
import {
  adopted,
  agentCompleted,
  agentFailed,
  agentTimedOut,
  at,
  called,
  callFell,
  credentialRefused,
  delivery,
  ended,
  fallbackUsed,
  heard,
  type Past,
  PLAN,
  requested,
  rerunRequested,
  result,
  running,
} from "../../support/node/given.ts";
import { beginning, Story, step } from "../run/story.ts";

// Hundreds of whole stories each, on a machine that may be busy with other files.
vi.setConfig({ testTimeout: 60_000 });

const SOURCE: ProjectionSource = {
  bodyParts: () => [],
  receiptOf: (deliveryId) => ({ dedupKey: `key of ${deliveryId}`, headers: null }),
};

function logOf(...past: readonly Past[]): RunEvent[] {
  return past.map(([seconds, body], index) =>
    runEvent.parse({ ...body, seq: index + 1, at: at(seconds), version: 2, rule: "granted" }),
  );
}

function runOf(events: readonly RunEvent[]): KnownRun {
  const run = fold(events);
  if (run.status === "absent") throw new Error("there is no run");
  return run;
}

function execution(...past: readonly Past[]) {
  return executionRow(runOf(logOf(...past)));
}

function agent(id: string, ...past: readonly Past[]): AgentRow | undefined {
  const log = logOf(...past);
  return agentRows(runOf(log), log).find((row) => row.agentId === id);
}

function deliveries(...past: readonly Past[]): DeliveryRow[] {
  const log = logOf(...past);
  return deliveryRows(runOf(log), log, SOURCE);
}

function notUnderstood(): EventBody {
  const { correlated: _correlated, ...fields } = delivery();
  return { type: "delivery_recorded", ...fields, verdict: "ignored", reason: "unknown_event_type", reading: [] };
}

function reprocessed(verdict: "processed" | "ignored", about: "geo_audit" | null): EventBody {
  const { bodyId: _bodyId, ...reference } = result();
  const said = { about: "agent", outcome: "completed", isCredentialRefused: false, result: reference } as const;
  const reading = about === null ? [] : [{ ...said, agentId: about }];
  const ids = { deliveryId: "whd_1", remoteId: null, actor: "operator" };
  return { type: "reprocessed", ...ids, was: "ignored", verdict, reason: null, reading };
}

describe("a run's row", () => {
  test("holds what was asked for", () => {
    const client = {
      ...{ name: "Acme", companySize: "500", currentCapabilities: ["email"], businessObjectives: ["growth"] },
      ...{ additionalMarketingTechnology: ["CDP"], timelinePreference: "soon", budgetRange: "some" },
      recipients: ["a@acme.test"],
    };
    const request: RunRequest = {
      ...PLAN,
      ...{ client, source: "api", priority: "high", agentFilter: ["geo_audit"], timeoutOverrideMs: 9_000 },
    };
    const { name, ...rest } = client;
    expect(execution([0, requested(request)])).toMatchObject({
      ...rest,
      ...{ clientName: name, industry: null, triggerSource: "api", priority: "high", agentFilter: ["geo_audit"] },
      ...{ timeoutOverrideMs: 9_000, isForceSync: true, endedAt: null, attempt: 1, retryOf: null, retriedAs: null },
      ...{ rootSessionId: PLAN.sessionId, fallbackAgents: 0, escalations: 0, credentialRefused: null },
    });
  });

  test("says that a workflow of OPAL's own was no force sync", () => {
    expect(execution([0, adopted("opal-1")])).toMatchObject({ origin: "foreign", isForceSync: false });
  });

  test("tells which attempt at the same thing it is, and which run repeats it", () => {
    const lineage = { rootId: "sync-1", attempt: 3, retryOf: "sync-2", how: "retry", failedOnly: false } as const;
    const again = (bySessionId: string): EventBody => ({
      ...{ type: "retried", bySessionId, attempt: 4, how: "retry", actor: "operator" },
    });
    const past = running({ ...PLAN, lineage });
    const row = execution(
      ...past,
      [9, ended("cancelled", "cancelled_by_operator")],
      [20, again("sync-4")],
      [30, again("sync-5")],
    );
    expect(row).toMatchObject({ attempt: 3, rootSessionId: "sync-1", retryOf: "sync-2", retriedAs: "sync-5" });
    expect(row).toMatchObject({ failedAt: at(9), endedAt: at(9), updatedAt: at(30), seq: 6 });
  });

  test("counts calls for people and stand-ins, and names the credential that was refused", () => {
    const row = execution(
      [0, requested()],
      [0, called(1)],
      [1, callFell(1, "http_auth", null, 401)],
      [1, credentialRefused()],
      [1, { type: "escalated", because: "credential_refused", agentId: null, count: 1 }],
      [1, ended("failed", "credential_refused")],
    );
    expect(row).toMatchObject({ credentialRefused: "OPAL_STRATEGY_WORKFLOW_AUTH_KEY", escalations: 1 });
    expect(JSON.stringify(row)).not.toContain("0123456789abcdef");
    const stoodIn = execution(...running(), [60, agentTimedOut("geo_audit", 9)], [60, fallbackUsed("geo_audit")]);
    expect(stoodIn).toMatchObject({ fallbackAgents: 1, completedAgents: 0, failedAgents: 1 });
  });
});

describe("an agent's row", () => {
  test("says what its phase is for", () => {
    const log = logOf([0, requested()]);
    const types = new Set(agentRows(runOf(log), log).map((row) => `${row.executionOrder} ${row.agentType}`));
    expect([...types]).toEqual([
      ...["1 data", "2 data", "3 data", "4 data", "5 design", "6 design", "7 data", "8 plan", "9 data"],
    ]);
  });

  test("holds the earlier result that stands in for a missing one, which is no result of its own", () => {
    const past = [...running(), [60, agentTimedOut("geo_audit", 9)]] satisfies Past[];
    expect(agent("geo_audit", ...past)).toMatchObject({ fallbackMethod: null, fallbackAt: null });
    expect(agent("geo_audit", ...past, [61, fallbackUsed("geo_audit", { confidence: 0.72 })])).toMatchObject({
      ...{ status: "timed_out", fallbackMethod: "cached_data", fallbackSessionId: "sync-1767600000000-zzzzz" },
      ...{ fallbackConfidence: 0.72, fallbackAt: at(0) - 1, resultId: null, confidence: null, seq: 5 },
    });
  });

  test("counts its re-runs, and is as before when one is over", () => {
    const past = [
      ...running(),
      [60, agentFailed("geo_audit")],
      [61, rerunRequested(1, ["geo_audit"], "asked_for")],
    ] satisfies Past[];
    expect(agent("geo_audit", ...past)).toMatchObject({ status: "rerunning", retryCount: 1, maxRetries: 2, seq: 5 });
    expect(agent("geo_audit", ...past, [70, { type: "rerun_over", rerun: 1 }])).toMatchObject({
      ...{ status: "failed", retryCount: 1, completedAt: at(60), seq: 6 },
    });
  });

  test("is written only by events that change that agent", () => {
    const log = logOf(...running(), [5, heard()], [5, agentCompleted("geo_audit")], [6, heard()]);
    expect(agentRows(runOf(log), log.slice(3)).map((row) => [row.agentId, row.seq])).toEqual([["geo_audit", 5]]);
  });
});

describe("a delivery's row", () => {
  test("keeps how it was answered when reading it again says something else", () => {
    const first: Past = [5, notUnderstood()];
    expect(deliveries(...running(), first)).toMatchObject([
      { verdict: "ignored", reason: "unknown_event_type", agentId: null, httpStatus: 202, seq: 4, verdictSeq: 4 },
    ]);
    expect(deliveries(...running(), first, [9, reprocessed("processed", "geo_audit")])).toMatchObject([
      ...[{ verdict: "processed", reason: null, agentId: "geo_audit", httpStatus: 202, seq: 4, verdictSeq: 5 }],
    ]);
  });

  test("takes its hash from the journal and its processing time from the log", () => {
    expect(deliveries(...running(), [2, heard()])).toMatchObject([
      { dedupHash: "key of whd_1", processingTimeMs: 2_000, sha256: "bb", httpStatus: 200 },
    ]);
  });
});

describe("bodies", () => {
  test("come with the deliveries and results of the run's own session", () => {
    const corrected: EventBody = {
      ...{ type: "agent_corrected", agentId: "geo_audit", deliveryId: "whd_1", outcome: "completed", result: result() },
    };
    const log = logOf([0, heard()], [0, agentCompleted("geo_audit")], [0, corrected], [0, called(1)]);
    expect(log.map((event) => bodyOf(event)?.bodyId)).toEqual(["whd_1", "whd_1.result", "whd_1.result", undefined]);
  });

  test("of a result that stands in are in another session, and weigh nothing here", () => {
    const [event] = logOf([0, fallbackUsed("geo_audit", { bytes: 99_000_000 })]);
    const [large] = logOf([0, agentCompleted("geo_audit", { bytes: 99_000_000 })]);
    if (event === undefined || large === undefined) throw new Error("no event");
    expect(bodyOf(event)).toBeUndefined();
    expect(withinBudget([event, event, event])).toHaveLength(3);
    expect(withinBudget([large, event, event])).toHaveLength(1);
  });

  test("that are empty are not looked for", () => {
    const [event] = logOf([0, agentFailed("geo_audit", { bytes: 0 })]);
    expect(event && bodyOf(event)).toBeUndefined();
  });
});

describe("whatever happens to a run", () => {
  const steps = fc.array(step, { maxLength: 60 });

  function always(property: (story: Story) => void): void {
    fc.assert(
      fc.property(beginning, steps, (start, taken) => {
        const story = new Story(start);
        for (const each of taken) story.take(each);
        property(story);
      }),
      { numRuns: 400 },
    );
  }

  test("an agent's row changes with the events that are said to change it and with no other", () => {
    always(({ log }) => {
      let before = new Map<string, AgentRow>();
      for (let length = 1; length <= log.length; length++) {
        const known = log.slice(0, length);
        const run = runOf(known);
        const after = new Map(agentRows(run, known).map((row) => [row.agentId, row]));
        const written = agentRows(run, log.slice(length - 1, length)).map((row) => row.agentId);
        const changed = [...after].filter(([id, row]) => !isSameButSeq(row, before.get(id))).map(([id]) => id);
        expect(written).toEqual(expect.arrayContaining(changed));
        before = after;
      }
    });
  });

  test("batches of any size, some of them written twice, lead to the rows of the whole log", () => {
    fc.assert(
      fc.property(
        beginning,
        steps,
        fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1 }),
        (start, taken, cuts) => {
          const story = new Story(start);
          for (const each of taken) story.take(each);
          const { log } = story;
          const run = runOf(log);
          const d1 = { agents: new Map<string, AgentRow>(), deliveries: new Map<string, DeliveryRow>() };
          for (let from = 0, batch = 0; from < log.length; batch++) {
            const to = Math.min(log.length, from + (cuts[batch % cuts.length] ?? 1));
            write(d1, log.slice(0, to), log.slice(from, to));
            write(d1, log.slice(0, to), log.slice(Math.max(0, from - 7), to));
            from = to;
          }
          expect([...d1.agents.values()]).toEqual(agentRows(run, log));
          expect([...d1.deliveries.values()]).toEqual(deliveryRows(run, log, SOURCE));
        },
      ),
      { numRuns: 400 },
    );
  });

  /** What the projection's statements do, in memory. */
  function write(
    d1: { readonly agents: Map<string, AgentRow>; readonly deliveries: Map<string, DeliveryRow> },
    known: readonly RunEvent[],
    events: readonly RunEvent[],
  ): void {
    const run = runOf(known);
    for (const row of agentRows(run, events)) {
      if (row.seq >= (d1.agents.get(row.agentId)?.seq ?? 0)) d1.agents.set(row.agentId, row);
    }
    for (const row of deliveryRows(run, events, SOURCE)) {
      if (!d1.deliveries.has(row.deliveryId)) d1.deliveries.set(row.deliveryId, row);
    }
    for (const [id, reading] of readAgain(events)) {
      const row = d1.deliveries.get(id);
      if (row && row.verdictSeq < reading.verdictSeq) d1.deliveries.set(id, { ...row, ...reading });
    }
  }

  function isSameButSeq(row: AgentRow, other: AgentRow | undefined): boolean {
    return JSON.stringify({ ...row, seq: 0 }) === JSON.stringify({ ...other, seq: 0 });
  }
});
