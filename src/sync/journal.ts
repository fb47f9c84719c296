// The session object's SQLite: event log, bodies, receipts, cached state.
import { z } from "zod";
import { BODIES_TABLE, bodyParts, storeBody } from "../platform/bodies.ts";
import {
  countInLedger,
  LEDGER_TABLE,
  type Ledger,
  type LedgerEntry,
  readConflicts,
  readLedger,
} from "../platform/ledger.ts";
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
         UNION ALL SELECT 'conflict', count(*) - count(DISTINCT dedup_key) FROM receipts
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
    ],
  },
];

/** Events kept in memory, for whoever is told of them in this moment. */
const EVENTS_REMEMBERED = 256;
/** Events written by one statement, which may have 100 parameters. */
const EVENTS_AT_ONCE = 25;

const cacheRow = z.object({ seq: z.number(), reducer: z.number(), data: z.string() });
const seqRow = z.object({ seq: z.number().nullable() });
const receivedRow = z.object({ sha256: z.string(), delivery_id: z.string(), repeats: z.number() });
const repeatsRow = z.object({ repeats: z.number() });

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
  /** The last events that this instance appended, without a gap. */
  #newest: RunEvent[] = [];

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
    const cached = readFirst(this.#sql, cacheRow, "SELECT seq, reducer, data FROM state_cache");
    if (cached === undefined) return NO_RUN;
    if (cached.reducer === REDUCER_VERSION && cached.seq === this.lastSeq()) return parseCachedRun(cached.data);
    return fold(this.storedEvents(0));
  }

  lastSeq(): number {
    return readFirst(this.#sql, seqRow, "SELECT MAX(seq) AS seq FROM events")?.seq ?? 0;
  }

  /** In the log's order; the newest ones from memory. */
  eventsAfter(seq: number, limit = Number.MAX_SAFE_INTEGER): RunEvent[] {
    const oldest = this.#newest[0]?.seq;
    if (oldest === undefined || seq + 1 < oldest) return this.storedEvents(seq, limit);
    const begin = seq + 1 - oldest;
    return this.#newest.slice(begin, begin + limit);
  }

  /** As they are in storage. */
  storedEvents(seq: number, limit = Number.MAX_SAFE_INTEGER): RunEvent[] {
    return readAll(this.#sql, eventRow, "SELECT data FROM events WHERE seq > ? ORDER BY seq LIMIT ?", seq, limit);
  }

  /** Call once the transaction that appended them has succeeded: who is told of them need not read them back. */
  remember(events: readonly RunEvent[]): void {
    this.#newest.push(...events);
    if (this.#newest.length > 2 * EVENTS_REMEMBERED) this.#newest = this.#newest.slice(-EVENTS_REMEMBERED);
  }

  /** Call inside a transaction, with the run that the events lead to. */
  append(events: readonly RunEvent[], run: Run): void {
    for (let first = 0; first < events.length; first += EVENTS_AT_ONCE) {
      const some = events.slice(first, first + EVENTS_AT_ONCE);
      const values = some.flatMap((event) => [event.seq, event.at, event.type, JSON.stringify(event)]);
      const rows = some.map(() => "(?, ?, ?, ?)").join(", ");
      this.#sql.exec(`INSERT INTO events (seq, at, type, data) VALUES ${rows}`, ...values);
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
    return readFirst(this.#sql, seqRow, "SELECT seq FROM settled")?.seq ?? 0;
  }

  setSettledSeq(seq: number): void {
    this.#sql.exec("INSERT INTO settled (id, seq) VALUES (1, ?1) ON CONFLICT (id) DO UPDATE SET seq = ?1", seq);
  }

  /**
   * The identical delivery that came before, and how many repeats this one adds to it: none when it is the very same one,
   * handed over again. A conflict is another one with the same key and something else in it. Call inside a transaction.
   */
  repeat(incoming: IncomingDelivery): {
    readonly first: { readonly deliveryId: string; readonly added: number } | undefined;
    readonly isConflict: boolean;
  } {
    const { delivery, dedupKey, repeats } = incoming;
    const query = "SELECT sha256, delivery_id, repeats FROM receipts WHERE dedup_key = ?";
    const alike = readAll(this.#sql, receivedRow, query, dedupKey);
    const same = alike.find(({ sha256 }) => sha256 === delivery.sha256);
    if (same === undefined) return { first: undefined, isConflict: alike.length > 0 };
    const isHandedOverAgain = same.delivery_id === delivery.deliveryId;
    const added = isHandedOverAgain ? Math.max(0, repeats - same.repeats) : 1 + repeats;
    const update = "UPDATE receipts SET repeats = repeats + ? WHERE dedup_key = ? AND sha256 = ?";
    if (added > 0) this.#sql.exec(update, added, dedupKey, delivery.sha256);
    return { first: { deliveryId: same.delivery_id, added }, isConflict: false };
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
    return { duplicates: this.ledger().duplicate, conflicts: readConflicts(this.#sql) };
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
    return readFirst(this.#sql, repeatsRow, "SELECT repeats FROM receipts WHERE delivery_id = ?", deliveryId)?.repeats;
  }

  /** Each receipt, with how often its delivery came again. */
  receipts(): { deliveryId: string; repeats: number }[] {
    const found = readAll(this.#sql, receivedRow, "SELECT sha256, delivery_id, repeats FROM receipts");
    return found.map(({ delivery_id: deliveryId, repeats }) => ({ deliveryId, repeats }));
  }

  /** What the log says of deliveries, in its order; far less than all of it. */
  verdicts(): LoggedVerdict[] {
    const query = `SELECT seq, json_extract(data, '$.deliveryId') AS delivery_id, json_extract(data, '$.verdict') AS verdict,
                     CASE type WHEN 'delivery_recorded' THEN json_extract(data, '$.receivedAt') END AS received_at
                   FROM events WHERE type IN ('delivery_recorded', 'reprocessed') ORDER BY seq`;
    return readAll(this.#sql, verdictRow, query);
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
