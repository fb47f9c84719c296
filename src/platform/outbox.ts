// Write it down with the state change, then deliver it until it is acknowledged. Every destination has its own order,
// batch and backoff, so one that fails never delays another. Receivers must bear a message twice.
import { z } from "zod";
import { backoffMs, RETRY_POLICIES } from "./backoff.ts";
import { notePressure } from "./pressure.ts";
import { readAll, readFirst } from "./sql.ts";
import { withinLimit } from "./wait.ts";

/** `PRESSURE_TABLES` have to follow, in the same version or a later one. */
export const OUTBOX_TABLES = [
  `CREATE TABLE outbox (id INTEGER PRIMARY KEY AUTOINCREMENT, destination TEXT NOT NULL, message TEXT NOT NULL)`,
  `CREATE INDEX outbox_by_destination ON outbox (destination, id)`,
  `CREATE TABLE outbox_destinations (
     destination TEXT PRIMARY KEY, failures INTEGER NOT NULL, next_at INTEGER NOT NULL, claimed INTEGER NOT NULL
   )`,
] as const;

/** Messages handed to a destination at once. */
const BATCH_MESSAGES = 100;
/** A delivery that takes longer counts as failed, in ms. */
const DELIVERY_LIMIT_MS = 15_000;
/** Another flight may start this long after one that never came back, in ms. */
const CLAIM_MS = DELIVERY_LIMIT_MS + 5_000;

export interface OutboxMessage {
  readonly id: number;
  readonly message: string;
}

export interface OutboxPort {
  readonly storage: DurableObjectStorage;
  /** Destinations with a delivery under way in this instance. */
  readonly inFlight: Set<string>;
  readonly now: () => number;
  readonly random: () => number;
  /** How many of the messages, counted from the first, the destination took: at least one. Throws when it took none. */
  readonly deliver: (destination: string, messages: readonly OutboxMessage[]) => Promise<number>;
  readonly onFailure: (destination: string, error: unknown, retryAt: number) => void;
}

/** Call inside the transaction that changes the state the message speaks of. */
export function enqueue(sql: SqlStorage, destination: string, message: string, now: number): void {
  sql.exec("INSERT INTO outbox (destination, message, at) VALUES (?, ?, ?)", destination, message, now);
  sql.exec(
    "INSERT INTO outbox_destinations (destination, failures, next_at, claimed) VALUES (?, 0, ?, 0) ON CONFLICT DO NOTHING",
    destination,
    now,
  );
}

export function waiting(sql: SqlStorage, destination: string): number {
  const count = z.object({ n: z.number() });
  return readFirst(sql, count, "SELECT count(*) AS n FROM outbox WHERE destination = ?", destination)?.n ?? 0;
}

/** The first message that the destination has not acknowledged; undefined when it has all. */
export function firstWaiting(sql: SqlStorage, destination: string): string | undefined {
  const query = "SELECT message FROM outbox WHERE destination = ? ORDER BY id LIMIT 1";
  return readFirst(sql, z.object({ message: z.string() }), query, destination)?.message;
}

/** When the next delivery is due, in ms since the epoch; undefined when nothing waits. */
export function nextDelivery(sql: SqlStorage): number | undefined {
  const row = z.object({ at: z.number().nullable() });
  const query = `SELECT MIN(next_at) AS at FROM outbox_destinations d
                 WHERE EXISTS (SELECT 1 FROM outbox o WHERE o.destination = d.destination)`;
  return readFirst(sql, row, query)?.at ?? undefined;
}

/** A new instance has no delivery under way, whatever the last one wrote down before it died. */
export function releaseClaims(sql: SqlStorage): void {
  sql.exec("UPDATE outbox_destinations SET next_at = 0, claimed = 0 WHERE claimed = 1");
}

/** Delivers everything that is due. Resolves when each destination is empty or has failed; never rejects. */
export async function flush(port: OutboxPort): Promise<void> {
  const due = readAll(
    port.storage.sql,
    z.object({ destination: z.string() }),
    `SELECT destination FROM outbox_destinations d WHERE next_at <= ?
     AND EXISTS (SELECT 1 FROM outbox o WHERE o.destination = d.destination)`,
    port.now(),
  );
  await Promise.all(due.map(({ destination }) => flushDestination(port, destination)));
}

async function flushDestination(port: OutboxPort, destination: string): Promise<void> {
  if (port.inFlight.has(destination)) return;
  port.inFlight.add(destination);
  const { sql } = port.storage;
  try {
    for (let batch = take(sql, destination); batch.length > 0; batch = take(sql, destination)) {
      sql.exec(
        "UPDATE outbox_destinations SET next_at = ?, claimed = 1 WHERE destination = ?",
        port.now() + CLAIM_MS,
        destination,
      );
      const taken = await withinLimit(port.deliver(destination, batch), DELIVERY_LIMIT_MS);
      acknowledge(port, destination, batch.slice(0, taken));
    }
  } catch (error) {
    port.onFailure(destination, error, postpone(port, destination));
  } finally {
    port.inFlight.delete(destination);
  }
}

function take(sql: SqlStorage, destination: string): OutboxMessage[] {
  return readAll(
    sql,
    z.object({ id: z.number(), message: z.string() }),
    "SELECT id, message FROM outbox WHERE destination = ? ORDER BY id LIMIT ?",
    destination,
    BATCH_MESSAGES,
  );
}

function acknowledge({ storage, now }: OutboxPort, destination: string, taken: readonly OutboxMessage[]): void {
  const lastId = taken.at(-1)?.id ?? 0;
  storage.transactionSync(() => {
    notePressure(storage.sql, destination, taken.length, now());
    storage.sql.exec("DELETE FROM outbox WHERE destination = ? AND id <= ?", destination, lastId);
    storage.sql.exec(
      "UPDATE outbox_destinations SET failures = 0, next_at = 0, claimed = 0 WHERE destination = ?",
      destination,
    );
    storage.sql.exec(
      `DELETE FROM outbox_destinations WHERE destination = ?1
       AND NOT EXISTS (SELECT 1 FROM outbox WHERE destination = ?1)`,
      destination,
    );
  });
}

function postpone(port: OutboxPort, destination: string): number {
  const { sql } = port.storage;
  const row = z.object({ failures: z.number() });
  const known = readFirst(sql, row, "SELECT failures FROM outbox_destinations WHERE destination = ?", destination);
  const failures = (known?.failures ?? 0) + 1;
  const retryAt = port.now() + backoffMs(RETRY_POLICIES.outbox, failures, 0.5 + port.random() / 2);
  port.storage.transactionSync(() => {
    notePressure(sql, destination, 0, port.now());
    sql.exec(
      "UPDATE outbox_destinations SET failures = ?, next_at = ?, claimed = 0 WHERE destination = ?",
      failures,
      retryAt,
      destination,
    );
  });
  return retryAt;
}
