// The list of runs, and what controls them, follows the workspace's feed.
import { expect, test } from "vitest";
import { applyOverviewChange } from "../../src/dashboard/overview.ts";
import { type RunSummary, summarise } from "../../src/sync/report.ts";
import { viewRun } from "../../src/sync/run/view.ts";
import type { Overview, OverviewChange } from "../../src/workspace/overview.ts";
import { given, requested } from "../support/node/given.ts";
import { AS_USUAL, NOBODY, QUEUED, SWITCHED_OFF } from "./overviews.ts";

function summary(sessionId: string, change: Partial<RunSummary> = {}): RunSummary {
  return { ...summarise(viewRun(given([0, requested()]).run())), sessionId, ...change };
}

function about(run: RunSummary | null, change: Partial<OverviewChange> = {}): OverviewChange {
  return { ...AS_USUAL, run, activeSessionId: null, ...change };
}

test("a new run comes first and holds the lease", () => {
  const before = applyOverviewChange(NOBODY, about(summary("old", { requestedAt: 1 })));
  const after = applyOverviewChange(before, about(summary("new", { requestedAt: 2 }), { activeSessionId: "new" }));
  expect(after.activeSessionId).toBe("new");
  expect(after.runs.map((run) => run.sessionId)).toEqual(["new", "old"]);
});

test("news of a known run replaces what was known, in its place", () => {
  const before: Overview = {
    ...NOBODY,
    activeSessionId: "b",
    runs: [summary("b", { requestedAt: 2 }), summary("a", { requestedAt: 1 })],
  };
  const after = applyOverviewChange(before, about(summary("a", { requestedAt: 1, progressPercent: 50 })));
  expect(after.runs.map((run) => [run.sessionId, run.progressPercent])).toEqual([
    ["b", 0],
    ["a", 50],
  ]);
});

test("no more runs are kept than the workspace shows", () => {
  let overview = NOBODY;
  for (let at = 1; at <= 60; at++) {
    overview = applyOverviewChange(overview, about(summary(`r${at}`, { requestedAt: at })));
  }
  expect(overview.runs).toHaveLength(50);
  expect(overview.runs[0]?.sessionId).toBe("r60");
});

test("news of the control alone leaves the runs as they are", () => {
  const before: Overview = { ...NOBODY, runs: [summary("a")] };
  const after = applyOverviewChange(before, about(null, { switchedOff: SWITCHED_OFF, queued: QUEUED }));
  expect(after).toEqual({ ...before, switchedOff: SWITCHED_OFF, queued: QUEUED });
  const usual = applyOverviewChange(after, about(null));
  expect(usual).toEqual(before);
});
