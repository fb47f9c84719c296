// What holds for every run, whatever comes in whatever order. A failure prints the seed that repeats it.
import fc from "fast-check";
import { describe, expect, test, vi } from "vitest";
import { deadlines, nextWakeUp, overdue } from "../../../src/sync/run/deadlines.ts";
import { decide } from "../../../src/sync/run/decide.ts";
import { runEvent } from "../../../src/sync/run/events.ts";
import { progressPercent } from "../../../src/sync/run/progress.ts";
import { fold } from "../../../src/sync/run/reduce.ts";
import { endOf, isActive, isEnded, NO_RUN, type Run } from "../../../src/sync/run/state.ts";
import { viewRun } from "../../../src/sync/run/view.ts";
import { CANCEL, deliver, says, WAKE } from "../../support/node/given.ts";
import { type Beginning, beginning, type Step, Story, step } from "./story.ts";

// Thousands of cases each, on a machine that may be busy with other files.
vi.setConfig({ testTimeout: 60_000 });

const steps = fc.array(step, { maxLength: 60 });
const RUNS = 2_500;

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
    }, 1_000);
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

  test("is completed only when every agent is", () => {
    always(({ run }) => {
      if (run.status !== "completed") return;
      expect(run.request.workflow.agents.every(({ id }) => run.agents[id]?.state === "completed")).toBe(true);
    });
  });

  test("never holds more than four calls", () => {
    always(({ run }) => {
      if (run.status !== "absent") expect(run.attempts.length).toBeLessThanOrEqual(4);
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
      const wakes = story.leaveAlone(60);
      expect(wakes).toBeLessThan(40);
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
