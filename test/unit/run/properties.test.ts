// What holds for every run, whatever comes in whatever order. A failure prints the seed that repeats it.
import fc from "fast-check";
import { describe, expect, test, vi } from "vitest";
import type { AgentId } from "../../../src/opal/agents.ts";
import { deadlines, nextWakeUp, overdue } from "../../../src/sync/run/deadlines.ts";
import { decide } from "../../../src/sync/run/decide.ts";
import { type RunEvent, runEvent } from "../../../src/sync/run/events.ts";
import { explainAgent, explainRun } from "../../../src/sync/run/explain.ts";
import { progressPercent } from "../../../src/sync/run/progress.ts";
import { fold } from "../../../src/sync/run/reduce.ts";
import { RULES } from "../../../src/sync/run/rules.ts";
import {
  endOf,
  isActive,
  isEnded,
  isGivenUp,
  isRerunning,
  type KnownRun,
  NO_RUN,
  type Run,
} from "../../../src/sync/run/state.ts";
import { viewRun } from "../../../src/sync/run/view.ts";
import { CANCEL, deliver, says, WAKE } from "../../support/node/given.ts";
import { type Beginning, beginning, type Step, Story, step } from "./story.ts";

// Thousands of cases each, on a machine that may be busy with other files.
vi.setConfig({ testTimeout: 60_000 });

const steps = fc.array(step, { maxLength: 60, size: "max" });
const RUNS = 1_000;

/** The property, after a whole random story. */
function always(property: (story: Story) => void, runs = RUNS): void {
  fc.assert(
    fc.property(beginning, steps, (start, taken) => {
      property(tell(start, taken));
    }),
    { numRuns: runs },
  );
}

function tell(start: Beginning, taken: readonly Step[]): Story {
  const story = new Story(start);
  for (const each of taken) story.take(each);
  return story;
}

/** When the agent was seen running once more for the last time: the event that ended that. */
function lastRerunning(log: readonly RunEvent[], id: AgentId, rerun: number): number {
  let run: Run = NO_RUN;
  let last = 0;
  for (const event of log) {
    const wasRerunning = run.status !== "absent" && isRerunning(run, id, rerun);
    run = fold([event], run);
    if (wasRerunning && run.status !== "absent" && !isRerunning(run, id, rerun)) last = event.at;
  }
  return last;
}

/** What stands in for an agent that was given up; undefined for any other agent. */
function standInOf(run: KnownRun, id: AgentId) {
  const agent = run.agents[id];
  return agent && isGivenUp(agent) ? agent.fallback : undefined;
}

function rank(run: Run): number {
  if (run.status === "absent") return 0;
  return isEnded(run) ? 3 : run.status === "requested" ? 1 : 2;
}

function pairs(story: Story): (readonly [Run, Run])[] {
  return story.runs.slice(1).map((run, index) => [story.runs[index] ?? NO_RUN, run]);
}

describe("the log", () => {
  test("is numbered without a gap, and its times never go back", () => {
    always(({ log }) => {
      expect(log.map((event) => event.seq)).toEqual(log.map((_, index) => index + 1));
      expect(log.map((event) => event.at)).toEqual(log.map((event) => event.at).toSorted((a, b) => a - b));
    });
  });

  test("can be written down and read back", () => {
    always(({ log }) => {
      for (const event of log) expect(runEvent.parse(JSON.parse(JSON.stringify(event)))).toEqual(event);
    }, 500);
  });

  test("folds to the run that was decided step by step", () => {
    always(({ log, run }) => expect(fold(log)).toEqual(run));
  });

  test("can be folded from any point on", () => {
    fc.assert(
      fc.property(beginning, steps, fc.nat(), (start, taken, cut) => {
        const { log, run } = tell(start, taken);
        const middle = cut % (log.length + 1);
        expect(fold(log.slice(middle), fold(log.slice(0, middle)))).toEqual(run);
      }),
      { numRuns: RUNS },
    );
  });

  test("holds one beginning and at most one end", () => {
    always(({ log, run }) => {
      expect(log.filter((event) => event.type === "requested" || event.type === "adopted")).toHaveLength(1);
      expect(log.filter((event) => event.type === "ended")).toHaveLength(isEnded(run) ? 1 : 0);
    });
  });

  test("gives up no agent that had ended already", () => {
    always(({ log }) => {
      let run: Run = NO_RUN;
      for (const event of log) {
        const isGivenUp = event.type === "agent_timed_out" || event.type === "agent_gave_no_result";
        const agent = isGivenUp && run.status !== "absent" ? run.agents[event.agentId] : undefined;
        if (agent) expect(endOf(agent)).toBeUndefined();
        run = fold([event], run);
      }
    });
  });
});

describe("the state", () => {
  test("is plain JSON, and one that was stored decides like one that was not", () => {
    always(({ run, now }) => {
      const stored: Run = JSON.parse(JSON.stringify(run));
      expect(stored).toEqual(run);
      for (const command of [WAKE, CANCEL, deliver(says("geo_audit", "completed"))]) {
        expect(decide(stored, command, now)).toEqual(decide(run, command, now));
      }
    });
  });

  test("never goes back, and an end is for ever", () => {
    always((story) => {
      for (const [before, after] of pairs(story)) {
        expect(rank(after)).toBeGreaterThanOrEqual(rank(before));
        if (isEnded(before)) expect(after.status).toBe(before.status);
      }
    });
  });

  test("loses neither progress nor phase", () => {
    always((story) => {
      for (const [before, after] of pairs(story)) {
        if (before.status === "absent" || after.status === "absent") continue;
        expect(progressPercent(after)).toBeGreaterThanOrEqual(progressPercent(before));
        expect(after.phase).toBeGreaterThanOrEqual(before.phase);
      }
    });
  });

  test("moves progress and phase for deliveries only", () => {
    always(({ log }) => {
      let run: Run = NO_RUN;
      for (const event of log) {
        const next: Run = fold([event], run);
        if (!("deliveryId" in event) && run.status !== "absent" && next.status !== "absent") {
          expect([progressPercent(next), next.phase]).toEqual([progressPercent(run), run.phase]);
        }
        run = next;
      }
    });
  });

  test("counts every delivery of the log once", () => {
    always(({ log, run }) => {
      const counts = run.status === "absent" ? [] : Object.values(run.deliveries);
      const recorded = log.filter((event) => event.type === "delivery_recorded").length;
      expect(counts.reduce((total, count) => total + count, 0)).toBe(recorded);
    });
  });

  // A delivery that is read again afterwards may correct an agent; the run's own end stays as it is.
  test("ends as completed only when every agent has completed", () => {
    always(({ log }) => {
      const end = log.findIndex((event) => event.type === "ended");
      const run = fold(log.slice(0, end + 1));
      if (run.status !== "completed") return;
      expect(run.request.workflow.agents.every(({ id }) => run.agents[id]?.state === "completed")).toBe(true);
    });
  });

  test("has a result stand in for an agent that was given up, and only while none does", () => {
    always(({ log }) => {
      let run: Run = NO_RUN;
      for (const event of log) {
        const before = run;
        run = fold([event], run);
        if (event.type !== "fallback_used" || before.status === "absent" || run.status === "absent") continue;
        expect(standInOf(before, event.agentId)).toBeNull();
        expect(standInOf(run, event.agentId)).not.toBeNull();
      }
    });
  });

  test("waits for leave only while a call is to be made", () => {
    always((story) => {
      for (const run of story.runs) {
        if (run.status === "absent" || run.postponed === null) continue;
        const isCallToCome = deadlines(run).some((deadline) => deadline.what === "attempt");
        expect(isCallToCome || (isActive(run) && run.cancelRequestedAt !== null)).toBe(true);
      }
    });
  });

  test("can always be shown", () => {
    always(({ run }) => {
      if (run.status === "absent") return;
      const view = viewRun(run);
      expect(view.isOver).toBe(isEnded(run));
      expect(view.progressPercent).toBeLessThanOrEqual(100);
      expect(view.message).not.toBe("");
    });
  });
});

describe("a re-run", () => {
  test("is not over as long as one of its agents runs once more, and no longer", () => {
    always((story) => {
      for (const run of story.runs) {
        if (run.status === "absent") continue;
        for (const { rerun, agents, isOver } of run.reruns) {
          expect(isOver).toBe(!agents.some((id) => isRerunning(run, id, rerun)));
        }
        const again = Object.values(run.agents).flatMap((agent) => (agent.state === "rerunning" ? [agent.rerun] : []));
        expect(run.reruns.map(({ rerun }) => rerun)).toEqual(expect.arrayContaining(again));
      }
    });
  });

  test("ends once", () => {
    always(({ log }) => {
      let run: Run = NO_RUN;
      for (const event of log) {
        if (event.type === "rerun_over" && run.status !== "absent") {
          expect(run.reruns.find(({ rerun }) => rerun === event.rerun)).toMatchObject({ isOver: false });
        }
        run = fold([event], run);
      }
    });
  });

  test("is asked for at most twice for an agent, and at most once by nobody", () => {
    always(({ run }) => {
      if (run.status === "absent") return;
      for (const { id } of run.request.workflow.agents) {
        const reruns = run.reruns.filter(({ agents }) => agents.includes(id));
        expect(reruns.length).toBeLessThanOrEqual(2);
        expect(reruns.filter(({ actor }) => actor === null).length).toBeLessThanOrEqual(1);
      }
    });
  });

  test("keeps its run alive", () => {
    always(({ log }) => {
      const end = log.findIndex((event) => event.type === "ended" && event.rule === "all_ended");
      const before = fold(log.slice(0, Math.max(0, end)));
      if (before.status === "absent") return;
      expect(Object.values(before.agents).filter((agent) => agent.state === "rerunning")).toEqual([]);
    });
  });

  test("never runs in a run that has ended", () => {
    always(({ run }) => {
      if (!isEnded(run)) return;
      expect(Object.values(run.agents).filter((agent) => agent.state === "rerunning")).toEqual([]);
    });
  });

  test("gives each of its agents the whole of its limit", () => {
    always(({ log }) => {
      let run: Run = NO_RUN;
      for (const event of log) {
        const isOverLimit = event.type === "agent_timed_out" && event.rule === "rerun_failed";
        const agent = isOverLimit && run.status === "running" ? run.agents[event.agentId] : undefined;
        if (event.type === "agent_timed_out" && run.status === "running" && agent?.state === "rerunning") {
          const { rerun: number } = agent;
          const rerun = run.reruns.find((known) => known.rerun === number);
          const { order } = run.request.workflow;
          const before = order === "sequence" ? rerun?.agents[rerun.agents.indexOf(event.agentId) - 1] : undefined;
          // The last moment at which the agent before it was still running once more.
          const handedOver = before === undefined ? 0 : lastRerunning(log, before, number);
          const since = Math.max(rerun?.acceptedAt ?? Number.POSITIVE_INFINITY, handedOver);
          expect(event.at).toBeGreaterThanOrEqual(since + event.limitMs);
        }
        run = fold([event], run);
      }
    });
  });
});

describe("calls to OPAL", () => {
  test("are made one at a time, four for each purpose at most, and only while they may be", () => {
    always(({ log }) => {
      let run: Run = NO_RUN;
      let isOpen = false;
      let isStopped = false;
      const made = new Map<number | null, number>();
      for (const event of log) {
        if (event.type === "adopted" || event.type === "ended" || event.type === "credential_refused") isStopped = true;
        if (event.type === "cancel_requested") isStopped = true;
        const before = run;
        run = fold([event], run);
        if (event.type === "attempt_failed" || event.type === "attempt_accepted") {
          expect(isOpen).toBe(true);
          isOpen = false;
        }
        if (event.type !== "attempt_started") continue;
        const isEarly = before.status !== "absent" && event.at < (before.postponed?.until ?? 0);
        expect({ isOpen, isStopped, isEarly }).toEqual({ isOpen: false, isStopped: false, isEarly: false });
        isOpen = true;
        made.set(event.rerun, (made.get(event.rerun) ?? 0) + 1);
      }
      expect(Math.max(0, ...made.values())).toBeLessThanOrEqual(4);
    });
  });

  test("end before the next one of their purpose begins, and none follows an acceptance", () => {
    always(({ log }) => {
      const accepted = new Set<number | null>();
      let open: number | null = null;
      for (const event of log) {
        if (event.type === "attempt_started") {
          expect(accepted.has(event.rerun)).toBe(false);
          open = event.rerun;
        }
        if (event.type === "attempt_accepted") accepted.add(open);
        if (event.type === "accepted_by_delivery") accepted.add(event.rerun);
      }
    });
  });
});

/** What can come from outside; everything else follows from something. */
const FROM_OUTSIDE: readonly RunEvent["type"][] = [
  "requested",
  "adopted",
  "delivery_recorded",
  "cancel_requested",
  "rerun_requested",
  "reprocessed",
  "retried",
];

describe("every event", () => {
  test("says by which rule it was decided", () => {
    always(({ log }) => {
      for (const event of log) {
        expect(event.rule).not.toBe("unrecorded");
        expect(RULES[event.rule]).toBeDefined();
      }
    });
  });

  test("follows from an earlier one, or came from outside", () => {
    always(({ log }) => {
      for (const { seq, type, causedBy } of log) {
        if (causedBy === null) expect(FROM_OUTSIDE).toContain(type);
        else expect(log.slice(0, seq - 1).map((earlier) => earlier.seq)).toContain(causedBy);
      }
    });
  });

  test("leads back, cause by cause, to something that came from outside", () => {
    always(({ log }) => {
      const rootOf = (event: RunEvent): RunEvent => {
        const cause = log.find((earlier) => earlier.seq === event.causedBy);
        return cause === undefined || cause.seq >= event.seq ? event : rootOf(cause);
      };
      for (const event of log) expect(rootOf(event).causedBy).toBeNull();
    });
  });

  test("explains the run and each of its agents", () => {
    always(({ log, run }) => {
      if (run.status === "absent") return;
      const explained = [explainRun(log), ...run.request.workflow.agents.map(({ id }) => explainAgent(log, id))];
      for (const steps of explained) {
        expect(steps.length).toBeGreaterThan(0);
        expect(steps.at(-1)?.event.causedBy).toBeNull();
      }
      if (isEnded(run)) expect(explained[0]?.[0]).toMatchObject({ type: "ended", seq: expect.any(Number) });
    }, 500);
  });
});

describe("waiting", () => {
  test("a run that is active always waits for something", () => {
    always((story) => {
      for (const run of story.runs) if (isActive(run)) expect(nextWakeUp(run)).toBeDefined();
    });
  });

  test("a run that has ended waits for an open call and for nothing else", () => {
    always((story) => {
      for (const run of story.runs) {
        if (isEnded(run)) expect(deadlines(run).every((deadline) => deadline.what === "call")).toBe(true);
      }
    });
  });

  test("a run left alone always ends, in a bounded number of wake-ups", () => {
    always((story) => {
      const wakes = story.leaveAlone(200);
      expect(wakes).toBeLessThan(120);
      expect(isEnded(story.run)).toBe(true);
      expect(nextWakeUp(story.run)).toBeUndefined();
      expect(story.log.filter((event) => event.type === "ended")).toHaveLength(1);
    });
  });

  test("a wake leaves nothing overdue but what is a call's", () => {
    always((story) => {
      story.wake();
      const left = overdue(story.run, story.now).filter(({ what }) => what !== "call" && what !== "attempt");
      expect(left).toEqual([]);
    });
  });

  test("waking twice at one instant decides nothing the second time", () => {
    always((story) => {
      story.wake();
      const { run } = story;
      story.wake();
      expect(story.run).toEqual(run);
    });
  });
});
