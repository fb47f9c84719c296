// Outbox > D1. Every statement is guarded by sequence or by key, so a batch written twice or late changes nothing.
import { and, eq, getTableColumns, lt, type SQL, sql } from "drizzle-orm";
import type { DrizzleD1Database } from "drizzle-orm/d1";
import type { SQLiteColumn, SQLiteTable } from "drizzle-orm/sqlite-core";
import { batch, batchBySize, inChunks, type Statement } from "../platform/d1.ts";
import type { OutboxMessage } from "../platform/outbox.ts";
import { deliveryRows, type ProjectionSource, readAgain } from "./delivery-rows.ts";
import { agentRows, bodyOf, bodyRows, cursorRow, eventRows, executionRow, workspaceRow } from "./rows.ts";
import type { RunEvent } from "./run/events.ts";
import type { KnownRun } from "./run/state.ts";
import {
  agentExecutions,
  bodies,
  projectionCursor,
  runEvents,
  webhookEvents,
  workflowExecutions,
  workspaces,
} from "./tables.ts";

/** Bytes of bodies written to D1 in one go; more wait for the next, so that a delivery ends in time. */
const BODY_BUDGET_BYTES = 16 * 1024 * 1024;

/** The first events, at least one, whose bodies fit into one go. */
export function withinBudget(events: readonly RunEvent[]): readonly RunEvent[] {
  let bytes = 0;
  const firstOver = events.findIndex((event) => {
    bytes += bodyOf(event)?.bytes ?? 0;
    return bytes > BODY_BUDGET_BYTES;
  });
  return firstOver === -1 ? events : events.slice(0, Math.max(1, firstOver));
}

/** A message to D1: the events of one change, first and last. An older version wrote one number for one event. */
export function spanOf(first: number, last: number): string {
  return `${first}-${last}`;
}

export function readSpan(message: string): { readonly first: number; readonly last: number } {
  const [first = "0", last = first] = message.split("-");
  return { first: Number(first), last: Number(last) };
}

/** The events of the first messages, at least one, that fit into one go, and how many messages they are. */
export function nextSpans(
  messages: readonly OutboxMessage[],
  eventsAfter: (seq: number, limit: number) => readonly RunEvent[],
): { readonly events: readonly RunEvent[]; readonly taken: number } {
  const spans = messages.map(({ message }) => readSpan(message));
  const before = (spans[0]?.first ?? 1) - 1;
  const events = eventsAfter(before, (spans.at(-1)?.last ?? 0) - before);
  const fitting = withinBudget(events).at(-1)?.seq ?? 0;
  const taken = Math.max(1, spans.filter(({ last }) => last <= fitting).length);
  const upTo = spans[taken - 1]?.last ?? 0;
  return { events: events.filter(({ seq }) => seq <= upTo), taken };
}

/**
 * Writes the events, what they brought with them and the run as it is now. Events arrive in the log's order, any of
 * them more than once. Rejects when D1 does not take it.
 */
export async function project(
  db: DrizzleD1Database,
  run: KnownRun,
  events: readonly RunEvent[],
  source: ProjectionSource,
): Promise<void> {
  const smallBodies = await batchBySize(db, bodyStatements(db, run, events, source));
  const statements: Statement[] = [
    ...smallBodies,
    upsert(db, workflowExecutions, [executionRow(run)], ["workspace", "sessionId"]),
    ...inChunks(agentRows(run, events)).map((rows) =>
      upsert(db, agentExecutions, rows, ["workspace", "sessionId", "agentId"]),
    ),
    db.insert(workspaces).values(workspaceRow(run)).onConflictDoNothing(),
    ...inChunks(eventRows(run, events)).map((rows) => db.insert(runEvents).values(rows).onConflictDoNothing()),
    ...inChunks(deliveryRows(run, events, source)).map((rows) =>
      db.insert(webhookEvents).values(rows).onConflictDoNothing(),
    ),
    ...updateReadings(db, run, events),
    upsert(db, projectionCursor, [cursorRow(run, events.at(-1)?.seq ?? 0)], ["source"]),
  ];
  await batch(db, statements);
}

function* bodyStatements(db: DrizzleD1Database, run: KnownRun, events: readonly RunEvent[], source: ProjectionSource) {
  for (const bodyId of new Set(events.flatMap((event) => bodyOf(event)?.bodyId ?? []))) {
    for (const row of bodyRows(run, bodyId, source)) {
      yield { statement: db.insert(bodies).values(row).onConflictDoNothing(), bytes: row.bytes.byteLength };
    }
  }
}

/** Of a delivery that was read again, only what the reading says changes; how it was first answered stays. */
function updateReadings(db: DrizzleD1Database, run: KnownRun, events: readonly RunEvent[]): Statement[] {
  const { workspace, deliveryId, verdictSeq } = webhookEvents;
  return [...readAgain(events)].map(([id, reading]) =>
    db
      .update(webhookEvents)
      .set(reading)
      .where(and(eq(workspace, run.request.workspace), eq(deliveryId, id), lt(verdictSeq, reading.verdictSeq))),
  );
}

/**
 * Inserts rows, or replaces those that are not of a newer sequence number. One of the same number is replaced, so that
 * writing a log again brings rows up to date that older code wrote.
 */
function upsert<Table extends SQLiteTable & { seq: SQLiteColumn }>(
  db: DrizzleD1Database,
  table: Table,
  rows: Table["$inferInsert"][],
  key: readonly (keyof Table["$inferInsert"] & string)[],
): Statement {
  const columns: Record<string, SQLiteColumn> = getTableColumns(table);
  const set: Record<string, SQL> = {};
  const target: SQLiteColumn[] = [];
  for (const [name, column] of Object.entries(columns)) {
    if (key.includes(name)) target.push(column);
    else set[name] = sql`excluded.${sql.identifier(column.name)}`;
  }
  const setWhere = sql`excluded.${sql.identifier(table.seq.name)} >= ${table.seq}`;
  return db.insert(table).values(rows).onConflictDoUpdate({ target, set, setWhere });
}
