// The list of runs follows the workspace's feed.
import { expect, test } from "vitest";
import { applyOverviewChange } from "../../src/dashboard/overview.ts";
import { type RunSummary, summarise } from "../../src/sync/report.ts";
import { viewRun } from "../../src/sync/run/view.ts";
import type { Overview } from "../../src/workspace/overview.ts";
import { given, requested } from "../support/node/given.ts";

const NOBODY: Overview = { activeSessionId: null, runs: [] };

function summary(sessionId: string, change: Partial<RunSummary> = {}): RunSummary {
  return { ...summarise(viewRun(given([0, requested()]).run())), sessionId, ...change };
}

test("a new run comes first and holds the lease", () => {
  const before = applyOverviewChange(NOBODY, { run: summary("old", { requestedAt: 1 }), activeSessionId: null });
  const after = applyOverviewChange(before, { run: summary("new", { requestedAt: 2 }), activeSessionId: "new" });
  expect(after.activeSessionId).toBe("new");
  expect(after.runs.map((run) => run.sessionId)).toEqual(["new", "old"]);
});

test("news of a known run replaces what was known, in its place", () => {
  const before: Overview = {
    activeSessionId: "b",
    runs: [summary("b", { requestedAt: 2 }), summary("a", { requestedAt: 1 })],
  };
  const after = applyOverviewChange(before, {
    run: summary("a", { requestedAt: 1, progressPercent: 50 }),
    activeSessionId: "b",
  });
  expect(after.runs.map((run) => [run.sessionId, run.progressPercent])).toEqual([
    ["b", 0],
    ["a", 50],
  ]);
});

test("no more runs are kept than the workspace shows", () => {
  let overview = NOBODY;
  for (let at = 1; at <= 60; at++) {
    overview = applyOverviewChange(overview, { run: summary(`r${at}`, { requestedAt: at }), activeSessionId: null });
  }
  expect(overview.runs).toHaveLength(50);
  expect(overview.runs[0]?.sessionId).toBe("r60");
});
