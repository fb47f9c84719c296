// What was counted of deliveries in a window of time, from D1.
import { and, eq, gte, lt, sum } from "drizzle-orm";
import type { DrizzleD1Database } from "drizzle-orm/d1";
import type { StatsWindow } from "./stats-window.ts";
import { webhookLatency, webhookStats } from "./tables.ts";

export type Counts = Awaited<ReturnType<typeof readStats>>;

/** Rejects when D1 does not answer. */
export async function readStats(db: DrizzleD1Database, workspace: string, { start, end }: StatsWindow) {
  const { eventType, outcome, reason, count, sumMs } = webhookStats;
  const [counted, steps] = await db.batch([
    db
      .select({ eventType, outcome, reason, count: sum(count), sumMs: sum(sumMs) })
      .from(webhookStats)
      .where(and(eq(webhookStats.workspace, workspace), gte(webhookStats.bucket, start), lt(webhookStats.bucket, end)))
      .groupBy(eventType, outcome, reason),
    db
      .select({ step: webhookLatency.step, count: sum(webhookLatency.count) })
      .from(webhookLatency)
      .where(
        and(eq(webhookLatency.workspace, workspace), gte(webhookLatency.bucket, start), lt(webhookLatency.bucket, end)),
      )
      .groupBy(webhookLatency.step),
  ]);
  return {
    counted: counted.map((row) => ({ ...row, count: Number(row.count ?? 0), sumMs: Number(row.sumMs ?? 0) })),
    steps: steps.map(({ step, count: n }) => ({ step, count: Number(n ?? 0) })),
  };
}
