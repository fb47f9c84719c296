// How much is taken in: a burst of thousands, then as much as flows; and a wall for each address in front of all.
import { createExecutionContext, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { app } from "../../src/app.ts";
import type { InboxFacts } from "../../src/inbox/delivery.ts";
import { type Answer, API_KEY, ORIGIN, send, signature, trigger, WEBHOOKS, webhook } from "../support/worker/client.ts";
import { advanceClock, stopClock } from "../support/worker/faults.ts";
import { inboxObject, sessionObject, startOver } from "../support/worker/objects.ts";

afterEach(startOver);

/** One more delivery of a run, unlike all others. */
function progress(run: Answer["body"], number: number) {
  return webhook({ event_type: "workflow_progress", event_id: `e-${number}`, correlation_id: run.correlation_id });
}

/** Takes what an object may take in at once out of its hands, by asking it with the first delivery again and again. */
async function exhaust(take: () => Promise<{ readonly outcome: string }>): Promise<number> {
  for (let taken = 0; ; taken++) if ((await take()).outcome === "throttled") return taken;
}

describe("one run", () => {
  test("takes in ten thousand at once, then says when to come back, and 300 a second after that", async () => {
    stopClock();
    const { body: started } = await trigger();
    const taken = await runInDurableObject(sessionObject(started.session_id), (instance) =>
      exhaust(() => instance.deliver(repeated(started.session_id))),
    );
    expect(taken).toBe(10_000);
    const refused = await progress(started, 1);
    expect([refused.status, refused.body.code]).toEqual([503, "service_unavailable"]);
    expect(Number(refused.headers.get("Retry-After"))).toBeGreaterThan(0);
    // Another one's deliveries are none of its business.
    expect((await webhook({ event_type: "agent.completed", agent_id: "geo_audit" })).status).toBe(202);
    advanceClock(1_000);
    const more = await runInDurableObject(sessionObject(started.session_id), (instance) =>
      exhaust(() => instance.deliver(repeated(started.session_id))),
    );
    expect(more).toBe(300);
  });
});

/** The same delivery each time. */
function repeated(sessionId: string) {
  const delivery = {
    ...{ deliveryId: "whd_1", remoteId: null, correlated: true, source: "opal", eventType: "x", bytes: 2 },
    ...{ sha256: sessionId, receivedAt: 0, secret: "current" },
  };
  const reports = [{ about: "nothing", verdict: "ignored", reason: "unknown_event_type" }] as const;
  return { delivery, headers: [], dedupKey: "k", repeats: 0, raw: new Uint8Array(2), reports, results: [] };
}

test("an inbox is limited like a run", async () => {
  const facts: InboxFacts = {
    ...{ deliveryId: "", source: "ga4", eventType: "x", remoteId: null, verdict: "processed", reason: null },
    ...{ summary: "", bytes: 2, sha256: "s", secret: "current", headers: [], receivedAt: 0 },
  };
  stopClock();
  let count = 0;
  const delivery = () => {
    const numbered = { ...facts, deliveryId: `whd_${count++}` };
    return { facts: numbered, dedupKey: "k", repeats: 0, raw: new Uint8Array(2) };
  };
  const taken = await runInDurableObject(inboxObject("ga4"), (instance) => exhaust(() => instance.take(delivery())));
  expect(taken).toBe(10_000);
  expect((await inboxObject("ga4").account()).ledger).toMatchObject({
    received: 10_000,
    processed: 1,
    duplicate: 9_999,
  });
});

describe("the wall in front of the receivers", () => {
  const asked: string[] = [];
  const wall = {
    limit: async ({ key }: { key: string }) => {
      asked.push(key);
      return { success: !key.startsWith("203.0.113.6") };
    },
  };

  async function through(path: string, headers: Readonly<Record<string, string>>, body = "{}") {
    const init = { method: "POST", headers: { "Content-Type": "application/json", ...headers }, body };
    const request = new Request(`${ORIGIN}${path}`, init);
    return app.fetch(request, { ...env, RECEIVER_WALL: wall }, createExecutionContext());
  }

  beforeEach(stopClock);

  test.for([
    [WEBHOOKS, "203.0.113.66"],
    ["/api/webhooks/ga4", "203.0.113.67"],
    ["/api/webhooks/external/crm", "203.0.113.68"],
    ["/api/tools/osa_workflow_data", "203.0.113.69"],
  ] as const)("turns a busy address away that has sent too much, whatever it sends: %s", async ([path, address]) => {
    const flood = { "CF-Connecting-IP": address, "Content-Type": "text/plain" };
    for (let sent = 0; sent < 200; sent++) expect((await through(path, flood)).status).not.toBe(429);
    const signed = { "X-OSA-Signature": await signature("{}"), "X-Forwarded-For": "203.0.113.1" };
    const response = await through(path, { ...signed, "CF-Connecting-IP": address });
    expect([response.status, response.headers.get("Retry-After")]).toEqual([429, "10"]);
    expect(await response.json()).toMatchObject({ code: "rate_limited" });
    expect(asked.at(-1)).toBe(address);
  });

  test("lets every other address through, and does not even ask about it while it is not busy", async () => {
    const before = asked.length;
    const response = await through(WEBHOOKS, {
      "CF-Connecting-IP": "203.0.113.1",
      "X-OSA-Signature": await signature("{}"),
    });
    expect([response.status, asked.length]).toEqual([202, before]);
  });

  test("stands in front of nothing else", async () => {
    for (let sent = 0; sent < 250; sent++) await send("/api/problems/rate_limited", {});
    expect((await send("/api/force-sync/runs", { headers: { Authorization: `Bearer ${API_KEY}` } })).status).toBe(200);
  });
});
