// The session object's SQLite: event log, bodies, receipts, cached state.
import { z } from "zod";
import { BODIES_TABLE, bodyParts, storeBody } from "../platform/bodies.ts";
import { countInLedger, LEDGER_TABLE, type Ledger, type LedgerEntry, readLedger } from "../platform/ledger.ts";
import { isCreated, type Migration, migrate } from "../platform/migrate.ts";
import { OUTBOX_TABLES, releaseClaims } from "../platform/outbox.ts";
import { PRESSURE_TABLES } from "../platform/pressure.ts";
import { readAll, readFirst } from "../platform/sql.ts";
import type { LoggedVerdict } from "./account.ts";
import { type IncomingDelivery, storedHeaders } from "./delivery.ts";
import type { Receipt } from "./delivery-rows.ts";
import { type RunEvent, runEvent } from "./run/events.ts";
import { fold } from "./run/reduce.ts";
import { NO_RUN, REDUCER_VERSION, type Run } from "./run/state.ts";

const MIGRATIONS: readonly Migration[] = [
  {
    version: 1,
    floor: 1,
    statements: [
      `CREATE TABLE events (seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, type TEXT NOT NULL, data TEXT NOT NULL)`,
      `CREATE TABLE state_cache (id INTEGER PRIMARY KEY CHECK (id = 1), seq INTEGER NOT NULL, reducer INTEGER NOT NULL, data TEXT NOT NULL)`,
      `CREATE TABLE receipts (
         dedup_key TEXT NOT NULL, sha256 TEXT NOT NULL, delivery_id TEXT NOT NULL, at INTEGER NOT NULL, repeats INTEGER NOT NULL,
         PRIMARY KEY (dedup_key, sha256)
       )`,
      `CREATE INDEX receipts_by_delivery ON receipts (delivery_id)`,
      `CREATE TABLE settled (id INTEGER PRIMARY KEY CHECK (id = 1), seq INTEGER NOT NULL)`,
      BODIES_TABLE,
      ...OUTBOX_TABLES,
    ],
  },
  // Logs may now hold events that older code cannot read, so it must not try.
  { version: 2, floor: 2, statements: [] },
  {
    version: 3,
    // Older code would let the counts fall behind.
    floor: 3,
    statements: [
      `ALTER TABLE receipts ADD COLUMN headers TEXT`,
      LEDGER_TABLE,
      `INSERT INTO ledger (entry, n)
       SELECT entry, sum(n) FROM (
         SELECT 'received' AS entry, count(*) + sum(repeats) AS n FROM receipts
         UNION ALL SELECT 'duplicate', sum(repeats) FROM receipts
         UNION ALL SELECT json_extract(data, '$.verdict'), 1 FROM events WHERE type IN ('delivery_recorded', 'reprocessed')
         UNION ALL SELECT json_extract(data, '$.was'), -1 FROM events WHERE type = 'reprocessed'
       ) WHERE n IS NOT NULL GROUP BY entry`,
    ],
  },
  {
    version: 4,
    floor: 3,
    statements: [
      ...PRESSURE_TABLES,
      // D1's counters know of no repeats from before they were counted; they are told once more.
      `INSERT INTO outbox (destination, message) SELECT 'stats', 'null' WHERE EXISTS (SELECT 1 FROM receipts WHERE repeats > 0)`,
      `INSERT INTO outbox_destinations (destination, failures, next_at, claimed)
       SELECT DISTINCT destination, 0, 0, 0 FROM outbox WHERE destination = 'stats' ON CONFLICT DO NOTHING`,
    ],
  },
];

const receiptRow = z.object({ dedup_key: z.string(), headers: z.string().nullable() }).transform(
  (row): Receipt => ({
    dedupKey: row.dedup_key,
    headers: row.headers === null ? null : storedHeaders.parse(JSON.parse(row.headers)),
  }),
);

const verdictRow = z
  .object({
    seq: z.number(),
    delivery_id: z.string(),
    verdict: z.enum(["processed", "late", "ignored", "quarantined"]),
    received_at: z.number().nullable(),
  })
  .transform(
    (row): LoggedVerdict => ({
      seq: row.seq,
      deliveryId: row.delivery_id,
      verdict: row.verdict,
      receivedAt: row.received_at,
    }),
  );

const eventRow = z.object({ data: z.string() }).transform((row) => runEvent.parse(JSON.parse(row.data)));

export class Journal {
  readonly #storage: DurableObjectStorage;

  constructor(storage: DurableObjectStorage) {
    this.#storage = storage;
    if (!isCreated(storage)) return;
    this.create();
    releaseClaims(storage.sql);
  }

  /** An object comes into being with its run; asking for a run that never was leaves nothing behind. */
  create(): void {
    migrate(this.#storage, MIGRATIONS);
  }

  get #sql(): SqlStorage {
    return this.#storage.sql;
  }

  /** The folded run: from the cache when it is current, else from the log. */
  load(): Run {
    if (!isCreated(this.#storage)) return NO_RUN;
    const row = z.object({ seq: z.number(), reducer: z.number(), data: z.string() });
    const cached = readFirst(this.#sql, row, "SELECT seq, reducer, data FROM state_cache");
    if (cached === undefined) return NO_RUN;
    if (cached.reducer === REDUCER_VERSION && cached.seq === this.lastSeq()) return parseCachedRun(cached.data);
    return fold(this.eventsAfter(0));
  }

  lastSeq(): number {
    const row = z.object({ seq: z.number().nullable() });
    return readFirst(this.#sql, row, "SELECT MAX(seq) AS seq FROM events")?.seq ?? 0;
  }

  eventsAfter(seq: number, limit = Number.MAX_SAFE_INTEGER): RunEvent[] {
    return readAll(this.#sql, eventRow, "SELECT data FROM events WHERE seq > ? ORDER BY seq LIMIT ?", seq, limit);
  }

  /** Call inside a transaction, with the run that the events lead to. */
  append(events: readonly RunEvent[], run: Run): void {
    for (const event of events) {
      this.#sql.exec(
        "INSERT INTO events (seq, at, type, data) VALUES (?, ?, ?, ?)",
        event.seq,
        event.at,
        event.type,
        JSON.stringify(event),
      );
    }
    this.#sql.exec(
      `INSERT INTO state_cache (id, seq, reducer, data) VALUES (1, ?1, ?2, ?3)
       ON CONFLICT (id) DO UPDATE SET seq = ?1, reducer = ?2, data = ?3`,
      run.seq,
      REDUCER_VERSION,
      JSON.stringify(run),
    );
  }

  /** The last event that the workspace was told is settled; 0 before the first time. */
  settledSeq(): number {
    return readFirst(this.#sql, z.object({ seq: z.number() }), "SELECT seq FROM settled")?.seq ?? 0;
  }

  setSettledSeq(seq: number): void {
    this.#sql.exec("INSERT INTO settled (id, seq) VALUES (1, ?1) ON CONFLICT (id) DO UPDATE SET seq = ?1", seq);
  }

  /**
   * The identical delivery that came before, and how many repeats this one adds to it: none when it is the very same one,
   * handed over again. Call inside a transaction.
   */
  repeat(incoming: IncomingDelivery): { readonly deliveryId: string; readonly added: number } | undefined {
    const { delivery, dedupKey, repeats } = incoming;
    const row = z.object({ delivery_id: z.string(), repeats: z.number() });
    const query = "SELECT delivery_id, repeats FROM receipts WHERE dedup_key = ? AND sha256 = ?";
    const first = readFirst(this.#sql, row, query, dedupKey, delivery.sha256);
    if (first === undefined) return undefined;
    const isSame = first.delivery_id === delivery.deliveryId;
    const added = isSame ? Math.max(0, repeats - first.repeats) : 1 + repeats;
    if (added > 0) {
      const update = "UPDATE receipts SET repeats = repeats + ? WHERE dedup_key = ? AND sha256 = ?";
      this.#sql.exec(update, added, dedupKey, delivery.sha256);
      this.count({ received: added, duplicate: added });
    }
    return { deliveryId: first.delivery_id, added };
  }

  /** Call inside the transaction in which it happens. */
  count(entries: Partial<Record<LedgerEntry, number>>): void {
    countInLedger(this.#sql, entries);
  }

  /** What became of every delivery that was ever handed to this session. */
  ledger(): Ledger {
    return readLedger(this.#sql);
  }

  /** Call inside the transaction that appends the delivery's events. Throws when the receipt exists already. */
  keep(incoming: IncomingDelivery): void {
    const { deliveryId, sha256, receivedAt } = incoming.delivery;
    this.#sql.exec(
      "INSERT INTO receipts (dedup_key, sha256, delivery_id, at, repeats, headers) VALUES (?, ?, ?, ?, ?, ?)",
      incoming.dedupKey,
      sha256,
      deliveryId,
      receivedAt,
      incoming.repeats,
      JSON.stringify(incoming.headers),
    );
    storeBody(this.#sql, deliveryId, incoming.raw);
    this.keepResults(incoming.results);
  }

  /** Call inside the transaction that appends the events that refer to them. */
  keepResults(results: IncomingDelivery["results"]): void {
    for (const result of results) storeBody(this.#sql, result.bodyId, result.bytes);
  }

  /** Deliveries that came again, and deliveries that shared their key with another body. */
  repeats(): { duplicates: number; conflicts: number } {
    const row = z.object({ duplicates: z.number(), conflicts: z.number() });
    const query = `SELECT coalesce(sum(repeats), 0) AS duplicates, count(*) - count(DISTINCT dedup_key) AS conflicts FROM receipts`;
    return readFirst(this.#sql, row, query) ?? { duplicates: 0, conflicts: 0 };
  }

  receiptOf(deliveryId: string): Receipt | undefined {
    return readFirst(
      this.#sql,
      receiptRow,
      "SELECT dedup_key, headers FROM receipts WHERE delivery_id = ?",
      deliveryId,
    );
  }

  /** How often a delivery came again; undefined when there is no receipt of it. */
  repeatsOf(deliveryId: string): number | undefined {
    const row = z.object({ repeats: z.number() });
    return readFirst(this.#sql, row, "SELECT repeats FROM receipts WHERE delivery_id = ?", deliveryId)?.repeats;
  }

  /** Each receipt, with how often its delivery came again. */
  receipts(): { deliveryId: string; repeats: number }[] {
    const row = z
      .object({ delivery_id: z.string(), repeats: z.number() })
      .transform((found) => ({ deliveryId: found.delivery_id, repeats: found.repeats }));
    return readAll(this.#sql, row, "SELECT delivery_id, repeats FROM receipts");
  }

  /** What the log says of deliveries, in its order; far less than all of it. */
  verdicts(): LoggedVerdict[] {
    const query = `SELECT seq, json_extract(data, '$.deliveryId') AS delivery_id, json_extract(data, '$.verdict') AS verdict,
                     CASE type WHEN 'delivery_recorded' THEN json_extract(data, '$.receivedAt') END AS received_at
                   FROM events WHERE type IN ('delivery_recorded', 'reprocessed') ORDER BY seq`;
    return readAll(this.#sql, verdictRow, query);
  }

  /** Every delivery there is a receipt of. */
  deliveryIds(): string[] {
    const row = z.object({ delivery_id: z.string() });
    return readAll(this.#sql, row, "SELECT delivery_id FROM receipts").map((found) => found.delivery_id);
  }

  bodyParts(bodyId: string): ArrayBuffer[] {
    return bodyParts(this.#sql, bodyId);
  }
}

/**
 * The cache holds what this same reducer version folded and this file wrote, in the same transaction as the log;
 * a test compares both. Parsing it again with a schema would repeat the state's type by hand.
 */
function parseCachedRun(data: string): Run {
  const run: Run = JSON.parse(data);
  return run;
}
