// Deliveries are kept for a limited time. What is older is deleted batch by batch, and accounted for as it goes.
import { and, asc, eq, inArray, lt, sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import { z } from "zod";
import { type Env, settingsFrom } from "../env.ts";
import { INBOXES, inboxId } from "../inbox/delivery.ts";
import { now } from "../platform/clock.ts";
import { batchSql } from "../platform/d1.ts";
import { objectName } from "../platform/ids.ts";
import { describeError, log } from "../platform/log.ts";
import { webhookEvents } from "../sync/tables.ts";
import { compactHour, deleteCounts } from "./compaction.ts";
import { COARSE_SPAN_MS } from "./stats-window.ts";
import { deliveryLedger } from "./tables.ts";

/** Each night, when little else happens. */
export const RETENTION_CRON = "17 3 * * *";

const DAY_MS = 24 * 60 * 60_000;
/** One batch deletes so many events and at most about so many bytes of their bodies. */
const BATCH_EVENTS = 500;
const BATCH_BYTES = 64 * 1024 * 1024;

/** Whichever is used up first ends the work; what is left is for the next time. */
export interface CleanupBudget {
  readonly events: number;
  readonly ms: number;
}

export const NIGHTLY_BUDGET: CleanupBudget = { events: 200_000, ms: 60_000 };

export interface Cleanup {
  readonly deleted_events: number;
  readonly deleted_bodies: number;
  /** More is to be deleted than the budget was enough for. */
  readonly remaining: boolean;
  /** What was received before this time is no longer kept, in ms since the epoch. */
  readonly before: number;
}

/** Every workspace; one that fails stops no other. */
export async function cleanUpAll(env: Env): Promise<void> {
  const startedAt = now();
  const { workspace: own, eventRetentionDays: days } = settingsFrom(env);
  const found = await drizzle(env.DB).selectDistinct({ name: deliveryLedger.workspace }).from(deliveryLedger);
  const names = [...new Set([own, ...found.map(({ name }) => name)])];
  const cleanups: Cleanup[] = [];
  const failures: unknown[] = [];
  for (const name of names) {
    await cleanupEvents(env, name, days, NIGHTLY_BUDGET).then(
      (cleanup) => cleanups.push(cleanup),
      (error: unknown) => failures.push(error),
    );
  }
  const total = (what: "deleted_events" | "deleted_bodies") => cleanups.reduce((sum, counts) => sum + counts[what], 0);
  log(failures.length > 0 ? "error" : "info", "retention", {
    workspaces: names.length,
    failed: failures.length,
    deleted_events: total("deleted_events"),
    deleted_bodies: total("deleted_bodies"),
    remaining: cleanups.some(({ remaining }) => remaining),
    error: failures.length > 0 ? describeError(failures[0]) : undefined,
    duration_ms: now() - startedAt,
  });
}

/** Deletes what is older than so many days, within the budget. Rejects when D1 does not answer; done is done. */
export async function cleanupEvents(
  env: Env,
  workspace: string,
  retentionDays: number,
  budget: CleanupBudget,
): Promise<Cleanup> {
  const startedAt = now();
  const db = env.DB;
  const before = await moveLimit(db, workspace, startedAt - retentionDays * DAY_MS);
  const isInTime = () => now() - startedAt < budget.ms;
  let events = 0;
  let bodies = 0;
  let remaining = await hasExpired(db, workspace, before);
  while (remaining && events < budget.events && isInTime()) {
    const deleted = await deleteBatch(db, workspace, before, Math.min(BATCH_EVENTS, budget.events - events));
    events += deleted.events;
    bodies += deleted.bodies;
    remaining = await hasExpired(db, workspace, before);
  }
  for (const inbox of await inboxesOf(db, workspace)) {
    const hasMore = await expireInbox(env, workspace, inbox, before, isInTime);
    remaining ||= hasMore;
  }
  await tidyCounts(db, workspace, before, startedAt, isInTime);
  return { deleted_events: events, deleted_bodies: bodies, remaining, before };
}

/** Counts are older than what they count for a moment at most, so they go with it; what stays takes less room. */
async function tidyCounts(
  db: D1Database,
  workspace: string,
  before: number,
  startedAt: number,
  isInTime: () => boolean,
): Promise<void> {
  const oldestHour = Math.floor(before / COARSE_SPAN_MS) * COARSE_SPAN_MS;
  let isTidy = false;
  while (!isTidy && isInTime()) isTidy = (await deleteCounts(db, workspace, oldestHour)) === 0;
  isTidy = false;
  while (!isTidy && isInTime()) isTidy = !(await compactHour(db, workspace, startedAt));
}

const limitRow = z.object({ before: z.number() });

/** First of all, so that nobody misses what is about to be deleted. The limit never goes back. */
async function moveLimit(db: D1Database, workspace: string, before: number): Promise<number> {
  const [rows] = await batchSql(db, [
    sql`INSERT INTO event_retention (workspace, before) VALUES (${workspace}, ${before})
      ON CONFLICT DO UPDATE SET before = max(before, excluded.before) RETURNING before`,
  ]);
  return limitRow.parse(rows?.[0]).before;
}

const batchRow = z.object({ n: z.number() });

/** The oldest ones, with their bodies, and the accounts of those that had been given them, in one transaction. */
async function deleteBatch(db: D1Database, workspace: string, before: number, limit: number) {
  const { receivedAt, id, bytes } = webhookEvents;
  const oldest = await drizzle(db)
    .select({ receivedAt, id, bytes })
    .from(webhookEvents)
    .where(and(eq(webhookEvents.workspace, workspace), lt(receivedAt, before)))
    .orderBy(asc(receivedAt), asc(id))
    .limit(limit);
  const last = withinBytes(oldest);
  if (last === undefined) return { events: 0, bodies: 0 };
  const expired = sql`FROM webhook_events INDEXED BY webhook_events_by_time WHERE workspace = ${workspace}
    AND received_at < ${before} AND (received_at, id) <= (${last.receivedAt}, ${last.id})`;
  const theirBodies = sql`workspace = ${workspace} AND body_id IN (SELECT delivery_id ${expired})`;
  const [events, bodies] = await batchSql(db, [
    sql`SELECT count(*) AS n ${expired}`,
    sql`SELECT count(*) AS n FROM bodies WHERE ${theirBodies} AND part = 0`,
    sql`INSERT INTO delivery_ledger
      (workspace, owner, received, processed, duplicate, late, ignored, quarantined, expired)
      SELECT workspace, session_id, 0, 0, 0, 0, 0, 0, count(*) ${expired} GROUP BY session_id
      ON CONFLICT DO UPDATE SET expired = expired + excluded.expired`,
    sql`DELETE FROM bodies WHERE ${theirBodies}`,
    sql`DELETE ${expired}`,
  ]);
  return { events: batchRow.parse(events?.[0]).n, bodies: batchRow.parse(bodies?.[0]).n };
}

/** The last of the first ones, at least one, whose bodies are not too large together. */
function withinBytes<Row extends { readonly bytes: number }>(rows: readonly Row[]): Row | undefined {
  let bytes = 0;
  const firstOver = rows.findIndex((row) => {
    bytes += row.bytes;
    return bytes > BATCH_BYTES;
  });
  return firstOver === -1 ? rows.at(-1) : rows[Math.max(0, firstOver - 1)];
}

async function hasExpired(db: D1Database, workspace: string, before: number): Promise<boolean> {
  const { workspace: ofWorkspace, receivedAt, id } = webhookEvents;
  const rows = drizzle(db).select({ id }).from(webhookEvents);
  return (await rows.where(and(eq(ofWorkspace, workspace), lt(receivedAt, before))).limit(1)).length > 0;
}

/** Those that were ever given anything; asking another would bring it into being. */
async function inboxesOf(db: D1Database, workspace: string): Promise<string[]> {
  const names = [...INBOXES, "rejections" as const].map(inboxId);
  const { workspace: ofWorkspace, owner } = deliveryLedger;
  const rows = drizzle(db).select({ owner }).from(deliveryLedger);
  return (await rows.where(and(eq(ofWorkspace, workspace), inArray(owner, names)))).map((row) => row.owner);
}

/** The object deletes some at once. Answers whether more is left. One that does not answer is asked the next time. */
async function expireInbox(
  env: Env,
  workspace: string,
  name: string,
  before: number,
  isInTime: () => boolean,
): Promise<boolean> {
  const inbox = env.INBOX.getByName(objectName(workspace, name));
  try {
    for (;;) {
      if ((await inbox.expire(before)) === 0) return false;
      if (!isInTime()) return true;
    }
  } catch (error) {
    log("warn", "inbox_not_expired", { workspace, inbox: name, error: describeError(error) });
    return true;
  }
}
