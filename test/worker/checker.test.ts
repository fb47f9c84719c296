// The checker names every row and column of D1 that is not what the log says.
import { env } from "cloudflare:workers";
import { getTableColumns } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { sha256Hex } from "../../src/platform/hash.ts";
import { compareReadModel } from "../../src/sync/check.ts";
import type { ProjectionSource } from "../../src/sync/delivery-rows.ts";
import { project } from "../../src/sync/projection.ts";
import { type EventBody, type RunEvent, runEvent } from "../../src/sync/run/events.ts";
import { fold } from "../../src/sync/run/reduce.ts";
import type { ResultReference } from "../../src/sync/run/request.ts";
import type { KnownRun } from "../../src/sync/run/state.ts";
import { agentExecutions, runEvents, webhookEvents, workflowExecutions } from "../../src/sync/tables.ts";
import {
  accepted,
  agentTimedOut,
  at,
  called,
  delivery,
  ended,
  fallbackUsed,
  hadResult,
  knowing,
  type PastBody,
  PLAN,
  requested,
  rerunRequested,
  result,
} from "../support/node/given.ts";
import { allAgentsReport, runningSync } from "../support/worker/client.ts";
import { breakD1 } from "../support/worker/faults.ts";
import { sessionObject, settled, startOver } from "../support/worker/objects.ts";

const PART_BYTES = 1024 * 1024;
const SESSION = PLAN.sessionId;

const db = drizzle(env.DB);
const kept = new Map<string, Uint8Array>();
let events: RunEvent[] = [];

const source: ProjectionSource = {
  bodyParts: (bodyId) => {
    const bytes = kept.get(bodyId);
    const parts = bytes === undefined ? 0 : Math.ceil(bytes.length / PART_BYTES);
    return Array.from({ length: parts }, (_, part) => {
      return new Uint8Array(bytes?.slice(part * PART_BYTES, (part + 1) * PART_BYTES) ?? []).buffer;
    });
  },
  receiptOf: (deliveryId) => ({ dedupKey: `key of ${deliveryId}`, headers: null }),
};

beforeEach(async () => {
  events = await story();
  for (const [from, to] of [
    [0, 6],
    [6, 10],
    [10, events.length],
  ] as const) {
    await project(db, runAt(to), events.slice(from, to), source);
  }
});

afterEach(async () => {
  kept.clear();
  await startOver();
});

/** A run with a delivery that is understood later, a stand-in, a re-run, and a run after it. */
async function story(): Promise<RunEvent[]> {
  const request = { ...knowing(PLAN, hadResult("content_review", 2)), recipients: ["a@acme.test"] };
  const good = await keepResult("whd_1.result", 300);
  const late = await keepResult("whd_2.result", 200);
  const bodies: PastBody[] = [
    requested(request),
    called(1),
    accepted(1),
    await received("whd_1", 500, "processed"),
    { type: "agent_completed", agentId: "geo_audit", deliveryId: "whd_1", result: good },
    await received("whd_2", 400, "ignored"),
    agentTimedOut("content_review", 120_000),
    fallbackUsed("content_review", { bytes: 70 }),
    rerunRequested(1, ["content_review"], "asked_for"),
    ended("partially_completed", "some_agents_completed"),
    {
      ...{
        type: "reprocessed",
        deliveryId: "whd_2",
        remoteId: null,
        was: "ignored",
        verdict: "processed",
        reason: null,
      },
      ...{ reading: [], actor: "operator" },
    },
    { type: "agent_corrected", agentId: "content_review", deliveryId: "whd_2", result: late, outcome: "completed" },
    { type: "retried", bySessionId: "sync-1767600000001-bbbbb", attempt: 2, how: "retry", actor: "operator" },
  ];
  return bodies.map((body, index) =>
    runEvent.parse({ ...body, seq: index + 1, at: at(index * 10), version: 2, rule: "granted" }),
  );
}

async function keep(bodyId: string, length: number): Promise<{ bytes: number; sha256: string }> {
  const bytes = Uint8Array.from({ length }, (_, index) => (index * 31 + bodyId.length) % 251);
  kept.set(bodyId, bytes);
  return { bytes: length, sha256: await sha256Hex(bytes) };
}

async function keepResult(bodyId: string, length: number): Promise<ResultReference> {
  return result({ bodyId, ...(await keep(bodyId, length)) });
}

async function received(deliveryId: string, length: number, verdict: "processed" | "ignored"): Promise<EventBody> {
  const { correlated: _correlated, ...fields } = delivery({ deliveryId, ...(await keep(deliveryId, length)) });
  return { type: "delivery_recorded", ...fields, verdict, reason: null, reading: [] };
}

/** The run as it was after so many events. */
function runAt(length: number): KnownRun {
  const run = fold(events.slice(0, length));
  if (run.status === "absent") throw new Error("there is no run");
  return run;
}

async function check() {
  return (await compareReadModel(db, runAt(events.length), events, source)).differences;
}

/** Table, key and column of every difference. */
async function named(): Promise<(string | null)[][]> {
  return (await check()).map(({ table, key, column }) => [table, key, column]);
}

async function change(statement: string, ...values: unknown[]): Promise<void> {
  const { meta } = await env.DB.prepare(statement)
    .bind(...values)
    .run();
  expect(meta.changes, statement).toBeGreaterThan(0);
}

test("a run that was projected has no differences, and every row of it is counted", async () => {
  const { rows, differences } = await compareReadModel(db, runAt(events.length), events, source);
  expect(differences).toEqual([]);
  // The run, its agents, events, deliveries and bodies, the workspace and the cursor.
  expect(rows).toBe(1 + 9 + 13 + 2 + 4 + 1 + 1);
});

test("a log of more rows than fit on a page is read to its end", async () => {
  const tail = Array.from({ length: 450 }, (_, index) =>
    runEvent.parse({ ...called(1), seq: 14 + index, at: at(200 + index), version: 2 }),
  );
  events = [...events, ...tail];
  await project(db, runAt(events.length), tail, source);
  expect(await named()).toEqual([]);
  await change("DELETE FROM run_events WHERE seq = 460");
  expect(await named()).toEqual([["run_events", "460", null]]);
});

describe("a row that is missing is named", () => {
  test.each([
    ["opal_workflow_executions", "session_id", SESSION],
    ["opal_agent_executions", "agent_name", "geo_audit"],
    ["run_events", "seq", "7"],
    ["webhook_events", "delivery_id", "whd_2"],
    ["workspaces", "workspace", "default"],
    ["projection_cursor", "source", `default:${SESSION}`],
    ["bodies", "body_id", "whd_2"],
  ])("in %s", async (table, column, key) => {
    await change(`DELETE FROM ${table} WHERE ${column} = ?`, key);
    const [difference, ...others] = await check();
    const wanted = table === "bodies" ? `${key}/0` : key;
    expect([difference?.table, difference?.key, difference?.column, difference?.found, others]).toEqual([
      ...[table, wanted, null, null, []],
    ]);
    expect(difference?.expected).toContain(key);
    expect(difference?.expected?.length).toBeLessThanOrEqual(200);
  });
});

describe("a row that is too much is named", () => {
  const copies = {
    opal_agent_executions: ["agent_name", "cmp_organizer_2", "execution_order = 1"],
    run_events: ["seq", "99", "seq = 3"],
    webhook_events: ["delivery_id", "whd_9", "delivery_id = 'whd_1'"],
    bodies: ["body_id", "whd_9", "body_id = 'whd_1'"],
  } as const;

  test.each(Object.entries(copies))("in %s", async (table, [column, key, where]) => {
    const known = (await env.DB.prepare(`PRAGMA table_info(${table})`).all<{ name: string }>()).results;
    // D1 numbers deliveries by itself.
    const columns = known.map(({ name }) => name).filter((name) => name !== "id");
    const values = columns.map((name) => (name === column ? `'${key}'` : name));
    await change(`INSERT INTO ${table} (${columns}) SELECT ${values} FROM ${table} WHERE ${where}`);
    const [difference, ...others] = await check();
    const wanted = table === "bodies" ? `${key}/0` : key;
    expect([difference?.table, difference?.key, difference?.column, difference?.expected, others]).toEqual([
      ...[table, wanted, null, null, []],
    ]);
    expect(difference?.found).toContain(key);
  });
});

describe("a column that was changed is named", () => {
  const rows = [
    { table: workflowExecutions, name: "opal_workflow_executions", keyColumn: "session_id", key: SESSION },
    { table: agentExecutions, name: "opal_agent_executions", keyColumn: "agent_name", key: "content_review" },
    { table: webhookEvents, name: "webhook_events", keyColumn: "delivery_id", key: "whd_2" },
    { table: runEvents, name: "run_events", keyColumn: "seq", key: "10" },
  ];

  const CHANGES: Readonly<Record<string, (column: string) => string>> = {
    json: (column) => `coalesce(${column}, '') || 'x'`,
    string: (column) => `coalesce(${column}, '') || 'x'`,
    number: (column) => `coalesce(${column}, 0) + 1`,
    boolean: (column) => `1 - ${column}`,
  };

  test.each(rows)("whichever it is, in $name", async ({ table, name, keyColumn, key }) => {
    const where = `WHERE ${keyColumn} = ?`;
    for (const { name: column, dataType } of Object.values(getTableColumns(table))) {
      // D1 numbers deliveries by itself.
      if ([keyColumn, "workspace", "session_id", "id"].includes(column)) continue;
      const old = await env.DB.prepare(`SELECT ${column} AS value FROM ${name} ${where}`).bind(key).first("value");
      await change(`UPDATE ${name} SET ${column} = ${CHANGES[dataType]?.(column)} ${where}`, key);
      expect(await named(), column).toEqual([[name, key, column]]);
      await change(`UPDATE ${name} SET ${column} = ? ${where}`, old, key);
    }
    expect(await named()).toEqual([]);
  });

  test("with what it should be and what it is", async () => {
    await change("UPDATE opal_workflow_executions SET status = 'completed', reason = NULL");
    expect(await check()).toEqual([
      {
        ...{ table: "opal_workflow_executions", key: SESSION, column: "status" },
        ...{ expected: "partially_completed", found: "completed" },
      },
      {
        ...{ table: "opal_workflow_executions", key: SESSION, column: "reason" },
        ...{ expected: "some_agents_completed", found: null },
      },
    ]);
  });

  test("of an event only with the members that differ", async () => {
    await change("UPDATE run_events SET data = json_set(data, '$.limitMs', 7) WHERE seq = 7");
    expect(await check()).toEqual([
      { table: "run_events", key: "7", column: "data", expected: '{"limitMs":120000}', found: '{"limitMs":7}' },
    ]);
  });

  test("when the cursor is behind", async () => {
    await change("UPDATE projection_cursor SET seq = 12");
    expect(await check()).toEqual([
      ...[{ table: "projection_cursor", key: `default:${SESSION}`, column: "seq", expected: "13", found: "12" }],
    ]);
  });

  test("when a row has gone to another session it is missing", async () => {
    await change("UPDATE webhook_events SET session_id = 'sync-1' WHERE delivery_id = 'whd_1'");
    await change("UPDATE bodies SET session_id = 'sync-1' WHERE body_id = 'whd_1'");
    expect(await named()).toEqual([
      ["webhook_events", "whd_1", null],
      ["bodies", "whd_1/0", null],
    ]);
  });
});

describe("a body is named with its length and hash, never its text", () => {
  test("when it was cut off", async () => {
    await change("UPDATE bodies SET bytes = substr(bytes, 1, 100) WHERE body_id = 'whd_1'");
    const bytes = kept.get("whd_1") ?? new Uint8Array();
    expect(await check()).toEqual([
      {
        ...{ table: "bodies", key: "whd_1/0", column: "bytes" },
        expected: `500 bytes, SHA-256 ${await sha256Hex(bytes)}`,
        found: `100 bytes, SHA-256 ${await sha256Hex(bytes.slice(0, 100))}`,
      },
    ]);
  });

  test("when the journal itself does not have what its log says", async () => {
    kept.set("whd_1", new Uint8Array(3));
    const [inD1, inJournal, ...others] = await check();
    expect([inD1?.key, inJournal?.key, inJournal?.expected, others]).toEqual([
      ...["whd_1/0", "whd_1", expect.stringMatching(/^500 bytes/), []],
    ]);
    expect(inJournal?.found).toMatch(/^in the journal: 3 bytes/);
  });
});

describe("of a body of several parts", () => {
  beforeEach(async () => {
    const large = await received("whd_3", 2 * PART_BYTES + 1, "processed");
    const event = runEvent.parse({ ...large, seq: events.length + 1, at: at(200), version: 2 });
    events = [...events, event];
    await project(db, runAt(events.length), [event], source);
  });

  test("every part is read", async () => {
    expect(await named()).toEqual([]);
  });

  test("a missing part is named", async () => {
    await change("DELETE FROM bodies WHERE body_id = 'whd_3' AND part = 1");
    expect(await named()).toEqual([["bodies", "whd_3/1", null]]);
  });

  test("the part with another byte is named", async () => {
    await change("UPDATE bodies SET bytes = x'ff' WHERE body_id = 'whd_3' AND part = 2");
    expect(await named()).toEqual([["bodies", "whd_3/2", "bytes"]]);
  });
});

describe("an event that older code wrote", () => {
  test("is no difference when today's code reads it the same", async () => {
    await change("UPDATE run_events SET data = json_remove(data, '$.causedBy') WHERE seq = 6");
    await change("UPDATE run_events SET data = json_remove(data, '$.source', '$.limits.startMs') WHERE seq = 1");
    expect(await named()).toEqual([]);
  });

  test("is one when it says more than is read, or something else", async () => {
    await change("UPDATE run_events SET data = json_remove(data, '$.rule') WHERE seq = 4");
    await change("UPDATE run_events SET data = json_set(data, '$.limits.extra', 1) WHERE seq = 1");
    await change("UPDATE run_events SET data = 'no JSON' WHERE seq = 2");
    expect(await named()).toEqual([
      ["run_events", "1", "data"],
      ["run_events", "2", "data"],
      ["run_events", "4", "data"],
    ]);
  });
});

test("other sessions' rows are none of a run's", async () => {
  const before = events;
  kept.clear();
  events = (await story()).map((event) =>
    event.type === "requested" ? { ...event, sessionId: "sync-1767600000009-ccccc" } : renamed(event),
  );
  for (const [bodyId, bytes] of [...kept]) kept.set(bodyId.replace("whd_", "whd_other_"), bytes);
  await project(db, runAt(events.length), events, source);
  expect(await named()).toEqual([]);
  events = before;
  expect(await named()).toEqual([]);
});

/** The same about deliveries of other names. */
function renamed(event: RunEvent): RunEvent {
  return runEvent.parse(JSON.parse(JSON.stringify(event).replaceAll("whd_", "whd_other_")));
}

test("while D1 does not answer, nothing is said of it", async () => {
  const repair = breakD1();
  await expect(check()).rejects.toThrow();
  repair();
});

test("a whole run that came in through the front door has no differences", async () => {
  const run = await runningSync();
  await allAgentsReport(run);
  await settled(run.session_id);
  expect(await sessionObject(run.session_id).check()).toMatchObject({ differences: [] });
});
