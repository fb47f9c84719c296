// One stored event: everything that is known of it, its very bytes, and reading it again.
import { env, exports } from "cloudflare:workers";
import { afterEach, describe, expect, test, vi } from "vitest";
import { sha256Hex } from "../../src/platform/hash.ts";
import { SyncSession } from "../../src/sync/object.ts";
import {
  type Answer,
  API_KEY,
  agentEvent,
  bytesOf,
  call,
  eventually,
  ORIGIN,
  runningSync,
  send,
  signature,
  status,
  WEBHOOKS,
  webhook,
} from "../support/worker/client.ts";
import { logOf } from "../support/worker/control.ts";
import { deliveryId, eventRow, storeEvents, T0 } from "../support/worker/events.ts";
import { advanceClock, breakD1, stopClock } from "../support/worker/faults.ts";
import { runningByHand } from "../support/worker/finding.ts";
import { eventTypes, ring, startOver, workspaceObject } from "../support/worker/objects.ts";

afterEach(startOver);

type Body = Answer["body"];

const detail = (id: string) => call("GET", `/api/webhook-events/${id}`);

/** Waits until D1 has been told of a delivery. */
async function known(id: string): Promise<Body> {
  const found = await eventually(
    () => detail(id),
    (answer) => answer.status === 200,
  );
  return found.body.event;
}

async function rawBody(id: string): Promise<{ status: number; headers: Headers; bytes: Uint8Array }> {
  const headers = { Authorization: `Bearer ${API_KEY}` };
  const response = await exports.default.fetch(`${ORIGIN}/api/webhook-events/${id}/body`, { headers });
  return { status: response.status, headers: response.headers, bytes: new Uint8Array(await response.arrayBuffer()) };
}

function areEqual(left: Uint8Array, right: Uint8Array): boolean {
  return left.byteLength === right.byteLength && crypto.subtle.timingSafeEqual(left, right);
}

describe("an event", () => {
  test("shows its place in the run, its headers without credentials, how often it came and what it said", async () => {
    const run = await runningSync();
    const body = JSON.stringify(agentEvent(run, "geo_audit"));
    const headers = { Authorization: "Bearer not-for-us", "X-Trace": "seen", Cookie: "a=b" };
    const { body: answer } = await webhook(body, { headers });
    for (let again = 0; again < 3; again++) await webhook(body);
    const event = await known(answer.webhook_id);
    expect(event).toMatchObject({
      ...{ delivery_id: answer.webhook_id, source: "opal", event_type: "execution.completed", status: "processed" },
      ...{ session_id: run.session_id, workflow_id: run.workflow_id, opal_workflow_id: `opal-${run.session_id}` },
      ...{ inbox: null, agent_id: "geo_audit", summary: "geo_audit completed, 1 insights, 2 recommendations" },
      ...{ duplicates: 3, signed_with: "current", bytes: body.length, sha256: await sha256Hex(bytesOf(body)) },
      ...{ body: JSON.parse(body), body_omitted: null },
      ...{ body_url: `/api/webhook-events/${answer.webhook_id}/body` },
    });
    expect(event.seq).toBeGreaterThan(1);
    const kept = new Map<string, string>(event.headers.map((header: Body) => [header.name, header.value]));
    expect([kept.get("x-trace"), kept.get("authorization"), kept.get("cookie")]).toEqual([
      ...["seen", "(masked)", "(masked)"],
    ]);
    expect(JSON.stringify(event)).not.toContain("not-for-us");
  });

  test("of an inbox shows how often it came again", async () => {
    const notice = { event_type: "audience_insight", property_id: "1", timestamp: new Date().toISOString(), data: {} };
    const body = JSON.stringify(notice);
    const post = async () => {
      const headers = { "Content-Type": "application/json", "X-OSA-Signature": await signature(body) };
      return send("/api/webhooks/ga4", { method: "POST", headers, body });
    };
    const { webhook_id: id } = (await post()).body;
    await post();
    expect(await known(id)).toMatchObject({ inbox: "ga4", session_id: null, duplicates: 1, body: notice });
    expect((await rawBody(id)).bytes).toEqual(bytesOf(body));
    expect((await call("GET", `/api/webhook-events/${id}/curl`)).body).toContain("/api/webhooks/ga4");
    const again = await call("POST", `/api/webhook-events/${id}/redeliver`);
    expect([again.status, again.body.changed]).toEqual([200, false]);
  });

  test("is not found under another name or in another workspace, nor without signing in", async () => {
    await storeEvents([eventRow(1, { workspace: "acme" })]);
    for (const id of [deliveryId(1), deliveryId(2)]) {
      for (const more of ["", "/body", "/curl"]) {
        const answer = await call("GET", `/api/webhook-events/${id}${more}`);
        expect([answer.status, answer.body.code, answer.body.resource_id]).toEqual([404, "resource_not_found", id]);
      }
    }
    for (const path of ["", "/body", "/curl"]) {
      expect((await send(`/api/webhook-events/${deliveryId(1)}${path}`, {})).status).toBe(401);
    }
    expect((await call("GET", "/api/webhook-events/another-word")).status).toBe(404);
  });

  test("whose body nobody has any more says so, and so does one past its time", async () => {
    const run = await runningSync();
    await storeEvents([eventRow(1, { sessionId: run.session_id }), eventRow(2)]);
    for (const more of ["/body", "/curl", ""]) {
      const answer = await call("GET", `/api/webhook-events/${deliveryId(1)}${more}`);
      expect([answer.status, answer.body.code], more).toEqual([410, "delivery_expired"]);
      expect(answer.body.received_at).toBe(new Date(T0 + 1).toISOString());
    }
    await env.DB.prepare("INSERT INTO event_retention (workspace, before) VALUES ('default', ?)")
      .bind(T0 + 3)
      .run();
    expect((await detail(deliveryId(2))).body.code).toBe("delivery_expired");
    expect((await detail(deliveryId(9))).body.detail).toContain(new Date(T0 + 3).toISOString());
  });

  test("is not shown while D1 does not answer", async () => {
    const repair = breakD1();
    const answer = await detail(deliveryId(1));
    repair();
    expect([answer.status, answer.body.code]).toEqual([503, "service_unavailable"]);
  });
});

describe("the bytes of a body", () => {
  test("come back exactly, of ten million of them, and too many for the answer itself", async () => {
    const run = await runningSync();
    const empty = JSON.stringify(agentEvent(run, "geo_audit", "completed", { agent_data: { long: "" } }));
    const text = Array.from({ length: 700_000 }, (_, n) => `zeile ${n} ü`)
      .join("")
      .slice(0, 9_500_000);
    const body = bytesOf(empty.replace('"long":""', `"long":"${text}"`));
    expect(body.length).toBeGreaterThan(9_500_000);
    const { webhook_id: id } = (await webhook(body)).body;
    const event = await known(id);
    expect(event.body).toBeNull();
    expect(event.body_omitted).toEqual({ reason: "too_large", bytes: body.length, url: event.body_url });
    const raw = await rawBody(id);
    expect(areEqual(raw.bytes, body)).toBe(true);
    expect(raw.headers.get("Content-Type")).toBe("application/octet-stream");
    expect(raw.headers.get("Content-Disposition")).toBe(`attachment; filename="${id}.bin"`);
    expect(raw.headers.get("X-Content-SHA256")).toBe(await sha256Hex(body));
  });

  test("come back exactly, however odd the JSON is that they say", async () => {
    const run = await runningSync();
    const odd = [
      `\ufeff${JSON.stringify(agentEvent(run, "geo_audit"))}\r\n \t`,
      JSON.stringify(agentEvent(run, "content_review")).replace(
        "{",
        '{"big":123456789012345678901234567890,"big":1e999,',
      ),
      JSON.stringify(agentEvent(run, "cmp_organizer")).replace(
        "{",
        '{"half":"\\ud800","zero":"\\u0000","quote":"\'\\"",',
      ),
    ];
    for (const body of odd) {
      const { webhook_id: id } = (await webhook(body)).body;
      await known(id);
      expect(areEqual((await rawBody(id)).bytes, bytesOf(body)), body.slice(0, 40)).toBe(true);
    }
  });

  test("are asked of the run's own object where D1 has none, or others", async () => {
    const run = await runningSync();
    const body = JSON.stringify(agentEvent(run, "geo_audit"));
    const { webhook_id: id } = (await webhook(body)).body;
    await known(id);
    for (const harm of [
      "UPDATE bodies SET bytes = x'7b7d' WHERE body_id = ?",
      "DELETE FROM bodies WHERE body_id = ?",
    ]) {
      await env.DB.prepare(harm).bind(id).run();
      expect(areEqual((await rawBody(id)).bytes, bytesOf(body)), harm).toBe(true);
    }
    vi.spyOn(SyncSession.prototype, "body").mockRejectedValue(new Error("the object does not answer"));
    expect((await detail(id)).body.code).toBe("service_unavailable");
  });
});

test("the command that posts it again has its bytes and no secret in it", async () => {
  const run = await runningSync();
  const body = JSON.stringify(agentEvent(run, "geo_audit", "completed", { agent_data: { summary: "it's" } }));
  const { webhook_id: id } = (await webhook(body)).body;
  await known(id);
  const { body: script, headers } = await call("GET", `/api/webhook-events/${id}/curl`);
  expect(headers.get("Content-Type")).toMatch(/^text\/plain/);
  expect(script).toContain(body.replace("it's", "it'\\''s"));
  expect(script).toContain(`origin='${ORIGIN}'`);
  expect(script).toContain(`$origin}${WEBHOOKS}"`);
  for (const name of ["OSA_WEBHOOK_SHARED_SECRET", "OSA_WEBHOOK_PREVIOUS_SECRET", "OPAL_TOOLS_TOKEN"]) {
    expect(script).not.toContain(String(env[name as keyof typeof env]));
  }
});

describe("an event that is handed to its run again", () => {
  const redeliver = (id: string, body: object = {}) => call("POST", `/api/webhook-events/${id}/redeliver`, { body });

  /** A run under way in which one agent's end was misread, with the delivery that said it. */
  async function misread(): Promise<{ run: Body; id: string }> {
    const run = await runningSync();
    const { deliver } = SyncSession.prototype;
    const spy = vi.spyOn(SyncSession.prototype, "deliver").mockImplementation(function (this: SyncSession, incoming) {
      const reports = incoming.reports.map((said) =>
        said.about === "agent" ? { ...said, outcome: "failed" as const } : said,
      );
      return deliver.call(this, { ...incoming, reports });
    });
    const { body } = await webhook(agentEvent(run, "geo_audit"));
    spy.mockRestore();
    await known(body.webhook_id);
    return { run, id: body.webhook_id };
  }

  const agentState = async (run: Body) =>
    (await status(run.session_id)).agents.find((agent: Body) => agent.agent_id === "geo_audit").status;

  test("and read as before changes nothing, and that is on record", async () => {
    const run = await runningSync();
    const { webhook_id: id } = (await webhook(agentEvent(run, "geo_audit"))).body;
    await known(id);
    const before = await eventTypes(run.session_id);
    const { body } = await redeliver(id);
    expect(body).toMatchObject({ success: true, delivery_id: id, dry_run: false, changed: false, events: [] });
    expect(body.after).toEqual(body.before);
    expect(await eventTypes(run.session_id)).toEqual(before);
    expect(await logOf("delivery_redelivered")).toMatchObject([
      { actor: "development key", delivery_id: id, session_id: run.session_id, changed: false },
    ]);
  });

  test("as a dry run says what would change, and leaves no trace", async () => {
    const { run, id } = await misread();
    const before = await eventTypes(run.session_id);
    const { body } = await redeliver(id, { dry_run: true });
    expect(body).toMatchObject({
      ...{ dry_run: true, changed: true },
      before: { verdict: "processed", reading: [{ outcome: "failed" }] },
      after: { verdict: "processed", reading: [{ outcome: "completed" }] },
    });
    expect(body.events.map((event: Body) => event.type)).toEqual(["reprocessed", "agent_completed"]);
    expect(await eventTypes(run.session_id)).toEqual(before);
    expect(await agentState(run)).toBe("failed");
    expect(await logOf("delivery_redelivered")).toEqual([]);
  });

  test("and read otherwise changes the run, once", async () => {
    const { run, id } = await misread();
    expect((await redeliver(id)).body.changed).toBe(true);
    expect(await agentState(run)).toBe("completed");
    expect((await redeliver(id)).body.changed).toBe(false);
    expect((await eventTypes(run.session_id)).filter((type) => type === "reprocessed")).toHaveLength(1);
    expect((await logOf("delivery_redelivered")).map((entry: Body) => entry.changed)).toEqual([false, true]);
    await eventually(
      () => known(id),
      (event) => event.summary.startsWith("geo_audit completed"),
    );
  });

  test("from the inbox reaches its run once there is one, as a delivery of its own", async () => {
    stopClock();
    const { webhook_id: id } = (await webhook({ event_type: "something_new", workflow_id: "later" })).body;
    advanceClock(61 * 60_000);
    await ring(workspaceObject());
    await known(id);
    expect((await redeliver(id)).body).toMatchObject({ changed: false, reason: "its run is still unknown" });
    const run = await runningByHand("empty");
    await webhook(agentEvent(run, "integration_health", "started", { workflow_id: "later" }));
    const before = await eventTypes(run.session_id);
    expect((await redeliver(id, { dry_run: true })).body).toMatchObject({ changed: true, dry_run: true });
    expect(await eventTypes(run.session_id)).toEqual(before);
    expect((await redeliver(id)).body).toMatchObject({ changed: true, after: { verdict: "ignored" } });
    expect(await eventTypes(run.session_id)).toEqual([...before, "delivery_recorded"]);
    expect((await redeliver(id)).body).toMatchObject({ changed: false, reason: "its run had it already" });
  });

  test("from another system belongs to no run, and stays where it is", async () => {
    const body = JSON.stringify({ type: "system_notification", data: {} });
    const headers = { "Content-Type": "application/json", "X-OSA-Signature": await signature(body) };
    const { webhook_id: id } = (await send("/api/webhooks/external/crm", { method: "POST", headers, body })).body;
    await known(id);
    expect((await redeliver(id)).body).toMatchObject({ changed: false, reason: "it belongs to no run" });
  });

  test("is refused for who is not signed in, for what does not exist, and with fields nobody knows", async () => {
    expect((await send(`/api/webhook-events/${deliveryId(1)}/redeliver`, { method: "POST" })).status).toBe(401);
    expect((await redeliver(deliveryId(1))).body.code).toBe("resource_not_found");
    const odd = await redeliver(deliveryId(1), { force: true });
    expect([odd.status, odd.body.errors[0].pointer]).toEqual([400, "/force"]);
  });
});
