// Objects that older code has written into are opened by newer code, and by older code not any more.
import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, expect, test } from "vitest";
import { migrate } from "../../src/platform/migrate.ts";
import { Journal } from "../../src/sync/journal.ts";
import { ControlJournal } from "../../src/workspace/control-journal.ts";
import { WorkspaceJournal } from "../../src/workspace/journal.ts";
import {
  agentEvent,
  allAgentsReport,
  call,
  eventually,
  runningSync,
  status,
  webhook,
} from "../support/worker/client.ts";
import { evict, sessionObject, startOver, workspaceObject } from "../support/worker/objects.ts";

afterEach(startOver);

const ADDED_TO_THE_WORKSPACE = [
  ...["switch", "breaker", "breaker_calls", "queue", "log", "agent_pasts", "counters", "repeats"],
  ...["live_events", "live_sources"],
  ...["past_runs", "estimates", "schedules", "schedule_firings"],
  "outbox_pressure",
];
const ADDED_TO_A_SESSION = ["ledger", "outbox_pressure"];

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
  storage.sql.exec("DROP INDEX runs_unsettled");
  for (const [table, column] of [
    ["idempotency_keys", "answer"],
    ["runs", "facts"],
    ["runs", "is_counted"],
    ["outbox", "at"],
  ]) {
    storage.sql.exec(`ALTER TABLE ${table} DROP COLUMN ${column}`);
  }
  storage.sql.exec("UPDATE schema_version SET version = 1, floor = 1");
}

function sessionAsWrittenByVersionOne({ sql }: DurableObjectStorage): void {
  for (const table of ADDED_TO_A_SESSION) sql.exec(`DROP TABLE ${table}`);
  sql.exec("ALTER TABLE receipts DROP COLUMN headers");
  sql.exec("ALTER TABLE outbox DROP COLUMN at");
  sql.exec("UPDATE schema_version SET version = 1, floor = 1");
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
    sessionAsWrittenByVersionOne(storage);
    storage.sql.exec(`UPDATE state_cache SET reducer = 1, data = '{"status":"of another shape"}'`);
    expect(new Journal(storage).load()).toEqual(before);
  });
});

test("a session of the first version counts what it was given then, and tells D1 of repeats that were never counted", async () => {
  const run = await runningSync();
  const payload = agentEvent(run, "content_review");
  for (let times = 0; times < 4; times++) await webhook(payload);
  await webhook(agentEvent(run, "geo_audit", "completed", { agent_data: { nobody: "knows this" } }));
  const path = `/api/webhook-events/ledger/${run.session_id}`;
  const ledger = async () => (await call("GET", path)).body;
  const before = await eventually(ledger, ({ pending }) => pending.arrivals === 0);
  expect(before).toMatchObject({ adds_up: true, received: 5, processed: 1, duplicate: 3, quarantined: 1 });
  // As the read model's migration makes it from the rows that are there.
  await env.DB.prepare("UPDATE delivery_ledger SET received = 2, duplicate = 0").run();
  const session = sessionObject(run.session_id);
  await runInDurableObject(session, (_instance, { storage }) => sessionAsWrittenByVersionOne(storage));
  await evict(session);
  const after = await eventually(ledger, ({ pending }) => pending.arrivals === 0);
  expect(after.accounts).toEqual(before.accounts);
  expect(after.adds_up).toBe(true);
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
