// A page of events from D1, newest first.
import { z } from "zod";
import { batchSql } from "../platform/d1.ts";
import { compareKeys, type Key, type Order, type Position } from "./cursor.ts";
import { type EventFilter, orderOf } from "./filter.ts";
import { type Walk, walksFor } from "./query.ts";

const listedEvent = z.object({
  id: z.number(),
  delivery_id: z.string(),
  session_id: z.string(),
  workflow_id: z.string().nullable(),
  source: z.string(),
  event_type: z.string(),
  sha256: z.string(),
  bytes: z.number(),
  verdict: z.string(),
  reason: z.string().nullable(),
  agent_id: z.string().nullable(),
  summary: z.string(),
  error: z.string().nullable(),
  http_status: z.number(),
  processing_time_ms: z.number(),
  received_at: z.number(),
  seq: z.number(),
});
export type ListedEvent = z.infer<typeof listedEvent>;

export interface EventPage {
  readonly events: readonly ListedEvent[];
  /** Where the next page begins; null when there is none. */
  readonly next: Position | null;
}

/** A page may have fewer events than asked for, even none, and still be followed by another. Rejects without D1. */
export async function listEvents(
  db: D1Database,
  filter: EventFilter,
  after: Position | undefined,
  limit: number,
): Promise<EventPage> {
  const order = orderOf(filter);
  const walks = walksFor(filter, after?.key, limit + 1);
  const found = order === "search" ? await searched(db, walks) : await walked(db, walks);
  return pageOf(order, found, limit);
}

/** What one walk found, newest first, and where it stopped looking; null when it looked at everything. */
export interface Found {
  readonly events: readonly ListedEvent[];
  readonly horizon: number | null;
}

/** The newest of all walks, as far as every one of them has looked. */
export function pageOf(order: Order, found: readonly Found[], limit: number): EventPage {
  const keyOf = (event: ListedEvent) => positionOf(order, event).key;
  // A walk that found more than a page hides nothing from this page.
  const ends = found.flatMap(({ events, horizon }): Key[] =>
    horizon === null || events.length > limit ? [] : [[horizon, 0]],
  );
  const end = ends.toSorted(compareKeys).at(-1);
  const events = found
    .flatMap((one) => one.events)
    .filter((event) => end === undefined || compareKeys(keyOf(event), end) >= 0)
    .toSorted((one, other) => compareKeys(keyOf(other), keyOf(one)));
  const page = events.slice(0, limit);
  const last = page.at(-1);
  if (events.length > limit && last !== undefined) return { events: page, next: { order, key: keyOf(last) } };
  return { events: page, next: end === undefined ? null : { order, key: end } };
}

/** Where the events that come after this one begin. */
export function positionOf(order: Order, event: ListedEvent): Position {
  if (order === "time") return { order, key: [event.received_at, event.id] };
  return { order, key: [order === "owner" ? event.seq : event.id, 0] };
}

const someEvent = z.object({ id: z.number().nullable() });
const horizonRow = z.object({ horizon: z.number().nullable() });

/** In one transaction, so that all of them see the same events. */
async function walked(db: D1Database, walks: readonly Walk[]): Promise<Found[]> {
  const queries = walks.flatMap(({ rows, horizon }) => [rows, ...(horizon === null ? [] : [horizon])]);
  const answers = await batchSql(db, queries);
  return walks.map(({ horizon }, index) => {
    const at = horizon === null ? index : index * 2;
    const events = (answers[at] ?? []).map((row) => listedEvent.parse(row));
    if (horizon === null) return { events, horizon: null };
    return { events, horizon: horizonRow.parse(answers[at + 1]?.[0]).horizon };
  });
}

async function searched(db: D1Database, walks: readonly Walk[]): Promise<Found[]> {
  const [rows = []] = await batchSql(
    db,
    walks.map((walk) => walk.rows),
  );
  const events = rows.flatMap((row) => (someEvent.parse(row).id === null ? [] : [listedEvent.parse(row)]));
  return [{ events, horizon: rows.length === 0 ? null : horizonRow.parse(rows[0]).horizon }];
}
