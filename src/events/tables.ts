// What is counted of deliveries, in D1. Counters are only added together with the cursor of the object that counted.
import { integer, primaryKey, sqliteTable, text } from "drizzle-orm/sqlite-core";

/** How many deliveries came to what, in spans of time. */
export const webhookStats = sqliteTable(
  "webhook_stats",
  {
    workspace: text().notNull(),
    /** Where the span begins: five minutes of the last two days, an hour before. */
    bucket: integer().notNull(),
    source: text().notNull(),
    eventType: text("event_type").notNull(),
    /** A verdict, `duplicate` or `rejected`. */
    outcome: text().notNull(),
    /** Why it was rejected; empty for what was taken in. */
    reason: text().notNull(),
    count: integer().notNull(),
    sumMs: integer("sum_ms").notNull(),
  },
  (table) => [
    primaryKey({
      columns: [table.workspace, table.bucket, table.source, table.eventType, table.outcome, table.reason],
    }),
  ],
);

/** How long deliveries took, in log-spaced steps. */
export const webhookLatency = sqliteTable(
  "webhook_latency",
  {
    workspace: text().notNull(),
    bucket: integer().notNull(),
    step: integer().notNull(),
    count: integer().notNull(),
  },
  (table) => [primaryKey({ columns: [table.workspace, table.bucket, table.step] })],
);

/** What each object says of the deliveries it was given. */
export const deliveryLedger = sqliteTable(
  "delivery_ledger",
  {
    workspace: text().notNull(),
    /** A session, or an inbox. */
    owner: text().notNull(),
    received: integer().notNull(),
    processed: integer().notNull(),
    duplicate: integer().notNull(),
    late: integer().notNull(),
    ignored: integer().notNull(),
    quarantined: integer().notNull(),
    /** Of the rows that were here, those that retention has deleted since. */
    expired: integer().notNull().default(0),
  },
  (table) => [primaryKey({ columns: [table.workspace, table.owner] })],
);

/** Deliveries received before this time may have been deleted. */
export const eventRetention = sqliteTable("event_retention", {
  workspace: text().primaryKey(),
  before: integer().notNull(),
});
