// Counting deliveries: each arrival is noted in the outbox of the object that takes it in, and added up in D1 once.
import { sql } from "drizzle-orm";
import { z } from "zod";
import { batchSql } from "../platform/d1.ts";
import { objectName } from "../platform/ids.ts";
import { LEDGER_OUTCOMES, type Ledger } from "../platform/ledger.ts";
import { enqueue, type OutboxMessage } from "../platform/outbox.ts";
import { latencyStep } from "./latency.ts";

export const TO_STATS = "stats";

/** The finest span that is counted, in ms. */
export const SPAN_MS = 5 * 60_000;

const tally = z.object({
  /** When it arrived, in ms since the epoch. */
  at: z.number(),
  source: z.string(),
  eventType: z.string(),
  outcome: z.enum([...LEDGER_OUTCOMES, "rejected"]),
  /** Why it was rejected; empty otherwise. */
  reason: z.string().default(""),
  n: z.number().int().positive(),
  /** From its arrival until it was durable, or until it was refused; of several together, the sum. */
  sumMs: z.number(),
});
export type Tally = z.infer<typeof tally>;
const tallies = z.array(tally);

/** Of several at once, at least one. */
export function tallyMessage(counted: readonly Tally[]): string {
  return JSON.stringify(counted);
}

/** Call inside the transaction in which it happens. */
export function noteTally(storage: SqlStorage, counted: Tally, now: number): void {
  enqueue(storage, TO_STATS, tallyMessage([counted]), now);
}

/** What was counted before has changed: only what the object says of all of it is written anew. */
export function noteRecount(storage: SqlStorage, now: number): void {
  enqueue(storage, TO_STATS, RECOUNT, now);
}

const RECOUNT = "null";

/** Who counted. */
export interface Counter {
  readonly workspace: string;
  /** A session or an inbox. */
  readonly owner: string;
}

/**
 * Adds up what the messages say, unless it was added before; beside it stands what the object itself says of all it was
 * given. Rejects when D1 does not take it.
 */
export async function projectTallies(
  db: D1Database,
  counter: Counter,
  messages: readonly OutboxMessage[],
  ledger: Ledger,
): Promise<void> {
  const { workspace, owner } = counter;
  const last = messages.at(-1)?.id ?? 0;
  const source = `${objectName(workspace, owner)}#stats`;
  // Message by message: a batch whose answer was lost comes again together with newer messages.
  const isNew = sql`value ->> 'id' > coalesce((SELECT seq FROM projection_cursor WHERE source = ${source}), 0)`;
  const counts = JSON.stringify(messages.flatMap(countOf));
  const { received, processed, duplicate, late, ignored, quarantined } = ledger;
  await batchSql(db, [
    sql`INSERT INTO delivery_ledger (workspace, owner, received, processed, duplicate, late, ignored, quarantined)
      VALUES (${workspace}, ${owner}, ${received}, ${processed}, ${duplicate}, ${late}, ${ignored}, ${quarantined})
      ON CONFLICT DO UPDATE SET received = excluded.received, processed = excluded.processed, duplicate = excluded.duplicate,
        late = excluded.late, ignored = excluded.ignored, quarantined = excluded.quarantined
      WHERE excluded.received >= received`,
    sql`INSERT INTO webhook_stats (workspace, bucket, source, event_type, outcome, reason, count, sum_ms)
      SELECT ${workspace}, value ->> 'bucket', value ->> 'source', value ->> 'eventType', value ->> 'outcome',
        value ->> 'reason', sum(value ->> 'n'), sum(value ->> 'sumMs')
      FROM json_each(${counts}) WHERE ${isNew} GROUP BY 2, 3, 4, 5, 6
      ON CONFLICT DO UPDATE SET count = count + excluded.count, sum_ms = sum_ms + excluded.sum_ms`,
    sql`INSERT INTO webhook_latency (workspace, bucket, step, count)
      SELECT ${workspace}, value ->> 'bucket', value ->> 'step', sum(value ->> 'n')
      FROM json_each(${counts}) WHERE ${isNew} GROUP BY 2, 3
      ON CONFLICT DO UPDATE SET count = count + excluded.count`,
    sql`INSERT INTO projection_cursor (source, seq) VALUES (${source}, ${last})
      ON CONFLICT DO UPDATE SET seq = excluded.seq WHERE excluded.seq > seq`,
  ]);
}

/** A message as the numbers that it adds; nothing when it only asks for a recount. */
function countOf({ id, message }: OutboxMessage) {
  if (message === RECOUNT) return [];
  return tallies.parse(JSON.parse(message)).map(({ at, ...counted }) => {
    return { id, ...counted, bucket: at - (at % SPAN_MS), step: latencyStep(counted.sumMs / counted.n) };
  });
}
