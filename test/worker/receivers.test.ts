// GA4, Salesforce and other systems: the same pipeline as OPAL's webhooks, into an inbox of their own.
import { env } from "cloudflare:workers";
import { afterEach, describe, expect, test, vi } from "vitest";
import { Workspace } from "../../src/workspace/object.ts";
import {
  ACME_SECRET,
  type Answer,
  eventually,
  hmac,
  PREVIOUS_SECRET,
  SECRET,
  send,
  signature,
  unixSeconds,
} from "../support/worker/client.ts";
import { breakD1 } from "../support/worker/faults.ts";
import { evict, inboxObject, query, ring, startOver, workspaceObject } from "../support/worker/objects.ts";

afterEach(startOver);

const GA4 = {
  event_type: "audience_insight",
  property_id: "properties/7",
  timestamp: "2026-11-21T10:00:00Z",
  data: { audiences: [{ audience_id: "a", audience_name: "Buyers", audience_size: 12_000, growth_rate: 0.1 }] },
};
const SALESFORCE = {
  event_type: "opportunity_updated",
  organization_id: "00D1",
  timestamp: "2026-11-21T10:00:00Z",
  data: { opportunity: { opportunity_id: "006", stage: "Won", amount: 5_000, close_date: "2026-12-01" } },
};
const EXTERNAL = { type: "system_notification", data: { text: "Maintenance tonight" } };

interface Options {
  readonly secret?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

async function post(path: string, payload: unknown, { secret = SECRET, headers }: Options = {}): Promise<Answer> {
  const body = typeof payload === "string" ? payload : JSON.stringify(payload);
  const signed = headers ?? { "X-OSA-Signature": await signature(body, secret) };
  return send(`/api/webhooks/${path}`, {
    method: "POST",
    headers: { "Content-Type": "application/json", ...signed },
    body,
  });
}

async function bare(payload: unknown, secret = SECRET, at = unixSeconds()) {
  return {
    "x-webhook-signature": await hmac(`${at}.${JSON.stringify(payload)}`, secret),
    "x-webhook-timestamp": String(at),
  };
}

async function rows(columns: string): Promise<Record<string, unknown>[]> {
  return (await env.DB.prepare(`SELECT ${columns} FROM webhook_events ORDER BY received_at, id`).all()).results;
}

describe("a signed delivery", () => {
  test.for([
    ["ga4", GA4, "inbox-ga4", "ga4"],
    ["salesforce", SALESFORCE, "inbox-salesforce", "salesforce"],
    ["external/crm", EXTERNAL, "inbox-external", "external:crm"],
  ] as const)(
    "of %s is processed, stored whole and shown in the event store",
    async ([path, payload, owner, source]) => {
      const answer = await post(path, payload);
      expect([answer.status, answer.body]).toMatchObject([
        200,
        { success: true, status: "processed", verdict: "processed" },
      ]);
      const [row] = await eventually(
        () => rows("*"),
        (found) => found.length === 1,
      );
      expect(row).toMatchObject({
        ...{ session_id: owner, source, verdict: "processed", http_status: 200, secret: "current", agent_id: null },
        delivery_id: answer.body.webhook_id,
      });
      const inbox = inboxObject(owner.replace("inbox-", ""));
      const [body] = await inbox.body(answer.body.webhook_id);
      expect(new TextDecoder().decode(body)).toBe(JSON.stringify(payload));
      expect((await inbox.account()).ledger).toMatchObject({ received: 1, processed: 1 });
    },
  );

  test("is told to the live feed of its workspace, once", async () => {
    const announced = vi.spyOn(Workspace.prototype, "announce");
    const answer = await post("ga4", GA4);
    await post("ga4", GA4);
    await eventually(
      async () => announced.mock.calls,
      (calls) => calls.length > 0,
    );
    const told = await query(workspaceObject(), "SELECT name, session_id, data FROM live_events");
    expect(told.map((row) => [row.name, row.session_id, JSON.parse(String(row.data)).delivery_id])).toEqual([
      ["webhook_processed", null, answer.body.webhook_id],
    ]);
  });

  test("that does not fit is stored all the same, quarantined, and its sender told which field is wrong", async () => {
    const answer = await post("ga4", { ...GA4, event_type: "page_view" });
    expect([answer.status, answer.body]).toMatchObject([
      202,
      { success: true, status: "stored", verdict: "quarantined", reason: "invalid_payload" },
    ]);
    expect(answer.body.errors).toMatchObject([{ pointer: "/event_type" }]);
    expect(await inboxObject("ga4").find(answer.body.webhook_id)).toBeDefined();
  });

  test("that came before is a duplicate, and says of which", async () => {
    const first = await post("salesforce", SALESFORCE);
    const again = await post("salesforce", SALESFORCE);
    expect([again.status, again.body]).toMatchObject([
      200,
      { status: "duplicate", first_webhook_id: first.body.webhook_id },
    ]);
  });

  test("posted fifty times at once is processed once", async () => {
    const answers = await Promise.all(Array.from({ length: 50 }, () => post("external/crm", EXTERNAL)));
    const words = answers.map((answer) => answer.body.status).sort();
    expect(words).toEqual([...Array(49).fill("duplicate"), "processed"]);
    expect((await inboxObject("external").account()).ledger).toMatchObject({
      received: 50,
      duplicate: 49,
      processed: 1,
    });
  });

  test("is not lost while D1 is down, nor when its inbox is evicted", async () => {
    const repair = breakD1();
    expect((await post("ga4", GA4)).status).toBe(200);
    await evict(inboxObject("ga4"));
    repair();
    await ring(inboxObject("ga4"));
    await eventually(
      () => rows("session_id, source"),
      (found) => found.length === 1,
    );
    await eventually(
      async () => (await inboxObject("ga4").account()).waiting,
      (waiting) => waiting === 0,
    );
  });

  test("belongs to the workspace whose secret signed it, and to no other", async () => {
    expect((await post("ga4/acme", GA4, { secret: ACME_SECRET })).status).toBe(200);
    expect((await post("ga4", GA4, { secret: ACME_SECRET })).status).toBe(401);
    expect((await post("ga4/nobody", GA4)).status).toBe(404);
    expect((await inboxObject("ga4").account()).ledger.received).toBe(0);
    expect((await inboxObject("ga4", "acme").account()).ledger.received).toBe(1);
  });
});

describe("a bare digest", () => {
  test("opens the receiver of other systems, with either active secret", async () => {
    expect((await post("external/crm", EXTERNAL, { headers: await bare(EXTERNAL) })).status).toBe(200);
    const other = { ...EXTERNAL, data: {} };
    expect((await post("external/crm", other, { headers: await bare(other, PREVIOUS_SECRET) })).status).toBe(200);
    const secrets = await eventually(
      () => rows("secret"),
      (found) => found.length === 2,
    );
    expect(secrets).toEqual([{ secret: "current (bare digest)" }, { secret: "previous (bare digest)" }]);
  });

  test.for(["ga4", "salesforce", "opal-workflow"])("opens no other: %s", async (path) => {
    expect((await post(path, GA4, { headers: await bare(GA4) })).status).toBe(401);
  });

  test("does not make good what our own header got wrong", async () => {
    const headers = { ...(await bare(EXTERNAL)), "X-OSA-Signature": await signature("another body") };
    expect((await post("external/crm", EXTERNAL, { headers })).status).toBe(401);
  });
});

test.for(["ga4", "salesforce", "external/crm"])("%s describes itself without a secret", async (path) => {
  const answer = await send(`/api/webhooks/${path}`, {});
  expect([answer.status, answer.body.signature.header]).toEqual([200, "X-OSA-Signature"]);
  expect(JSON.stringify(answer.body)).not.toContain(SECRET);
  expect(answer.body.bare_signature === undefined).toBe(path !== "external/crm");
});

test("the name of another system is a plain word", async () => {
  expect((await post("external/a%20b", EXTERNAL)).status).toBe(404);
});
