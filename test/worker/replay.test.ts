// Stored deliveries are read again with today's code: by administrators, first to look, then once and for all.
import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, describe, expect, test, vi } from "vitest";
import { SyncSession } from "../../src/sync/object.ts";
import type { Report } from "../../src/sync/run/commands.ts";
import {
  type Answer,
  agentEvent,
  allAgentsReport,
  CHAIN,
  call,
  cancel,
  ORIGIN,
  runningSync,
  send,
  status,
  webhook,
} from "../support/worker/client.ts";
import { breakD1 } from "../support/worker/faults.ts";
import { eventTypes, evict, query, sessionObject, settled, startOver, tablesOf } from "../support/worker/objects.ts";

afterEach(startOver);

type Body = Answer["body"];

const AGENT = "geo_audit";

async function replay(body: Readonly<Record<string, unknown>>): Promise<Answer> {
  const signIn = await send("/api/auth/login", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ email: "operator@osa.localhost", password: "test-password" }),
  });
  const [cookie = ""] = signIn.headers.get("Set-Cookie")?.split(";") ?? [];
  const headers = { "Content-Type": "application/json", Cookie: cookie, Origin: ORIGIN };
  return send("/api/orchestrations/replay", { method: "POST", headers, body: JSON.stringify(body) });
}

/** Deliveries are read by code that is not today's, until called off. */
function readOtherwise(change: (report: Report) => Report): () => void {
  const deliver = SyncSession.prototype.deliver;
  const spy = vi.spyOn(SyncSession.prototype, "deliver").mockImplementation(async function (
    this: SyncSession,
    incoming,
  ) {
    return deliver.call(this, { ...incoming, reports: incoming.reports.map(change) });
  });
  return () => spy.mockRestore();
}

/** Code that takes a finished agent for one that failed. */
const asFailure = (report: Report): Report =>
  report.about === "agent" && report.outcome === "completed" ? { ...report, outcome: "failed" } : report;

/** Code that does not know the shape of a result. */
const asUnknownShape = (report: Report): Report =>
  report.about === "agent" && report.outcome === "completed"
    ? { ...report, result: { ...report.result, family: "unrecognised", insights: 0, recommendations: 0 } }
    : report;

/** A run under way in which one agent's end was misread. */
async function misreadRun(change = asFailure): Promise<{ run: Body; deliveryId: string }> {
  const run = await runningSync();
  await webhook(agentEvent(run, "content_review"));
  const stop = readOtherwise(change);
  const { body } = await webhook(agentEvent(run, AGENT));
  stop();
  return { run, deliveryId: body.webhook_id };
}

/** The same, ended and with everything told to D1. */
async function misreadAndEnded(change = asFailure): Promise<{ run: Body; deliveryId: string }> {
  const misread = await misreadRun(change);
  for (const agent of CHAIN)
    if (agent !== AGENT && agent !== "content_review") await webhook(agentEvent(misread.run, agent));
  if (!isEndedState((await status(misread.run.session_id)).state)) await cancel(misread.run.session_id);
  await settled(misread.run.session_id);
  return misread;
}

const isEndedState = (state: string) => !["requested", "running"].includes(state);

async function agentOf(sessionId: string, agentId = AGENT): Promise<Body> {
  return (await status(sessionId)).agents.find((agent: Body) => agent.agent_id === agentId);
}

/** Every row of the session's storage and of D1. */
async function everything(sessionId: string): Promise<string> {
  const object = sessionObject(sessionId);
  const names = (await tablesOf(object)).map(String).sort();
  const inObject = await Promise.all(names.map((name) => query(object, `SELECT * FROM "${name}" ORDER BY rowid`)));
  const tables = await env.DB.prepare(
    "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_cf%' ESCAPE '\\' AND name NOT LIKE 'webhook_search%' ORDER BY name",
  ).all();
  const inD1 = await Promise.all(
    tables.results.map((row) => env.DB.prepare(`SELECT * FROM "${row.name}" ORDER BY rowid`).all()),
  );
  expect(names).toContain("events");
  expect(inD1.flatMap(({ results }) => results).length).toBeGreaterThan(10);
  return JSON.stringify([names, inObject, inD1.map(({ results }) => results)], (_key, value) =>
    value instanceof ArrayBuffer ? Array.from(new Uint8Array(value)) : value,
  );
}

describe("a replay", () => {
  test("is for administrators: an operator's key is refused and changes nothing", async () => {
    const { run } = await misreadRun();
    const answer = await call("POST", "/api/orchestrations/replay", { body: { workflow_id: run.session_id } });
    expect([answer.status, answer.body.code]).toEqual([403, "access_denied"]);
    expect(answer.body).toMatchObject({ required_permissions: ["admin"], current_permissions: ["operator"] });
    expect(await eventTypes(run.session_id)).not.toContain("reprocessed");
  });

  test("of a run that nobody knows is not found", async () => {
    for (const workflow_id of ["sync-1700000000000-abcde", "opal-of-nobody"]) {
      const answer = await replay({ workflow_id });
      expect([answer.status, answer.body.code]).toEqual([404, "session_not_found"]);
    }
  });

  test.for([
    ["/workflow_id", {}],
    ["/workflow_id", { workflow_id: "" }],
    ["/from_offset", { workflow_id: "x", from_offset: -1 }],
    ["/dry_run", { workflow_id: "x", dry_run: "yes" }],
    ["/force", { workflow_id: "x", force: true }],
    ["/replay_options/speed", { workflow_id: "x", replay_options: { speed: 2 } }],
  ] as const)("names %s when that is wrong", async ([pointer, body]) => {
    const answer = await replay(body);
    expect([answer.status, answer.body.code]).toEqual([400, "validation_failed"]);
    expect(answer.body.errors.map((error: Body) => error.pointer)).toEqual([pointer]);
  });

  test("finds nothing where everything is read as before", async () => {
    const run = await runningSync();
    await allAgentsReport(run);
    await settled(run.session_id);
    const before = await everything(run.session_id);
    const { body } = await replay({ workflow_id: run.workflow_id });
    expect(body).toMatchObject({
      ...{ success: true, dry_run: false, session_id: run.session_id, workflow_id: run.workflow_id },
      ...{ examined: 18, unchanged: 18, skipped: 0, not_comparable: 0, unreadable: [], changed: [], events: [] },
      state: { before: { status: "completed" }, after: { status: "completed" }, matches_log: true },
      read_model: { checked: true, differences: [] },
      next_offset: null,
    });
    expect(body.read_model.rows).toBeGreaterThan(50);
    expect(await everything(run.session_id)).toBe(before);
  });

  test("as a dry run says what would change, and changes not one row", async () => {
    const { run, deliveryId } = await misreadAndEnded();
    const before = await everything(run.session_id);
    const { body } = await replay({ workflow_id: run.correlation_id, dry_run: true });
    expect(body).toMatchObject({ dry_run: true, examined: 9, unchanged: 8, read_model: { checked: true } });
    expect(body.changed).toMatchObject([
      {
        ...{ offset: 1, delivery_id: deliveryId },
        was: { verdict: "processed", reading: [{ agentId: AGENT, outcome: "failed" }] },
        now: { verdict: "processed", reading: [{ agentId: AGENT, outcome: "completed" }] },
      },
    ]);
    expect(body.events.map((event: Body) => event.type)).toEqual(["reprocessed", "agent_corrected"]);
    expect(body.state).toMatchObject({
      before: { status: "partially_completed", agents: { [AGENT]: "failed", content_review: "completed" } },
      after: { status: "partially_completed", agents: { [AGENT]: "completed", content_review: "completed" } },
      matches_log: true,
    });
    expect(await everything(run.session_id)).toBe(before);
  });

  test("of an ended run corrects the agent, leaves the end as it was, and finds nothing the second time", async () => {
    const { run, deliveryId } = await misreadAndEnded();
    const ended = await status(run.session_id);
    const { body } = await replay({ workflow_id: run.session_id });
    expect(body).toMatchObject({ dry_run: false, unchanged: 8, changed: [{ delivery_id: deliveryId }] });
    expect(body.state.after).toMatchObject({ status: "partially_completed", agents: { [AGENT]: "completed" } });
    const after = await status(run.session_id);
    for (const same of ["state", "reason", "completed_at"]) expect(after[same]).toEqual(ended[same]);
    expect(after.completed_agents).toBe(ended.completed_agents + 1);
    const given = await call("GET", `/api/force-sync/results/${run.session_id}/${AGENT}`);
    expect(given.body).toMatchObject({ agent_id: AGENT, outcome: "completed" });
    expect(body.read_model).toMatchObject({ checked: true, differences: [] });
    await settled(run.session_id);

    const settledRows = await everything(run.session_id);
    const second = await replay({ workflow_id: run.session_id });
    expect(second.body).toMatchObject({ examined: 9, unchanged: 9, changed: [], events: [] });
    expect(await everything(run.session_id)).toBe(settledRows);
    expect((await eventTypes(run.session_id)).filter((type) => type === "reprocessed")).toHaveLength(1);
  });

  test("of a run under way counts like the report it should have been", async () => {
    const { run } = await misreadRun();
    expect(await agentOf(run.session_id)).toMatchObject({ status: "failed", reason: "reported_failure" });
    const { body } = await replay({ workflow_id: `opal-${run.session_id}` });
    expect(body.events.map((event: Body) => event.type)).toEqual(["reprocessed", "agent_completed"]);
    expect(await agentOf(run.session_id)).toMatchObject({ status: "completed" });
    for (const agent of CHAIN) await webhook(agentEvent(run, agent));
    expect(await status(run.session_id)).toMatchObject({ state: "completed", completed_agents: 9 });
    expect((await replay({ workflow_id: run.session_id })).body.changed).toEqual([]);
  });

  test("leaves out what was quarantined or ignored, unless it is told to read that too", async () => {
    const { run, deliveryId } = await misreadAndEnded(asUnknownShape);
    await webhook({ ...agentEvent(run, AGENT, "sleeping") });
    expect(await agentOf(run.session_id)).toMatchObject({ status: "failed", quarantined: true });
    const without = await replay({ workflow_id: run.session_id });
    expect(without.body).toMatchObject({ skipped: 2, changed: [] });
    expect(await agentOf(run.session_id)).toMatchObject({ quarantined: true });

    const forced = { workflow_id: run.session_id, replay_options: { force_reprocess: true } };
    const { body } = await replay(forced);
    expect(body).toMatchObject({ skipped: 0, changed: [{ delivery_id: deliveryId, was: { verdict: "quarantined" } }] });
    expect(await agentOf(run.session_id)).toMatchObject({ status: "completed", quarantined: false });
    expect((await status(run.session_id)).deliveries).toMatchObject({ quarantined: 0, ignored: 1, late: 0 });
    expect((await replay(forced)).body).toMatchObject({ skipped: 0, changed: [] });
  });

  test("begins at the delivery it is told to", async () => {
    const { run } = await misreadAndEnded();
    expect((await replay({ workflow_id: run.session_id, from_offset: 2 })).body).toMatchObject({
      ...{ examined: 7, changed: [] },
    });
    expect((await replay({ workflow_id: run.session_id, from_offset: 1, dry_run: true })).body).toMatchObject({
      ...{ examined: 8, changed: [{ offset: 1 }] },
    });
    expect((await replay({ workflow_id: run.session_id, from_offset: 99 })).body).toMatchObject({ examined: 0 });
  });

  test("cannot compare what came before readings were kept, and reads it only when it is told to", async () => {
    const { run } = await misreadAndEnded();
    await runInDurableObject(sessionObject(run.session_id), (_session, state) => {
      state.storage.sql.exec(
        "UPDATE events SET data = json_remove(data, '$.reading') WHERE type = 'delivery_recorded'",
      );
    });
    await evict(sessionObject(run.session_id));
    const { body } = await replay({ workflow_id: run.session_id });
    expect(body.not_comparable).toBeGreaterThan(0);
    expect(body.changed).toEqual([]);
    const forced = { workflow_id: run.session_id, replay_options: { force_reprocess: true } };
    const read = await replay(forced);
    expect(read.body).toMatchObject({ not_comparable: 0 });
    expect(read.body.changed).toHaveLength(body.not_comparable);
    expect(read.body.changed[0].was).toMatchObject({ reading: null });
    expect((await replay(forced)).body.changed).toEqual([]);
    expect(await agentOf(run.session_id)).toMatchObject({ status: "completed" });
  });

  test("whose first body is no longer kept names it with its date, and changes nothing", async () => {
    const { run, deliveryId } = await misreadAndEnded();
    await runInDurableObject(sessionObject(run.session_id), (_session, state) => {
      state.storage.sql.exec("DELETE FROM bodies WHERE body_id = ?", deliveryId);
    });
    const before = await everything(run.session_id);
    const answer = await replay({ workflow_id: run.session_id });
    expect([answer.status, answer.body.code, answer.body.delivery_id]).toEqual([410, "delivery_expired", deliveryId]);
    expect(answer.body.detail).toContain(deliveryId);
    expect(answer.body.detail).toContain(answer.body.received_at);
    expect(await everything(run.session_id)).toBe(before);
  });

  test("while D1 is silent is made all the same, and says that nothing could be compared with it", async () => {
    const { run } = await misreadAndEnded();
    const repair = breakD1();
    const { status: code, body } = await replay({ workflow_id: run.session_id });
    repair();
    expect([code, body.changed.length, body.state.matches_log]).toEqual([200, 1, true]);
    expect(body.read_model).toEqual({ checked: false, reason: expect.any(String) });
    expect(await agentOf(run.session_id)).toMatchObject({ status: "completed" });
  });

  test("says so when the state does not follow from the log, or D1 is not what the log says", async () => {
    const { run } = await misreadAndEnded();
    await runInDurableObject(sessionObject(run.session_id), (_session, state) => {
      state.storage.sql.exec(`UPDATE events SET data = json_set(data, '$.status', 'failed') WHERE type = 'ended'`);
    });
    await env.DB.prepare(
      "UPDATE opal_agent_executions SET confidence_score = 0.01 WHERE agent_name = 'content_review'",
    ).run();
    const { body } = await replay({ workflow_id: run.session_id, dry_run: true });
    expect(body.state.matches_log).toBe(false);
    expect(body.read_model.differences).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ table: "opal_agent_executions", key: "content_review", column: "confidence_score" }),
      ]),
    );
  });
});
