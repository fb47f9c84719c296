// The session object's SQLite: event log, bodies, receipts, cached state.
import { z } from "zod";
import { BODIES_TABLE, bodyParts, storeBody } from "../platform/bodies.ts";
import { isCreated, type Migration, migrate } from "../platform/migrate.ts";
import { OUTBOX_TABLES, releaseClaims } from "../platform/outbox.ts";
import { readAll, readFirst } from "../platform/sql.ts";
import type { IncomingDelivery } from "./delivery.ts";
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
];

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

  /** The receipt of an identical delivery that came before, with this repeat counted, unless it is the very same one. */
  repeat(incoming: IncomingDelivery): string | undefined {
    return readFirst(
      this.#sql,
      z.object({ delivery_id: z.string() }),
      `UPDATE receipts SET repeats = CASE WHEN delivery_id = ?3 THEN MAX(repeats, ?4) ELSE repeats + 1 + ?4 END
       WHERE dedup_key = ?1 AND sha256 = ?2 RETURNING delivery_id`,
      incoming.dedupKey,
      incoming.delivery.sha256,
      incoming.delivery.deliveryId,
      incoming.repeats,
    )?.delivery_id;
  }

  /** Call inside the transaction that appends the delivery's events. Throws when the receipt exists already. */
  keep(incoming: IncomingDelivery): void {
    const { deliveryId, sha256, receivedAt } = incoming.delivery;
    this.#sql.exec(
      "INSERT INTO receipts (dedup_key, sha256, delivery_id, at, repeats) VALUES (?, ?, ?, ?, ?)",
      incoming.dedupKey,
      sha256,
      deliveryId,
      receivedAt,
      incoming.repeats,
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

  dedupKeyOf(deliveryId: string): string | undefined {
    const row = z.object({ dedup_key: z.string() });
    return readFirst(this.#sql, row, "SELECT dedup_key FROM receipts WHERE delivery_id = ?", deliveryId)?.dedup_key;
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
