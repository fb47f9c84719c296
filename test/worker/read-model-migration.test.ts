// A database that older code filled is brought up to date without losing anything.
import { applyD1Migrations } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { drizzle } from "drizzle-orm/d1";
import { afterEach, expect, test } from "vitest";
import { compareReadModel } from "../../src/sync/check.ts";
import type { ProjectionSource } from "../../src/sync/delivery-rows.ts";
import { project } from "../../src/sync/projection.ts";
import { type RunEvent, runEvent } from "../../src/sync/run/events.ts";
import { fold } from "../../src/sync/run/reduce.ts";
import type { KnownRun } from "../../src/sync/run/state.ts";
import {
  adopted,
  agentCompleted,
  agentStarted,
  agentTimedOut,
  at,
  ended,
  heard,
  type Past,
  PLAN,
  running,
} from "../support/node/given.ts";
import { startOver } from "../support/worker/objects.ts";

afterEach(startOver);

const TABLES = [
  ...["opal_workflow_executions", "opal_agent_executions", "webhook_events", "run_events", "bodies"],
  ...["workspaces", "projection_cursor"],
];

/** What the first migration does not make. */
const NEW_TABLES = ["delivery_ledger", "event_retention", "webhook_latency", "webhook_search", "webhook_stats"];

const db = drizzle(env.DB);
const source: ProjectionSource = { bodyParts: () => [], receiptOf: () => ({ dedupKey: "key", headers: null }) };

interface Story {
  readonly run: KnownRun;
  readonly events: readonly RunEvent[];
}

function storyOf(...past: readonly Past[]): Story {
  const events = past.map(([seconds, body], index) =>
    runEvent.parse({ ...body, seq: index + 1, at: at(seconds), version: 1 }),
  );
  const run = fold(events);
  if (run.status === "absent") throw new Error("there is no run");
  return { run, events };
}

/** What happened to runs before anything of them could be repeated. */
const ours = storyOf(
  ...running(),
  [5, agentStarted("geo_audit")],
  [20, heard()],
  [20, agentCompleted("geo_audit", { bytes: 0 })],
  [120, agentTimedOut("roadmap_generator", 120_000)],
  [130, ended("partially_completed", "some_agents_completed")],
);
const foreign = storyOf(
  [0, adopted("opal-1", { ...PLAN, sessionId: "sync-1767600000001-bbbbb", client: { name: "Started at OPAL" } })],
  [5, agentStarted("experiment_blueprinter")],
);

async function run(statement: string): Promise<Record<string, unknown>[]> {
  return (await env.DB.prepare(statement).all()).results;
}

async function columnsOf(table: string): Promise<unknown[]> {
  return (await run(`PRAGMA table_info(${table})`)).map((column) => column.name);
}

/** Turns the database into what the first migration makes of it, with the rows as older code wrote them. */
async function goBack(): Promise<void> {
  const indexes = await run("SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL");
  for (const { name } of indexes) await run(`DROP INDEX IF EXISTS ${name}`);
  const triggers = await run("SELECT name FROM sqlite_master WHERE type = 'trigger'");
  for (const { name } of triggers) await run(`DROP TRIGGER ${name}`);
  for (const table of NEW_TABLES) await run(`DROP TABLE ${table}`);
  for (const table of TABLES) await run(`ALTER TABLE ${table} RENAME TO new_${table}`);
  await run("DROP TABLE d1_migrations");
  await applyD1Migrations(env.DB, env.TEST_MIGRATIONS.slice(0, 1));
  for (const table of TABLES) {
    const columns = await columnsOf(table);
    await run(`INSERT INTO ${table} (${columns}) SELECT ${columns} FROM new_${table}`);
    await run(`DROP TABLE new_${table}`);
  }
  // An agent's number used to be that of the run when the agent was last written.
  await run("UPDATE opal_agent_executions SET seq = 8");
  await run("UPDATE run_events SET data = json_remove(data, '$.rule', '$.causedBy', '$.reading')");
  await run("UPDATE run_events SET data = json_remove(data, '$.source', '$.priority', '$.lineage') WHERE seq = 1");
}

async function differences() {
  const found = await Promise.all(
    [ours, foreign].map((story) => compareReadModel(db, story.run, story.events, source)),
  );
  // Bodies play no part here, and the journal has none.
  return found.flatMap((one) => one.differences).filter((difference) => difference.table !== "bodies");
}

test("rows of the first version get what today's code would have written for them", async () => {
  for (const story of [ours, foreign]) await project(db, story.run, story.events, source);
  expect(await differences()).toEqual([]);
  await goBack();
  expect(await columnsOf("opal_workflow_executions")).not.toContain("priority");
  await applyD1Migrations(env.DB, env.TEST_MIGRATIONS);
  expect(await columnsOf("opal_workflow_executions")).toContain("priority");
  expect(await run("SELECT count(*) AS runs FROM opal_workflow_executions")).toEqual([{ runs: 2 }]);
  expect(await run("SELECT rowid FROM webhook_search WHERE webhook_search MATCH 'whd'")).toHaveLength(1);
  expect(await run("SELECT owner, received, processed FROM delivery_ledger")).toEqual([
    { owner: ours.run.request.sessionId, received: 1, processed: 1 },
  ]);
  expect(await differences()).toEqual([]);
});

test("writing the log again brings rows up to date that older code wrote otherwise", async () => {
  for (const story of [ours, foreign]) await project(db, story.run, story.events, source);
  await run("UPDATE opal_workflow_executions SET root_session_id = '', last_sync_at = NULL");
  await run("UPDATE opal_agent_executions SET agent_type = ''");
  expect(await differences()).not.toEqual([]);
  for (const story of [ours, foreign]) await project(db, story.run, story.events, source);
  expect(await differences()).toEqual([]);
});
