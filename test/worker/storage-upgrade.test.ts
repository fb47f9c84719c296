// Objects that older code has written into are opened by newer code, and by older code not any more.
import { runInDurableObject } from "cloudflare:test";
import { afterEach, expect, test } from "vitest";
import { migrate } from "../../src/platform/migrate.ts";
import { Journal } from "../../src/sync/journal.ts";
import { ControlJournal } from "../../src/workspace/control-journal.ts";
import { WorkspaceJournal } from "../../src/workspace/journal.ts";
import { allAgentsReport, eventually, runningSync, status } from "../support/worker/client.ts";
import { sessionObject, startOver, workspaceObject } from "../support/worker/objects.ts";

afterEach(startOver);

const ADDED_TO_THE_WORKSPACE = [
  ...["switch", "breaker", "breaker_calls", "queue", "log", "agent_pasts", "counters", "repeats"],
  ...["past_runs", "estimates", "schedules", "schedule_firings"],
];

async function completedRun(): Promise<string> {
  const run = await runningSync();
  await allAgentsReport({ session_id: run.session_id, correlation_id: run.correlation_id });
  await eventually(
    () => status(run.session_id),
    ({ state }) => state === "completed",
  );
  return run.session_id;
}

/** The tables as the first version had them, with what was in them then. */
function asWrittenByVersionOne(storage: DurableObjectStorage): void {
  for (const table of ADDED_TO_THE_WORKSPACE) storage.sql.exec(`DROP TABLE IF EXISTS ${table}`);
  for (const [table, column] of [
    ["idempotency_keys", "answer"],
    ["runs", "facts"],
    ["runs", "is_counted"],
  ]) {
    storage.sql.exec(`ALTER TABLE ${table} DROP COLUMN ${column}`);
  }
  storage.sql.exec("UPDATE schema_version SET version = 1, floor = 1");
}

test("a workspace of the first version keeps its lease, runs and keys, and has everything new", async () => {
  const sessionId = await completedRun();
  await runInDurableObject(workspaceObject(), (_instance, { storage }) => {
    asWrittenByVersionOne(storage);
    storage.sql.exec(
      "INSERT INTO lease (id, session_id, state, granted_at, due_at) VALUES (1, 'sync-1', 'confirmed', 1, 2)",
    );
    storage.sql.exec("INSERT INTO idempotency_keys (key, request_hash, session_id, at) VALUES ('k', 'h', 'sync-1', 1)");
    const journal = new WorkspaceJournal(storage);
    const control = new ControlJournal(storage.sql);
    expect(journal.lease()).toEqual({ sessionId: "sync-1", state: "confirmed", grantedAt: 1, dueAt: 2 });
    expect(journal.summaryOf(sessionId)).toMatchObject({ status: "completed" });
    expect(journal.factsOf(sessionId)).toBeUndefined();
    // A key whose answer was not kept then is a new key.
    expect(journal.idempotentAnswer("k", 2)).toBeUndefined();
    expect(control.switchedOff()).toBeUndefined();
    expect(control.breaker()).toMatchObject({ state: "closed" });
    expect(control.queue()).toBeUndefined();
    expect(control.agentPasts()).toEqual([]);
    journal.releaseLease("sync-1");
  });
  // And it works: the next run is granted, and the list of runs still has the old one.
  const next = await runningSync();
  const overview = await workspaceObject().overview();
  expect(overview.runs.map((run) => run.sessionId)).toEqual([next.session_id, sessionId]);
});

test("a session of the first version is folded anew from its log", async () => {
  const sessionId = await completedRun();
  await runInDurableObject(sessionObject(sessionId), (_instance, { storage }) => {
    const before = new Journal(storage).load();
    storage.sql.exec("UPDATE schema_version SET version = 1, floor = 1");
    storage.sql.exec(`UPDATE state_cache SET reducer = 1, data = '{"status":"of another shape"}'`);
    expect(new Journal(storage).load()).toEqual(before);
  });
});

test("older code refuses to open what newer code has written into", async () => {
  const sessionId = await completedRun();
  const olderCode = [{ version: 1, floor: 1, statements: [] }];
  for (const object of [workspaceObject(), sessionObject(sessionId)]) {
    await runInDurableObject(object, (_instance: unknown, { storage }: DurableObjectState) => {
      expect(() => migrate(storage, olderCode)).toThrow(/storage needs schema version/);
    });
  }
});
