// The inbox object's SQLite: deliveries of no run with their bodies, and rejections.
import { z } from "zod";
import { BODIES_TABLE, bodyParts, deleteBody, storeBody } from "../platform/bodies.ts";
import { countInLedger, LEDGER_TABLE, type Ledger, readLedger } from "../platform/ledger.ts";
import { type Migration, migrate } from "../platform/migrate.ts";
import { OUTBOX_TABLES, releaseClaims } from "../platform/outbox.ts";
import { PRESSURE_TABLES } from "../platform/pressure.ts";
import { readAll, readFirst } from "../platform/sql.ts";
import { type InboxDelivery, type InboxFacts, inboxFacts } from "./delivery.ts";
import { REJECTION_TABLES, RejectionJournal } from "./rejection-journal.ts";

const MIGRATIONS: readonly Migration[] = [
  {
    version: 1,
    floor: 1,
    statements: [
      `CREATE TABLE deliveries (
         seq INTEGER PRIMARY KEY AUTOINCREMENT, delivery_id TEXT NOT NULL UNIQUE, dedup_key TEXT NOT NULL, sha256 TEXT NOT NULL,
         received_at INTEGER NOT NULL, recorded_at INTEGER NOT NULL, repeats INTEGER NOT NULL, facts TEXT NOT NULL,
         UNIQUE (dedup_key, sha256)
       )`,
      `CREATE INDEX deliveries_by_time ON deliveries (received_at)`,
      `CREATE TABLE identity (id INTEGER PRIMARY KEY CHECK (id = 1), name TEXT NOT NULL)`,
      ...REJECTION_TABLES,
      BODIES_TABLE,
      LEDGER_TABLE,
      ...OUTBOX_TABLES,
      ...PRESSURE_TABLES,
    ],
  },
];

/** Deliveries that are deleted at once. */
const EXPIRED_AT_ONCE = 500;

export interface KeptDelivery {
  readonly seq: number;
  readonly recordedAt: number;
  readonly dedupKey: string;
  readonly facts: InboxFacts;
}

const keptRow = z
  .object({ seq: z.number(), recorded_at: z.number(), dedup_key: z.string(), facts: z.string() })
  .transform(
    (row): KeptDelivery => ({
      seq: row.seq,
      recordedAt: row.recorded_at,
      dedupKey: row.dedup_key,
      facts: inboxFacts.parse(JSON.parse(row.facts)),
    }),
  );

const KEPT_COLUMNS = "seq, recorded_at, dedup_key, facts";

export class InboxJournal {
  readonly rejections: RejectionJournal;
  readonly #sql: SqlStorage;

  constructor(storage: DurableObjectStorage) {
    this.#sql = storage.sql;
    migrate(storage, MIGRATIONS);
    releaseClaims(storage.sql);
    this.rejections = new RejectionJournal(storage.sql);
  }

  /** The object's own name, `workspace:inbox`, which an alarm does not bring along. */
  name(): string | undefined {
    return readFirst(this.#sql, z.object({ name: z.string() }), "SELECT name FROM identity")?.name;
  }

  setName(name: string): void {
    this.#sql.exec("INSERT INTO identity (id, name) VALUES (1, ?) ON CONFLICT DO NOTHING", name);
  }

  /** The identical delivery that came before, and how many repeats this one adds. Call inside a transaction. */
  repeat({ facts, dedupKey, repeats }: InboxDelivery): { deliveryId: string; added: number } | undefined {
    const row = z.object({ delivery_id: z.string(), repeats: z.number() });
    const query = "SELECT delivery_id, repeats FROM deliveries WHERE dedup_key = ? AND sha256 = ?";
    const first = readFirst(this.#sql, row, query, dedupKey, facts.sha256);
    if (first === undefined) return undefined;
    const isSame = first.delivery_id === facts.deliveryId;
    const added = isSame ? Math.max(0, repeats - first.repeats) : 1 + repeats;
    this.#sql.exec("UPDATE deliveries SET repeats = repeats + ? WHERE delivery_id = ?", added, first.delivery_id);
    countInLedger(this.#sql, { received: added, duplicate: added });
    return { deliveryId: first.delivery_id, added };
  }

  /** Answers its number. Call inside a transaction. */
  keep({ facts, dedupKey, repeats, raw }: InboxDelivery, now: number): number {
    const { deliveryId, sha256, receivedAt, verdict } = facts;
    const row = z.object({ seq: z.number() });
    const inserted = readFirst(
      this.#sql,
      row,
      `INSERT INTO deliveries (delivery_id, dedup_key, sha256, received_at, recorded_at, repeats, facts)
       VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING seq`,
      deliveryId,
      dedupKey,
      sha256,
      receivedAt,
      now,
      repeats,
      JSON.stringify(facts),
    );
    storeBody(this.#sql, deliveryId, raw);
    countInLedger(this.#sql, { received: 1 + repeats, duplicate: repeats, [verdict]: 1 });
    return inserted?.seq ?? 0;
  }

  /** Those with these numbers that are still here. */
  between(firstSeq: number, lastSeq: number): KeptDelivery[] {
    const query = `SELECT ${KEPT_COLUMNS} FROM deliveries WHERE seq BETWEEN ? AND ? ORDER BY seq`;
    return readAll(this.#sql, keptRow, query, firstSeq, lastSeq);
  }

  find(deliveryId: string): (KeptDelivery & { readonly repeats: number }) | undefined {
    const query = `SELECT ${KEPT_COLUMNS} FROM deliveries WHERE delivery_id = ?`;
    const found = readFirst(this.#sql, keptRow, query, deliveryId);
    const counted = "SELECT repeats FROM deliveries WHERE delivery_id = ?";
    const repeats = readFirst(this.#sql, z.object({ repeats: z.number() }), counted, deliveryId)?.repeats ?? 0;
    return found && { ...found, repeats };
  }

  bodyParts(deliveryId: string): ArrayBuffer[] {
    return bodyParts(this.#sql, deliveryId);
  }

  ledger(): Ledger {
    return readLedger(this.#sql);
  }

  /** Deletes deliveries received before a time, some at once, and says how many. Call inside a transaction. */
  expire(before: number): number {
    const row = z.object({ delivery_id: z.string() });
    const query = "SELECT delivery_id FROM deliveries WHERE received_at < ? LIMIT ?";
    const expired = readAll(this.#sql, row, query, before, EXPIRED_AT_ONCE);
    for (const { delivery_id: deliveryId } of expired) {
      this.#sql.exec("DELETE FROM deliveries WHERE delivery_id = ?", deliveryId);
      deleteBody(this.#sql, deliveryId);
    }
    return expired.length;
  }
}
