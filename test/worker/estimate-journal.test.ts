// What a workspace's storage keeps of past runs and of the estimates made from them.
import { abortAllDurableObjects, runInDurableObject } from "cloudflare:test";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { PastRun } from "../../src/workspace/estimate.ts";
import { ESTIMATE_TABLES, EstimateJournal } from "../../src/workspace/estimate-journal.ts";
import { query, startOver, tablesOf, workspaceObject } from "../support/worker/objects.ts";

beforeEach(async () => {
  if ((await tablesOf(workspaceObject())).includes("past_runs")) return;
  await runInDurableObject(workspaceObject(), (_instance, state) => {
    for (const statement of ESTIMATE_TABLES) state.storage.sql.exec(statement);
  });
});
afterEach(startOver);

function inJournal<Value>(act: (journal: EstimateJournal) => Value): Promise<Value> {
  return runInDurableObject(workspaceObject(), (_instance, state) => act(new EstimateJournal(state.storage.sql)));
}

function pastRun(number: number): PastRun {
  return {
    ...{ sessionId: `sync-${number}`, scope: "quick", order: "sequence", expectedAgents: 2 },
    ...{ endedAt: 1_000 + number, durationMs: 90, remainingMs: [90, 40, 0] },
  };
}

describe("past runs", () => {
  test("are read as they were kept, newest first, also after everything was killed", async () => {
    await inJournal((journal) => {
      for (const number of [2, 3, 1]) journal.keepPastRun(pastRun(number));
    });
    await abortAllDurableObjects();
    expect(await inJournal((journal) => journal.pastRuns())).toEqual([pastRun(3), pastRun(2), pastRun(1)]);
  });

  test("that are told again are kept once, as they were first told", async () => {
    const runs = await inJournal((journal) => {
      journal.keepPastRun(pastRun(1));
      journal.keepPastRun(pastRun(1));
      journal.keepPastRun({ ...pastRun(1), scope: "priority" });
      return journal.pastRuns();
    });
    expect(runs).toEqual([pastRun(1)]);
  });

  test("are the newest hundred, and an older one that is told again does not come back", async () => {
    const runs = await inJournal((journal) => {
      for (let number = 1; number <= 103; number += 1) journal.keepPastRun(pastRun(number));
      journal.keepPastRun(pastRun(2));
      return journal.pastRuns();
    });
    expect(runs).toHaveLength(100);
    expect([runs[0]?.sessionId, runs.at(-1)?.sessionId]).toEqual(["sync-103", "sync-4"]);
  });

  test("that do not look like any do not leave the storage", async () => {
    await query(
      workspaceObject(),
      `INSERT INTO past_runs (session_id, ended_at, data) VALUES ('odd', 1, '{"scope":"quick"}')`,
    );
    const read = inJournal((journal) => {
      try {
        return journal.pastRuns();
      } catch (error) {
        return error instanceof Error ? error.name : "";
      }
    });
    expect(await read).toContain("Error");
  });
});

describe("estimates", () => {
  test("are judged once their run has ended, newest run first", async () => {
    const judged = await inJournal((journal) => {
      journal.keepEstimate("sync-1", 0, 100, 150, 190);
      journal.keepEstimate("sync-2", 0, 200, 250, 290);
      journal.keepEstimate("sync-2", 1, 220, 251, 280);
      journal.keepEstimate("sync-3", 0, 300, 350, 390);
      journal.closeEstimates("sync-1", 160);
      journal.closeEstimates("sync-2", 260);
      return journal.judged();
    });
    expect(judged).toEqual([
      { madeAt: 220, p50At: 251, p90At: 280, endedAt: 260 },
      { madeAt: 200, p50At: 250, p90At: 290, endedAt: 260 },
      { madeAt: 100, p50At: 150, p90At: 190, endedAt: 160 },
    ]);
  });

  test("keep what was said first at a point, and the end that was told first", async () => {
    const judged = await inJournal((journal) => {
      journal.keepEstimate("sync-1", 0, 100, 150, 190);
      journal.keepEstimate("sync-1", 0, 140, 160, 195);
      journal.closeEstimates("sync-1", 180);
      journal.closeEstimates("sync-1", 999);
      journal.keepEstimate("sync-1", 0, 141, 161, 196);
      return journal.judged();
    });
    expect(judged).toEqual([{ madeAt: 100, p50At: 150, p90At: 190, endedAt: 180 }]);
  });

  test("of a run without a result are forgotten, those of others are not", async () => {
    await inJournal((journal) => {
      journal.keepEstimate("sync-1", 0, 100, 150, 190);
      journal.keepEstimate("sync-1", 1, 120, 150, 190);
      journal.keepEstimate("sync-2", 0, 200, 250, 290);
      journal.forgetEstimates("sync-1");
      journal.closeEstimates("sync-1", 180);
    });
    expect(await inJournal((journal) => journal.judged())).toEqual([]);
    expect(await query(workspaceObject(), "SELECT session_id, ended_at FROM estimates")).toEqual([
      { session_id: "sync-2", ended_at: null },
    ]);
  });

  test("are judged up to the newest five hundred, and older ones are not kept; open ones are", async () => {
    const judged = await inJournal((journal) => {
      journal.keepEstimate("open", 0, 1, 2, 3);
      for (let number = 1; number <= 503; number += 1) {
        journal.keepEstimate(`sync-${number}`, 0, number, number + 5, number + 9);
        journal.closeEstimates(`sync-${number}`, number + 7);
      }
      return { all: journal.judged(), two: journal.judged(2) };
    });
    expect([judged.all.length, judged.all[0]?.madeAt, judged.all.at(-1)?.madeAt]).toEqual([500, 503, 4]);
    expect(judged.two.map((estimate) => estimate.madeAt)).toEqual([503, 502]);
    expect(await query(workspaceObject(), "SELECT count(*) AS n FROM estimates")).toEqual([{ n: 501 }]);
  });
});
