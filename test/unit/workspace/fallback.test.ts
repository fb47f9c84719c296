// The last run that went well, and how many in a row did not.
import { describe, expect, test } from "vitest";
import { type RunSummary, reportOf } from "../../../src/sync/report.ts";
import { failuresInARow, fallbackOf } from "../../../src/workspace/fallback.ts";
import { given, requested } from "../../support/node/given.ts";

const NOW = Date.UTC(2026, 10, 21, 12);
const HOUR = 60 * 60_000;
const BASE = reportOf(given([0, requested()]).run(), false).summary;

function run(status: RunSummary["status"], endedAgoMs: number | null, change: Partial<RunSummary> = {}): RunSummary {
  const endedAt = endedAgoMs === null ? null : NOW - endedAgoMs;
  return { ...BASE, sessionId: `sync-${status}-${endedAgoMs}`, status, endedAt, isOver: endedAt !== null, ...change };
}

describe("the last good run", () => {
  test("is the newest one in which every agent completed", () => {
    const runs = [run("failed", 1), run("partially_completed", 2), run("completed", 3), run("completed", 4)];
    expect(fallbackOf(runs, 0, NOW).lastGood).toMatchObject({
      run: { sessionId: "sync-completed-3" },
      endedAt: NOW - 3,
    });
  });

  test("is shown for two hours and not a moment longer", () => {
    expect(fallbackOf([run("completed", 2 * HOUR)], 0, NOW).lastGood).not.toBeNull();
    expect(fallbackOf([run("completed", 2 * HOUR + 1)], 0, NOW).lastGood).toBeNull();
  });

  test("is gone once an administrator has cleared it, until another one goes well", () => {
    expect(fallbackOf([run("completed", 100)], NOW - 100, NOW).lastGood).toBeNull();
    expect(fallbackOf([run("completed", 99)], NOW - 100, NOW).lastGood).not.toBeNull();
  });

  test("comes with the ten latest runs, however they went", () => {
    const runs = Array.from({ length: 12 }, (_, index) => run("failed", index));
    expect(fallbackOf(runs, 0, NOW).recent).toEqual(runs.slice(0, 10));
  });
});

describe("failures in a row", () => {
  test("are counted back to the last run that gave results", () => {
    const runs = [
      run("running", null),
      run("failed", 1),
      run("timed_out", 2),
      run("partially_completed", 3),
      run("failed", 4),
    ];
    expect(failuresInARow(runs)).toBe(2);
  });

  test("leave out cancelled runs and those of OPAL's own", () => {
    const foreign = run("failed", 2, { origin: "foreign" });
    expect(
      failuresInARow([run("failed", 1), run("cancelled", 2), foreign, run("failed", 3), run("completed", 4)]),
    ).toBe(2);
  });

  test("are none without any run", () => {
    expect(failuresInARow([])).toBe(0);
  });
});
