// Write it down with the state change, then deliver it until it is acknowledged. Every destination has its own order,
// batch and backoff, so one that fails never delays another. Receivers must bear a message twice.
import { z } from "zod";
import { backoffMs, RETRY_POLICIES } from "./backoff.ts";
import { notePressure } from "./pressure.ts";
import { readAll, readFirst } from "./sql.ts";
import { sleep, withinLimit } from "./wait.ts";

/** `PRESSURE_TABLES` have to follow, in the same version or a later one. */
export const OUTBOX_TABLES = [
  `CREATE TABLE outbox (id INTEGER PRIMARY KEY AUTOINCREMENT, destination TEXT NOT NULL, message TEXT NOT NULL)`,
  `CREATE INDEX outbox_by_destination ON outbox (destination, id)`,
  // Only of those with a delivery under way, or whose last one failed: for any other, what waits is due.
  `CREATE TABLE outbox_destinations (
     destination TEXT PRIMARY KEY, failures INTEGER NOT NULL, next_at INTEGER NOT NULL, claimed INTEGER NOT NULL
   )`,
] as const;

/** Messages handed to a destination at once. */
const BATCH_MESSAGES = 100;
/** A delivery that takes longer counts as failed, in ms. */
const DELIVERY_LIMIT_MS = 15_000;
/** While a flight is under way, the object looks after it this often, in ms: should it have died, that is found out then. */
const CLAIM_MS = 2_000;

/** Destinations with messages, found by jumping from one to the next in the index, however much waits for each. */
export const WAITING = `WITH RECURSIVE waiting (destination) AS (
    SELECT MIN(destination) FROM outbox
    UNION ALL SELECT (SELECT MIN(o.destination) FROM outbox o WHERE o.destination > waiting.destination)
    FROM waiting WHERE waiting.destination IS NOT NULL
  )`;

const countRow = z.object({ n: z.number() });
const textRow = z.object({ message: z.string() });
const timeRow = z.object({ at: z.number().nullable() });
const destinationRow = z.object({ destination: z.string() });
const messageRow = z.object({ id: z.number(), message: z.string() });
const failuresRow = z.object({ failures: z.number() });

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
  /**
   * How long messages are gathered after a delivery of so many, before the next one, so that many of them travel together,
   * in ms.
   */
  readonly gatherMs: (destination: string, delivered: number) => number;
  readonly onFailure: (destination: string, error: unknown, retryAt: number) => void;
}

/** Call inside the transaction that changes the state the message speaks of. */
export function enqueue(sql: SqlStorage, destination: string, message: string, now: number): void {
  enqueueAll(sql, [[destination, message]], now);
}

/** Several at once, for whatever destinations, in one statement. */
export function enqueueAll(
  sql: SqlStorage,
  messages: readonly (readonly [destination: string, message: string])[],
  now: number,
): void {
  if (messages.length === 0) return;
  const rows = messages.map(() => "(?, ?, ?)").join(", ");
  const values = messages.flatMap(([destination, message]) => [destination, message, now]);
  sql.exec(`INSERT INTO outbox (destination, message, at) VALUES ${rows}`, ...values);
}

export function waiting(sql: SqlStorage, destination: string): number {
  return readFirst(sql, countRow, "SELECT count(*) AS n FROM outbox WHERE destination = ?", destination)?.n ?? 0;
}

/** The first message that the destination has not acknowledged; undefined when it has all. */
export function firstWaiting(sql: SqlStorage, destination: string): string | undefined {
  const query = "SELECT message FROM outbox WHERE destination = ? ORDER BY id LIMIT 1";
  return readFirst(sql, textRow, query, destination)?.message;
}

/** When the next delivery is due, in ms since the epoch; undefined when nothing waits. */
export function nextDelivery(sql: SqlStorage): number | undefined {
  const query = `${WAITING} SELECT MIN(coalesce(next_at, 0)) AS at FROM waiting NATURAL LEFT JOIN outbox_destinations
                 WHERE destination IS NOT NULL`;
  return readFirst(sql, timeRow, query)?.at ?? undefined;
}

/** A new instance has no delivery under way, whatever the last one wrote down before it died. */
export function releaseClaims(sql: SqlStorage): void {
  sql.exec("DELETE FROM outbox_destinations WHERE claimed = 1 AND failures = 0");
  sql.exec("UPDATE outbox_destinations SET next_at = 0, claimed = 0 WHERE claimed = 1");
}

/** Delivers everything that is due. Resolves when each destination is empty or has failed; never rejects. */
export async function flush(port: OutboxPort): Promise<void> {
  const due = readAll(
    port.storage.sql,
    destinationRow,
    `${WAITING} SELECT destination FROM waiting NATURAL LEFT JOIN outbox_destinations
     WHERE destination IS NOT NULL AND coalesce(next_at, 0) <= ?`,
    port.now(),
  );
  await Promise.all(due.map(({ destination }) => flushDestination(port, destination)));
}

async function flushDestination(port: OutboxPort, destination: string): Promise<void> {
  const { sql } = port.storage;
  if (port.inFlight.has(destination)) {
    claim(sql, destination, port.now() + CLAIM_MS);
    return;
  }
  port.inFlight.add(destination);
  try {
    for (let batch = take(sql, destination); batch.length > 0; batch = take(sql, destination)) {
      claim(sql, destination, port.now() + CLAIM_MS);
      const taken = await withinLimit(port.deliver(destination, batch), DELIVERY_LIMIT_MS);
      acknowledge(port, destination, batch.slice(0, taken));
      // A full batch has more behind it, which need not wait.
      if (batch.length < BATCH_MESSAGES) await gather(port, destination, port.gatherMs(destination, batch.length));
    }
  } catch (error) {
    port.onFailure(destination, error, postpone(port, destination));
  } finally {
    port.inFlight.delete(destination);
  }
}

/** The first message goes at once, those right after it together. The claim keeps the alarm from sending them singly. */
async function gather({ storage, now }: OutboxPort, destination: string, gatherMs: number): Promise<void> {
  if (gatherMs === 0) return;
  claim(storage.sql, destination, now() + gatherMs + CLAIM_MS);
  await sleep(gatherMs);
  storage.sql.exec("DELETE FROM outbox_destinations WHERE destination = ?", destination);
}

/** While a delivery is under way nobody else begins one, unless it never comes back. */
function claim(sql: SqlStorage, destination: string, until: number): void {
  sql.exec(
    `INSERT INTO outbox_destinations (destination, failures, next_at, claimed) VALUES (?1, 0, ?2, 1)
     ON CONFLICT (destination) DO UPDATE SET next_at = ?2, claimed = 1`,
    destination,
    until,
  );
}

function take(sql: SqlStorage, destination: string): OutboxMessage[] {
  return readAll(
    sql,
    messageRow,
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
    storage.sql.exec("DELETE FROM outbox_destinations WHERE destination = ?", destination);
  });
}

function postpone(port: OutboxPort, destination: string): number {
  const { sql } = port.storage;
  const query = "SELECT failures FROM outbox_destinations WHERE destination = ?";
  const known = readFirst(sql, failuresRow, query, destination);
  const failures = (known?.failures ?? 0) + 1;
  const retryAt = port.now() + backoffMs(RETRY_POLICIES.outbox, failures, 0.5 + port.random() / 2);
  port.storage.transactionSync(() => {
    notePressure(sql, destination, 0, port.now());
    sql.exec(
      `INSERT INTO outbox_destinations (destination, failures, next_at, claimed) VALUES (?1, ?2, ?3, 0)
       ON CONFLICT (destination) DO UPDATE SET failures = ?2, next_at = ?3, claimed = 0`,
      destination,
      failures,
      retryAt,
    );
  });
  return retryAt;
}
