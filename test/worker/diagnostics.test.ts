// Diagnostics for administrators: the last webhooks, whether everything configured works, tidying up.
import { createExecutionContext, waitOnExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, describe, expect, test } from "vitest";
import { app } from "../../src/app.ts";
import { checkConfiguration } from "../../src/operations/configuration-check.ts";
import {
  type Answer,
  agentEvent,
  call,
  eventually,
  runningSync,
  SECRET,
  send,
  webhook,
} from "../support/worker/client.ts";
import { ADMIN, asAdmin, logOf, oddResult } from "../support/worker/control.ts";
import { breakD1 } from "../support/worker/faults.ts";
import { startOver } from "../support/worker/objects.ts";

afterEach(startOver);

type Body = Answer["body"];

const PATH = "/api/diagnostics/last-webhook";
const DAY_MS = 24 * 60 * 60_000;

const last = (search = "") => asAdmin("GET", `${PATH}${search}`);
const act = (body: unknown) => asAdmin("POST", PATH, body);
const rejected = () => webhook({ any: 1 }, { secret: "not-the-secret-but-of-forty-characters--" });

/** Two taken in, one quarantined and one ignored, and two rejected at last. */
async function someWebhooks(): Promise<Body> {
  const run = await runningSync();
  await webhook(agentEvent(run, "content_review"));
  await webhook(agentEvent(run, "geo_audit", "failed", { agent_data: { error: "No sitemap." } }));
  await oddResult(run, "audience_suggester");
  await webhook(agentEvent(run, "roadmap_generator", "strange-word"));
  await rejected();
  await rejected();
  await eventually(
    () => last("?limit=100"),
    ({ body }) => body.events.length === 6 && body.rejections.at_least === 2,
  );
  return run;
}

describe("the last webhooks", () => {
  test("come accepted and rejected together, newest first, with what was wrong", async () => {
    const run = await someWebhooks();
    const { body } = await last();
    expect(body.events.map(({ status }: Body) => status)).toEqual([
      ...["rejected", "rejected", "ignored", "quarantined", "processed", "processed"],
    ]);
    expect(body.events[0]).toMatchObject({
      ...{ accepted: false, source: "opal", code: "signature_invalid", reason: "signature_mismatch", http_status: 401 },
      ...{ error_message: "The signature was not accepted", received_at: expect.stringMatching(/Z$/) },
    });
    expect(body.events[3]).toMatchObject({ accepted: true, error_message: "unrecognised_result" });
    expect(body.events[4]).toMatchObject({ session_id: run.session_id, error_message: "No sitemap." });
    expect(body.events[5]).toMatchObject({ agent_id: "content_review", error_message: null });
    expect(body.not_answering).toEqual([]);
  });

  test("are chosen by number, status and date", async () => {
    await someWebhooks();
    const statuses = async (search: string) => (await last(search)).body.events.map(({ status }: Body) => status);
    expect(await statuses("?limit=3")).toEqual(["rejected", "rejected", "ignored"]);
    expect(await statuses("?status=rejected")).toEqual(["rejected", "rejected"]);
    expect(await statuses("?status=failed")).toEqual(["rejected", "rejected", "quarantined"]);
    expect(await statuses("?status=processed&limit=1")).toEqual(["processed"]);
    const today = new Date().toISOString().slice(0, 10);
    const tomorrow = new Date(Date.now() + DAY_MS).toISOString();
    expect(await statuses(`?start_date=${today}&end_date=${today}`)).toHaveLength(6);
    expect(await statuses(`?start_date=${tomorrow}`)).toEqual([]);
    expect(await statuses(`?end_date=2020-01-31`)).toEqual([]);
  });

  test("say how things have been for an hour: in percent, in ms, and nothing about nothing", async () => {
    const nothing = { webhook_status: null, recent_failure_rate: null, avg_processing_time: null };
    expect((await last()).body).toMatchObject({ events: [], system_health: nothing, rejections: { at_least: 0 } });
    await someWebhooks();
    const { system_health: health } = await eventually(
      async () => (await last()).body,
      (body) => body.system_health.recent_failure_rate === 50,
    );
    expect(health).toEqual({
      ...{ webhook_status: "unhealthy", recent_failure_rate: 50, avg_processing_time: expect.any(Number) },
    });
  });

  test("show what waits in outboxes while D1 is silent, and say that D1 is", async () => {
    const run = await runningSync();
    const repair = breakD1();
    await webhook(agentEvent(run, "content_review"));
    const { body } = await last();
    repair();
    expect(body).toMatchObject({ events: [], not_answering: ["read_model", "counts"] });
    expect(body.system_health).toEqual({ webhook_status: null, recent_failure_rate: null, avg_processing_time: null });
    const session = body.pressure.find(({ owner }: Body) => owner === run.session_id);
    expect(session.outbox).toContainEqual({
      ...{ destination: "d1", waiting: expect.any(Number), oldest_waiting_ms: expect.any(Number), last_burst: null },
    });
    expect(session.outbox.find(({ destination }: Body) => destination === "d1").waiting).toBeGreaterThan(0);
  });

  test("are for administrators, and wrong questions are named", async () => {
    expect((await send(PATH, {})).status).toBe(401);
    for (const method of ["GET", "POST"]) {
      expect(await call(method, PATH)).toMatchObject({ status: 403, body: { code: "access_denied" } });
    }
    for (const [search, pointer] of [
      ["limit=101", "?limit"],
      ["status=fine", "?status"],
      ["start_date=soon", "?start_date"],
      ["start_date=2026-01-02&end_date=2026-01-01", "?end_date"],
      ["colour=red", "?colour"],
    ]) {
      expect(await last(`?${search}`)).toMatchObject({ status: 400, body: { errors: [{ pointer }] } });
    }
  });
});

describe("the test of the configuration", () => {
  test("uses every part once and finds all of them in order", async () => {
    const { status, body } = await act({ action: "test_configuration" });
    expect(body.failed).toEqual([]);
    expect([status, body.ok, body.audited]).toEqual([200, true, true]);
    const names = body.checks.map(({ name }: Body) => name);
    expect(names).toEqual(
      expect.arrayContaining([
        ...["setting OPAL_WEBHOOK_URL", "setting OSA_WEBHOOK_SHARED_SECRET", "D1 answers", "D1 has every migration"],
        ...["D1 searches", "clock", "session objects", "workspace object", "inbox objects", "dashboard files"],
        ...["address of OPAL", "signature of opal, secret current, form osa"],
        ...["signature of opal, secret current, form standard", "signature of opal, secret previous, form osa"],
      ]),
    );
    for (const check of body.checks) {
      expect(check).toEqual({
        ...{ name: expect.any(String), ok: true, detail: expect.any(String), duration_ms: expect.any(Number) },
      });
    }
    const [entry] = await logOf("configuration_tested");
    expect(entry).toMatchObject({ actor: ADMIN, checks: body.checks.length, failed: [] });
  });

  test("shows no value of any setting", async () => {
    const { body } = await act({ action: "test_configuration" });
    const text = JSON.stringify(body);
    for (const value of [SECRET, "test-opal-bearer-key", "test-tools-token", "127.0.0.1", "test-password"]) {
      expect(text).not.toContain(value);
    }
  });

  test("leaves nothing behind", async () => {
    const before = await call("GET", "/api/force-sync/runs");
    await act({ action: "test_configuration" });
    expect((await call("GET", "/api/force-sync/runs")).body).toEqual(before.body);
    expect((await call("GET", "/api/force-sync/held")).body.total).toBe(0);
  });

  const failedOf = async (broken: Record<string, unknown>) =>
    (await checkConfiguration({ ...env, ...broken }, "default")).filter(({ ok }) => !ok);

  test.for([
    ["DB", 4],
    ["SYNC_SESSION", 1],
    ["WORKSPACE", 1],
    ["INBOX", 1],
    ["ASSETS", 1],
    ["RECEIVER_WALL", 1],
  ] as const)("names the binding %s when it is gone, and still makes all other checks", async ([binding, checks]) => {
    const all = await checkConfiguration({ ...env }, "default");
    const found = await checkConfiguration({ ...env, [binding]: undefined }, "default");
    expect(found.map(({ name }) => name)).toEqual(all.map(({ name }) => name));
    const failed = found.filter(({ ok }) => !ok);
    expect(failed).toHaveLength(checks);
    for (const { detail } of failed) expect(detail).toContain(binding);
  });

  test("names a binding that does not answer as it should", async () => {
    const objects = { getByName: () => ({ events: () => Promise.reject(new Error("out of order")) }) };
    expect(await failedOf({ SYNC_SESSION: objects })).toMatchObject([
      { name: "session objects", detail: expect.stringContaining("SYNC_SESSION: Error: out of order") },
    ]);
    const files = { fetch: async () => new Response(null, { status: 404 }) };
    expect(await failedOf({ ASSETS: files })).toMatchObject([{ name: "dashboard files" }]);
  });

  test("names migrations that are missing, and an index that cannot search", async () => {
    await env.DB.prepare("DELETE FROM d1_migrations WHERE name LIKE '0001%'").run();
    await env.DB.prepare("DROP TABLE webhook_search").run();
    const failed = await failedOf({});
    expect(failed.map(({ name }) => name)).toEqual(["D1 has every migration", "D1 searches"]);
    expect(failed[0]?.detail).toContain("0001_requests_and_recovery.sql");
    for (const sql of ["DELETE FROM d1_migrations"]) await env.DB.prepare(sql).run();
  });

  test("still answers when the workspace does not, and says that nothing stands in its log", async () => {
    const signIn = await send("/api/auth/login", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ email: ADMIN, password: "test-password" }),
    });
    const [cookie = ""] = signIn.headers.get("Set-Cookie")?.split(";") ?? [];
    const context = createExecutionContext();
    const request = new Request(`http://osa.localhost${PATH}`, {
      method: "POST",
      headers: { Cookie: cookie, Origin: "http://osa.localhost", "Content-Type": "application/json" },
      body: JSON.stringify({ action: "test_configuration" }),
    });
    const answer = await app.fetch(request, { ...env, WORKSPACE: undefined }, context);
    await waitOnExecutionContext(context);
    expect(answer.status).toBe(200);
    expect(await answer.json()).toMatchObject({ ok: false, audited: false, failed: ["workspace object"] });
  });
});

describe("tidying up", () => {
  const seed = (id: string, ageDays: number) =>
    env.DB.prepare(
      `INSERT INTO webhook_events (workspace, delivery_id, session_id, source, event_type, dedup_hash, sha256, bytes, verdict,
         http_status, processing_time_ms, secret, received_at, seq)
       VALUES ('default', ?, 'sync-old', 'opal', 'x', 'd', 's', 2, 'processed', 200, 1, 'current', ?, 1)`,
    )
      .bind(id, Date.now() - ageDays * DAY_MS)
      .run();

  test("deletes exactly what is older than was said, and says how much that was", async () => {
    for (const [index, age] of [1, 6, 8, 40, 400].entries()) await seed(`whd_old${index}`, age);
    const first = await act({ action: "cleanup_old_events" });
    expect(first).toMatchObject({
      ...{ status: 200, body: { retention_days: 30, deleted_events: 2, deleted_bodies: 0, remaining: false } },
    });
    const second = await act({ action: "cleanup_old_events", retention_days: 7 });
    expect(second.body).toMatchObject({ deleted_events: 1, remaining: false, audited: true });
    expect((await act({ action: "cleanup_old_events", retention_days: 7 })).body.deleted_events).toBe(0);
    const { results } = await env.DB.prepare("SELECT delivery_id FROM webhook_events ORDER BY 1").all();
    expect(results.map((row) => row.delivery_id)).toEqual(["whd_old0", "whd_old1"]);
    const [newest] = await logOf("old_events_cleaned");
    expect(newest).toMatchObject({ actor: ADMIN, retention_days: 7, deleted_events: 0 });
  });

  test("is refused for what nobody knows how to do, and for days that are too few or too many", async () => {
    for (const [body, pointer] of [
      [{ action: "format_disk" }, "/action"],
      [{}, "/action"],
      [{ action: "cleanup_old_events", retention_days: 0 }, "/retention_days"],
      [{ action: "cleanup_old_events", retention_days: 366 }, "/retention_days"],
      [{ action: "cleanup_old_events", days: 3 }, "/days"],
    ] as const) {
      expect(await act(body)).toMatchObject({ status: 400, body: { errors: [{ pointer }] } });
    }
  });

  test("says when the event store does not answer", async () => {
    const repair = breakD1();
    const answer = await act({ action: "cleanup_old_events" });
    repair();
    expect(answer).toMatchObject({ status: 503, body: { code: "service_unavailable" } });
  });
});
