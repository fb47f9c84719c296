// How an outbox digests a burst: how much waits, how much waited at most, and how long it took until nothing did. Kept
// only while more waits than one delivery takes, and written with the delivery, so that single messages cost nothing.
import { z } from "zod";
import { readAll, readFirst } from "./sql.ts";

/** For objects whose outbox is older than this; a new object makes them after `OUTBOX_TABLES`. */
export const PRESSURE_TABLES = [
  // Of what was waiting already nobody wrote down since when.
  `ALTER TABLE outbox ADD COLUMN at INTEGER NOT NULL DEFAULT 0`,
  `CREATE TABLE outbox_pressure (
     destination TEXT PRIMARY KEY, since INTEGER NOT NULL, counted_to INTEGER NOT NULL, depth INTEGER NOT NULL,
     peak INTEGER NOT NULL, drained_at INTEGER
   )`,
] as const;

/** This many messages waiting for one destination are a burst. */
export const BURST_MESSAGES = 100;
/** Destinations that are reported; a workspace has one for each session it ever talked to. */
const DESTINATIONS_SHOWN = 20;

/** Times in ms since the epoch, durations in ms. */
export interface Pressure {
  readonly destination: string;
  readonly waiting: number;
  /** How long the first of them has waited; null when none does, or nobody knows. */
  readonly oldestWaitingMs: number | null;
  /** The burst under way, or else the last one; null when there never was one. */
  readonly burst: {
    readonly since: number;
    readonly peak: number;
    readonly drainedAt: number | null;
    readonly drainMs: number | null;
  } | null;
}

const burstRow = z.object({
  destination: z.string(),
  since: z.number(),
  counted_to: z.number(),
  depth: z.number(),
  peak: z.number(),
  drained_at: z.number().nullable(),
});
type BurstRow = z.infer<typeof burstRow>;

const count = z.object({ n: z.number() });
const idRow = z.object({ id: z.number().nullable() });
const timeRow = z.object({ at: z.number() });
const destinationRow = z.object({ destination: z.string() });

/**
 * Call in the transaction that ends a try to deliver, before what the destination took (the first `taken`) is deleted.
 * Every message of a burst is counted once, when the first try after its arrival ends.
 */
export function notePressure(sql: SqlStorage, destination: string, taken: number, now: number): void {
  const last = burstOf(sql, destination);
  const current = last?.drained_at === null ? last : undefined;
  if (current === undefined && !isFull(sql, destination)) return;
  const before = depthOf(sql, destination, current);
  const depth = before - taken;
  sql.exec(
    `INSERT INTO outbox_pressure (destination, since, counted_to, depth, peak, drained_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
     ON CONFLICT (destination) DO UPDATE SET since = ?2, counted_to = ?3, depth = ?4, peak = ?5, drained_at = ?6`,
    destination,
    current?.since ?? oldestOf(sql, destination) ?? now,
    lastId(sql, destination) ?? current?.counted_to ?? 0,
    depth,
    Math.max(current?.peak ?? 0, before),
    depth > 0 ? null : now,
  );
}

/** Everything that waits and the bursts there were, those under way and the newest first. */
export function pressureOf(sql: SqlStorage, now: number): Pressure[] {
  const query = `SELECT d.destination FROM (SELECT DISTINCT destination FROM outbox UNION SELECT destination FROM outbox_pressure) d
                 LEFT JOIN outbox_pressure p ON p.destination = d.destination
                 ORDER BY p.drained_at IS NOT NULL, p.drained_at DESC, d.destination LIMIT ?`;
  return readAll(sql, destinationRow, query, DESTINATIONS_SHOWN).map(({ destination }) => {
    const burst = burstOf(sql, destination);
    const oldest = oldestOf(sql, destination);
    return {
      destination,
      waiting: depthOf(sql, destination, burst?.drained_at === null ? burst : undefined),
      oldestWaitingMs: oldest === undefined ? null : Math.max(0, now - oldest),
      burst: burst === undefined ? null : shownBurst(burst),
    };
  });
}

function shownBurst({ since, peak, drained_at: drainedAt }: BurstRow) {
  return { since, peak, drainedAt, drainMs: drainedAt === null ? null : drainedAt - since };
}

function burstOf(sql: SqlStorage, destination: string): BurstRow | undefined {
  const query = `SELECT destination, since, counted_to, depth, peak, drained_at FROM outbox_pressure WHERE destination = ?`;
  return readFirst(sql, burstRow, query, destination);
}

/** Ids are shared by all destinations, so they tell who came later, not how many. */
function depthOf(sql: SqlStorage, destination: string, burst: BurstRow | undefined): number {
  const query = "SELECT count(*) AS n FROM outbox WHERE destination = ? AND id > ?";
  const arrived = readFirst(sql, count, query, destination, burst?.counted_to ?? 0)?.n ?? 0;
  return (burst?.depth ?? 0) + arrived;
}

function isFull(sql: SqlStorage, destination: string): boolean {
  const query = "SELECT 1 AS n FROM outbox WHERE destination = ? ORDER BY id LIMIT 1 OFFSET ?";
  return readFirst(sql, count, query, destination, BURST_MESSAGES - 1) !== undefined;
}

function lastId(sql: SqlStorage, destination: string): number | undefined {
  return readFirst(sql, idRow, "SELECT MAX(id) AS id FROM outbox WHERE destination = ?", destination)?.id ?? undefined;
}

/** When the first message that waits was written; undefined when none does, or nobody knows. */
function oldestOf(sql: SqlStorage, destination: string): number | undefined {
  const found = readFirst(sql, timeRow, "SELECT at FROM outbox WHERE destination = ? ORDER BY id LIMIT 1", destination);
  return found && found.at > 0 ? found.at : undefined;
}
