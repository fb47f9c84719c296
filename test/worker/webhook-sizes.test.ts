import { createExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, describe, expect, test, vi } from "vitest";
import { app } from "../../src/app.ts";
import { joinParts } from "../../src/platform/bodies.ts";
import {
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
import { inboxObject, query, sessionObject, startOver, workspaceObject } from "../support/worker/objects.ts";

afterEach(startOver);

const LIMIT_BYTES = 10 * 1024 * 1024;
const PART_BYTES = 1024 * 1024;

/** A result of exactly so many bytes, not two parts of it alike. */
function resultOfSize(run: { session_id: string; correlation_id: string }, bytes: number): string {
  const payload = agentEvent(run, "geo_audit", "completed", {
    agent_data: { summary: "s", recommendations: [], long: "" },
  });
  const empty = JSON.stringify(payload);
  const lines = Array.from({ length: Math.ceil(bytes / 16) }, (_, index) => `line ${index} `.padEnd(16, "."));
  return empty.replace('"long":""', `"long":"${lines.join("").slice(0, bytes - empty.length)}"`);
}

async function bodyInD1(bodyId: string): Promise<Uint8Array> {
  const parts: ArrayBuffer[] = [];
  for (let part = 0; ; part++) {
    const row = await env.DB.prepare("SELECT bytes FROM bodies WHERE body_id = ? AND part = ?")
      .bind(bodyId, part)
      .first<{ bytes: number[] }>();
    if (row === null) return joinParts(parts);
    parts.push(new Uint8Array(row.bytes).buffer);
  }
}

test("a body just below 10 MiB is taken in, and reads back the same from the object and from D1", async () => {
  const run = await runningSync();
  const body = resultOfSize(run, LIMIT_BYTES - 1);
  expect(body.length).toBe(LIMIT_BYTES - 1);
  const answer = await webhook(body);
  expect([answer.status, answer.body.status]).toEqual([200, "processed"]);
  const { webhook_id: id } = answer.body;

  const parts = await sessionObject(run.session_id).body(id);
  expect(parts.map((part) => part.byteLength)).toEqual([
    ...Array.from({ length: 9 }, () => PART_BYTES),
    PART_BYTES - 1,
  ]);
  expect(areEqual(joinParts(parts), bytesOf(body))).toBe(true);

  const [counted] = await eventually(
    async () => (await env.DB.prepare("SELECT bytes FROM webhook_events WHERE delivery_id = ?").bind(id).all()).results,
    (rows) => rows.length === 1,
  );
  expect(counted?.bytes).toBe(LIMIT_BYTES - 1);
  expect(areEqual(await bodyInD1(id), bytesOf(body))).toBe(true);

  const agent = (await status(run.session_id)).agents.find(
    (found: { agent_id: string }) => found.agent_id === "geo_audit",
  );
  const stored = await call("GET", agent.result_url);
  expect(stored.body.output.long).toBe(JSON.parse(body).agent_data.long);
});

test("a body whose numbers grow when they are written anew is taken in like any other", async () => {
  const run = await runningSync();
  // Five characters here, twenty-two as JSON.stringify writes them.
  const numbers = `[${Array.from({ length: 2_000_000 }, () => "1e20").join(",")}]`;
  const payload = agentEvent(run, "geo_audit", "completed", { agent_data: { summary: "s", recommendations: "HERE" } });
  const body = JSON.stringify(payload).replace('"HERE"', numbers);
  expect(body.length).toBeLessThan(LIMIT_BYTES);
  const answer = await webhook(body);
  expect([answer.status, answer.body.status]).toEqual([200, "processed"]);
  // The result apart from its delivery would be larger than any delivery may be; the delivery itself is whole.
  const [agent] = (await status(run.session_id)).agents.filter(
    (found: { status: string }) => found.status === "completed",
  );
  expect((await call("GET", agent.result_url)).body).toMatchObject({ output: null, output_omitted: true });
  const parts = await sessionObject(run.session_id).body(answer.body.webhook_id);
  expect(areEqual(joinParts(parts), bytesOf(body))).toBe(true);
});

test("a large body of an unknown workflow is held whole and handed over whole", async () => {
  const run = await runningSync("empty");
  await webhook(agentEvent(run, "content_review", "started", { workflow_id: "ours" }));
  const named = { session_id: run.session_id, correlation_id: "" };
  const body = resultOfSize(named, 3 * PART_BYTES).replace(`opal-${run.session_id}`, "not-yet-ours");
  const held = await webhook(body);
  expect([held.status, held.body.status]).toEqual([202, "stored"]);
  await webhook(agentEvent(run, "geo_audit", "started", { workflow_id: "not-yet-ours" }));
  const parts = await eventually(
    () => sessionObject(run.session_id).body(held.body.webhook_id),
    (found) => found.length > 0,
  );
  expect(areEqual(joinParts(parts), bytesOf(body))).toBe(true);
  await eventually(
    () => query(workspaceObject(), "SELECT body_id FROM bodies"),
    (rows) => rows.length === 0,
  );
});

describe("more than 10 MiB is refused before anything is stored", () => {
  test("when the sender announces it", async () => {
    const body = "{}";
    const headers = {
      "Content-Type": "application/json",
      "Content-Length": String(LIMIT_BYTES + 1),
      "X-OSA-Signature": await signature(body),
    };
    const answer = await send(WEBHOOKS, { method: "POST", headers, body });
    expect([answer.status, answer.body.code]).toEqual([413, "payload_too_large"]);
  });

  test("when it only turns out while it streams in, and no more than needed is read", async () => {
    const chunk = new Uint8Array(256 * 1024).fill(0x20);
    let chunks = 0;
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        if (++chunks > 400) controller.close();
        else controller.enqueue(chunk);
      },
    });
    const headers = { "Content-Type": "application/json", "X-OSA-Signature": await signature("{}") };
    const answer = await send(WEBHOOKS, { method: "POST", headers, body });
    expect([answer.status, answer.body.code]).toEqual([413, "payload_too_large"]);
    expect(chunks).toBeLessThan(100);
  });

  test("and a body that stops arriving is given up after half a minute", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const body = new ReadableStream<Uint8Array>({ start: (controller) => controller.enqueue(bytesOf('{"a":')) });
    const headers = { "Content-Type": "application/json", "X-OSA-Signature": await signature("{}") };
    let status = 0;
    // Straight into the app: a clock in the test's hands reaches no other request.
    const request = new Request(`${ORIGIN}${WEBHOOKS}`, { method: "POST", headers, body });
    const answered = Promise.resolve(app.fetch(request, { ...env }, createExecutionContext())).then((response) => {
      status = response.status;
    });
    await vi.advanceTimersByTimeAsync(29_999);
    expect(status).toBe(0);
    await vi.advanceTimersByTimeAsync(1);
    await answered;
    expect(status).toBe(408);
  });

  test("by a single byte, while the limit itself is still accepted", async () => {
    const exact = `{"event_type":"workflow_progress"${" ".repeat(LIMIT_BYTES)}`.slice(0, LIMIT_BYTES - 1);
    expect((await webhook(`${exact}}`)).status).toBe(202);
    expect((await webhook(`${exact} }`)).status).toBe(413);
    expect((await inboxObject("opal").account()).ledger.received).toBe(1);
  });
});

function areEqual(left: Uint8Array, right: Uint8Array): boolean {
  return left.byteLength === right.byteLength && crypto.subtle.timingSafeEqual(left, right);
}
