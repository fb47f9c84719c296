// Counts of the last two days are kept by five minutes, older ones by the hour.
import { type SQL, sql } from "drizzle-orm";
import { z } from "zod";
import { batchSql } from "../platform/d1.ts";
import { COARSE_SPAN_MS, FINE_SPANS_MS } from "./stats-window.ts";

const oldest = z.object({ bucket: z.number().nullable() });

/** Puts together one hour of fine spans; answers false when there is none left. Rejects when D1 does not answer. */
export async function compactHour(db: D1Database, workspace: string, now: number): Promise<boolean> {
  const limit = Math.floor((now - FINE_SPANS_MS) / COARSE_SPAN_MS) * COARSE_SPAN_MS;
  const isFine = sql`workspace = ${workspace} AND bucket < ${limit} AND bucket % ${COARSE_SPAN_MS} <> 0`;
  const [found] = await batchSql(db, [
    sql`SELECT min(bucket) AS bucket FROM (
      SELECT min(bucket) AS bucket FROM webhook_stats WHERE ${isFine}
      UNION ALL SELECT min(bucket) FROM webhook_latency WHERE ${isFine})`,
  ]);
  const { bucket } = oldest.parse(found?.[0]);
  if (bucket === null) return false;
  const hour = bucket - (bucket % COARSE_SPAN_MS);
  const ofHour = sql`workspace = ${workspace} AND bucket > ${hour} AND bucket < ${hour + COARSE_SPAN_MS}`;
  // Added and deleted in one transaction: whatever comes in between, every delivery is counted once.
  await batchSql(db, [
    sql`INSERT INTO webhook_stats (workspace, bucket, source, event_type, outcome, reason, count, sum_ms)
      SELECT workspace, ${hour}, source, event_type, outcome, reason, sum(count), sum(sum_ms) FROM webhook_stats
      WHERE ${ofHour} GROUP BY source, event_type, outcome, reason
      ON CONFLICT DO UPDATE SET count = count + excluded.count, sum_ms = sum_ms + excluded.sum_ms`,
    sql`DELETE FROM webhook_stats WHERE ${ofHour}`,
    sql`INSERT INTO webhook_latency (workspace, bucket, step, count)
      SELECT workspace, ${hour}, step, sum(count) FROM webhook_latency WHERE ${ofHour} GROUP BY step
      ON CONFLICT DO UPDATE SET count = count + excluded.count`,
    sql`DELETE FROM webhook_latency WHERE ${ofHour}`,
  ]);
  return true;
}

const STATS_ROWS = 1_000;

/** Deletes some of what was counted before a time; answers how many rows that were. */
export async function deleteCounts(db: D1Database, workspace: string, before: number): Promise<number> {
  const some = (table: SQL) => sql`DELETE FROM ${table} WHERE rowid IN (
    SELECT rowid FROM ${table} WHERE workspace = ${workspace} AND bucket < ${before} LIMIT ${STATS_ROWS})
    RETURNING 1 AS gone`;
  const gone = await batchSql(db, [some(sql`webhook_stats`), some(sql`webhook_latency`)]);
  return gone.reduce((total, rows) => total + rows.length, 0);
}
