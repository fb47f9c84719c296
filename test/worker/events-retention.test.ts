// What is older than it may be is deleted, accounted for, and missed by nobody.
import { createScheduledController } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { drizzle } from "drizzle-orm/d1";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { cleanupEvents, RETENTION_CRON } from "../../src/events/retention.ts";
import { readStats } from "../../src/events/stats-store.ts";
import { windowOf } from "../../src/events/stats-window.ts";
import { webhookLatency, webhookStats } from "../../src/events/tables.ts";
import worker from "../../src/index.ts";
import { Workspace } from "../../src/workspace/object.ts";
import {
  agentEvent,
  call,
  cancel,
  eventually,
  runningSync,
  send,
  signature,
  status,
  webhook,
} from "../support/worker/client.ts";
import { deliveryId, eventRow, list, numbers, storeEvents } from "../support/worker/events.ts";
import { breakD1, stopClock } from "../support/worker/faults.ts";
import { sessionObject, settled, startOver } from "../support/worker/objects.ts";

afterEach(startOver);

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const PLENTY = { events: 100_000, ms: 60_000 };

const cleanUp = (days = 30, budget = PLENTY) => cleanupEvents({ ...env }, "default", days, budget);

async function rows(query: string, ...values: (string | number)[]): Promise<Record<string, unknown>[]> {
  return (
    await env.DB.prepare(query)
      .bind(...values)
      .all()
  ).results;
}

async function count(table: string): Promise<unknown> {
  return (await rows(`SELECT count(*) AS n FROM ${table}`))[0]?.n;
}

async function storeBody(bodyId: string, part = 0, workspace = "default"): Promise<void> {
  await rows("INSERT INTO bodies VALUES (?, 'sync-1', ?, ?, x'7b7d')", workspace, bodyId, part);
}

const ledgerOf = async (owner: string) => (await rows("SELECT * FROM delivery_ledger WHERE owner = ?", owner))[0];

describe("events past their time", () => {
  const now = Date.now();

  beforeEach(async () => {
    const of = (n: number, age: number, sessionId: string, workspace = "default") =>
      eventRow(n, { receivedAt: now - age, sessionId, workspace, summary: "needle" });
    await storeEvents([
      ...Array.from({ length: 1_203 }, (_, n) => of(n, 31 * DAY + n, n % 3 === 0 ? "inbox-ga4" : "sync-1")),
      ...[of(2_000, 30 * DAY + MINUTE, "sync-2"), of(2_001, 30 * DAY - MINUTE, "sync-2"), of(2_002, DAY, "sync-2")],
      of(3_000, 40 * DAY, "sync-9", "acme"),
    ]);
    for (const id of [1, 2, 2_000, 2_001].map(deliveryId)) await storeBody(id);
    await storeBody(deliveryId(2), 1);
    await storeBody(`${deliveryId(1)}.result`);
    await storeBody(deliveryId(3_000), 0, "acme");
    await rows("INSERT INTO delivery_ledger VALUES ('default', 'sync-1', 900, 802, 98, 0, 0, 0, 5)");
  });

  test("are deleted with their bodies, and what was deleted is what is said", async () => {
    const found = await cleanUp();
    expect(found).toMatchObject({ deleted_events: 1_204, deleted_bodies: 3, remaining: false });
    expect(Math.abs(found.before - (Date.now() - 30 * DAY))).toBeLessThan(MINUTE);
    expect(numbers(await list())).toEqual([2_002, 2_001]);
    expect(numbers(await list("?q=needle"))).toEqual([2_002, 2_001]);
    expect((await rows("SELECT body_id FROM bodies ORDER BY body_id")).map((row) => row.body_id)).toEqual([
      ...[`${deliveryId(1)}.result`, deliveryId(2_001), deliveryId(3_000)],
    ]);
    expect(await cleanUp()).toMatchObject({ deleted_events: 0, deleted_bodies: 0, remaining: false });
  });

  test("are accounted for by owner, once", async () => {
    await cleanUp();
    await cleanUp();
    expect(await ledgerOf("sync-1")).toMatchObject({ received: 900, processed: 802, expired: 5 + 802 });
    expect(await ledgerOf("inbox-ga4")).toMatchObject({ received: 0, expired: 401 });
    expect(await ledgerOf("sync-2")).toMatchObject({ expired: 1 });
    expect(await ledgerOf("sync-9")).toBeUndefined();
  });

  test("are deleted as far as the budget reaches, oldest first, and the rest the next time", async () => {
    const first = await cleanUp(30, { events: 700, ms: 60_000 });
    expect(first).toMatchObject({ deleted_events: 700, remaining: true });
    const [oldest] = await rows("SELECT min(received_at) AS at FROM webhook_events WHERE workspace = 'default'");
    expect(oldest).toEqual({ at: now - 31 * DAY - 502 });
    expect(await cleanUp(30, { events: 700, ms: 0 })).toMatchObject({ deleted_events: 0, remaining: true });
    expect(await cleanUp()).toMatchObject({ deleted_events: 504, remaining: false });
    expect(await ledgerOf("inbox-ga4")).toMatchObject({ expired: 401 });
  });

  test("are gone for good: the limit never goes back", async () => {
    const { before } = await cleanUp(1);
    expect((await cleanUp(30)).before).toBe(before);
    expect(await rows("SELECT before FROM event_retention WHERE workspace = 'default'")).toEqual([{ before }]);
  });

  test("are deleted by two cleanups at once as by one", async () => {
    const [one, other] = await Promise.all([cleanUp(), cleanUp()]);
    expect(one.deleted_events + other.deleted_events).toBe(1_204);
    expect(await ledgerOf("inbox-ga4")).toMatchObject({ expired: 401 });
  });

  test("go in large bodies a few at a time, so that no transaction is too large", async () => {
    await rows("UPDATE webhook_events SET bytes = ? WHERE workspace = 'default'", 10 * 1024 * 1024);
    const batches = vi.spyOn(Object.getPrototypeOf(env.DB), "batch");
    expect(await cleanUp(30, { events: 20, ms: 60_000 })).toMatchObject({ deleted_events: 20 });
    expect(batches.mock.calls.length).toBeGreaterThanOrEqual(4);
  });
});

describe("counts", () => {
  const now = Date.now();
  const hour = Math.floor(now / HOUR) * HOUR;
  const db = drizzle(env.DB);

  async function storeCounts(buckets: readonly number[]): Promise<void> {
    for (const bucket of buckets) {
      const kind = { workspace: "default", source: "opal", eventType: "a", reason: "" };
      await db.insert(webhookStats).values([
        { ...kind, bucket, outcome: "processed", count: 3, sumMs: 30 },
        { ...kind, bucket, outcome: "late", count: 1, sumMs: 7 },
      ]);
      await db.insert(webhookLatency).values({ workspace: "default", bucket, step: 20, count: 4 });
    }
  }

  test("older than two days are put together by the hour, and stay the same", async () => {
    const old = hour - 3 * DAY;
    const fine = [old, old + 5 * MINUTE, old + 55 * MINUTE, old + 65 * MINUTE, hour - DAY + 5 * MINUTE];
    await storeCounts(fine);
    const window = windowOf({ start: now - 7 * DAY, end: now }, now);
    const before = await readStats(db, "default", window);
    for (const again of [1, 2]) {
      await cleanUp();
      const buckets = await rows("SELECT DISTINCT bucket FROM webhook_stats ORDER BY bucket");
      expect(
        buckets.map((row) => row.bucket),
        `time ${again}`,
      ).toEqual([old, old + HOUR, hour - DAY + 5 * MINUTE]);
      expect(await count("webhook_latency")).toBe(3);
      expect(await readStats(db, "default", window)).toEqual(before);
    }
    // What an object tells days later joins its hour.
    await storeCounts([old + 10 * MINUTE]);
    await cleanUp();
    expect(await rows("SELECT count FROM webhook_stats WHERE bucket = ? AND outcome = 'processed'", old)).toEqual([
      { count: 12 },
    ]);
  });

  test("older than what they count are deleted", async () => {
    await storeCounts([hour - 31 * DAY, hour - 30 * DAY - 2 * HOUR, hour - 29 * DAY]);
    await cleanUp();
    expect(await count("webhook_stats")).toBe(2);
    expect(await count("webhook_latency")).toBe(1);
  });
});

describe("each night", () => {
  const night = () => worker.scheduled(createScheduledController({ cron: RETENTION_CRON }), { ...env });

  test("every workspace that was given anything is cleaned up, and nobody is swept", async () => {
    const sweep = vi.spyOn(Workspace.prototype, "sweep");
    const old = { receivedAt: Date.now() - 31 * DAY };
    await storeEvents([
      eventRow(1, old),
      eventRow(2, { ...old, workspace: "acme", sessionId: "sync-9" }),
      eventRow(3, { receivedAt: Date.now() }),
    ]);
    await rows("INSERT INTO delivery_ledger VALUES ('acme', 'sync-9', 1, 1, 0, 0, 0, 0, 0)");
    await night();
    expect((await rows("SELECT delivery_id FROM webhook_events")).map((row) => row.delivery_id)).toEqual([
      deliveryId(3),
    ]);
    expect(sweep).not.toHaveBeenCalled();
  });

  test("as many days are kept as are configured", async () => {
    await storeEvents([2, 4].map((days) => eventRow(days, { receivedAt: Date.now() - days * DAY })));
    const controller = createScheduledController({ cron: RETENTION_CRON });
    await worker.scheduled(controller, { ...env, EVENT_RETENTION_DAYS: "3" });
    expect((await rows("SELECT delivery_id FROM webhook_events")).map((row) => row.delivery_id)).toEqual([
      deliveryId(2),
    ]);
  });

  test("while D1 does not answer, it fails loudly and deletes nothing", async () => {
    const repair = breakD1();
    await expect(night()).rejects.toThrow();
    repair();
  });

  test("the cron minute still sweeps, and cleans nothing up", async () => {
    const sweep = vi.spyOn(Workspace.prototype, "sweep");
    await storeEvents([eventRow(1, { receivedAt: Date.now() - 31 * DAY })]);
    await worker.scheduled(createScheduledController({ cron: "* * * * *" }), { ...env });
    expect(sweep).toHaveBeenCalled();
    expect(await count("webhook_events")).toBe(1);
  });
});

describe("of what came a month ago", () => {
  async function monthAgo(): Promise<() => void> {
    const present = Date.now();
    stopClock();
    vi.setSystemTime(present - 31 * DAY);
    return () => vi.setSystemTime(present);
  }

  test("a run misses nothing: what has expired is no difference, everything else still is", async () => {
    const back = await monthAgo();
    const run = await runningSync();
    const { webhook_id: id } = (await webhook(agentEvent(run, "geo_audit"))).body;
    await cancel(run.session_id);
    await settled(run.session_id);
    back();
    expect(await sessionObject(run.session_id).check()).toMatchObject({ differences: [] });
    expect(await cleanUp()).toMatchObject({ deleted_events: 1, deleted_bodies: 1 });
    expect(await sessionObject(run.session_id).check()).toMatchObject({ isStateFold: true, differences: [] });
    expect((await call("GET", `/api/webhook-events/${id}`)).status).toBe(404);
    expect(
      (await status(run.session_id)).agents.find((agent: { agent_id: string }) => agent.agent_id === "geo_audit"),
    ).toMatchObject({
      status: "completed",
    });
    await rows("DELETE FROM bodies WHERE body_id = ?", `${id}.result`);
    await rows("DELETE FROM run_events WHERE seq = 2");
    const { differences } = await sessionObject(run.session_id).check();
    expect(differences.map(({ table, key }) => [table, key])).toEqual([
      ["run_events", "2"],
      ["bodies", `${id}.result/0`],
    ]);
  });

  test("an inbox keeps nothing either", async () => {
    const back = await monthAgo();
    const body = JSON.stringify({
      event_type: "audience_insight",
      property_id: "1",
      timestamp: new Date().toISOString(),
      data: {},
    });
    const headers = { "Content-Type": "application/json", "X-OSA-Signature": await signature(body) };
    const { webhook_id: id } = (await send("/api/webhooks/ga4", { method: "POST", headers, body })).body;
    await eventually(
      async () => [await ledgerOf("inbox-ga4"), await count("webhook_events")],
      ([ledger, events]) => ledger !== undefined && events === 1,
    );
    back();
    const inbox = env.INBOX.getByName("default:inbox-ga4");
    expect(await inbox.find(id)).toBeDefined();
    expect(await cleanUp()).toMatchObject({ deleted_events: 1, remaining: false });
    expect([await inbox.find(id), await inbox.body(id)]).toEqual([undefined, []]);
  });
});
