// Is D1 what the log says? Every row that a run should have there, beside every row that it has.
import { and, eq, getTableColumns, getTableName, type SQL, sql } from "drizzle-orm";
import type { DrizzleD1Database } from "drizzle-orm/d1";
import { type SQLiteColumn, SQLiteInteger, type SQLiteTable } from "drizzle-orm/sqlite-core";
import { eventRetention } from "../events/tables.ts";
import { joinParts } from "../platform/bodies.ts";
import { sha256Hex } from "../platform/hash.ts";
import { deliveryRows, type ProjectionSource } from "./delivery-rows.ts";
import { agentRows, type BodyRow, bodyOf, bodyRows, cursorRow, eventRows, executionRow, workspaceRow } from "./rows.ts";
import { type RunEvent, runEvent } from "./run/events.ts";
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

export interface RowDifference {
  /** Names of D1's own, so that the row can be looked up there. */
  readonly table: string;
  /** What tells the row from the others of its run. */
  readonly key: string;
  /** Null when the whole row is missing or too much. */
  readonly column: string | null;
  /** As text of at most 200 characters, of bodies only length and SHA-256; null where there is no row or no value. */
  readonly expected: string | null;
  readonly found: string | null;
}

/** A row as D1 stores it, by the names of its columns. */
type StoredRow = Readonly<Record<string, unknown>>;

/** The rows of one table that belong to the run, and how to find them. */
interface Expectation {
  readonly table: SQLiteTable;
  readonly where: SQL | undefined;
  readonly key: SQLiteColumn;
  /** As an index has them, so that reading one run's rows reads no others. */
  readonly order: readonly SQLiteColumn[];
  readonly rows: readonly StoredRow[];
}

const TEXT_CHARACTERS = 200;
const PAGE_ROWS = 200;
/** D1 answers a body as a list of numbers in text, so that a page of bodies takes many times their size. */
const BODY_PAGE_BYTES = 1024 * 1024;

/**
 * Compares every row and column. All of them follow from the log and the journal it is in, processing times and
 * sequence numbers included, so none is left out. `rows` counts the rows that should be there. While D1 has not yet
 * been told of the last events, or is told of more meanwhile, what differs for that reason is reported too. Rejects
 * when D1 does not answer.
 */
export async function compareReadModel(
  db: DrizzleD1Database,
  run: KnownRun,
  events: readonly RunEvent[],
  source: ProjectionSource,
): Promise<{ rows: number; differences: RowDifference[] }> {
  const differences: RowDifference[] = [];
  let rows = 0;
  for (const { table, where, key, order, rows: expected } of expectations(run, events, source)) {
    const found = await readPages(db, table, where, order);
    const known = table === runEvents ? found.map(asReadToday) : found;
    differences.push(...compareRows(table, (row) => String(row[key.name]), expected, known));
    rows += expected.length;
  }
  const ofBodies = await compareBodies(db, run, events, source);
  const expired = await expiredDeliveries(db, run, events);
  return {
    rows: rows + ofBodies.rows,
    differences: [...differences, ...ofBodies.differences].filter((difference) => !isExpired(difference, expired)),
  };
}

/**
 * Ids of the deliveries that D1 need not have any more. Asked last: the limit moves first and only forward, so whatever
 * was deleted before is older.
 */
async function expiredDeliveries(db: DrizzleD1Database, run: KnownRun, events: readonly RunEvent[]) {
  const { workspace } = eventRetention;
  const [limit] = await db.select().from(eventRetention).where(eq(workspace, run.request.workspace));
  const before = limit?.before ?? 0;
  return new Set(
    events.flatMap((event) =>
      event.type === "delivery_recorded" && event.receivedAt < before ? [event.deliveryId] : [],
    ),
  );
}

function isExpired({ table, key, column, found }: RowDifference, expired: ReadonlySet<string>): boolean {
  if (column !== null || found !== null) return false;
  if (table === getTableName(webhookEvents)) return expired.has(key);
  return table === getTableName(bodies) && expired.has(key.slice(0, key.lastIndexOf("/")));
}

function expectations(run: KnownRun, events: readonly RunEvent[], source: ProjectionSource): Expectation[] {
  const cursor = cursorRow(run, events.at(-1)?.seq ?? 0);
  const { workspace } = workspaces;
  const expect = (table: SQLiteTable, where: SQL | undefined, key: SQLiteColumn, rows: readonly StoredRow[]) => ({
    ...{ table, where, key, order: [key], rows: rows.map((row) => stored(table, row)) },
  });
  const deliveries = deliveryRows(run, events, source);
  return [
    expect(workflowExecutions, ofRun(workflowExecutions, run), workflowExecutions.sessionId, [executionRow(run)]),
    expect(agentExecutions, ofRun(agentExecutions, run), agentExecutions.agentId, agentRows(run, events)),
    expect(runEvents, ofRun(runEvents, run), runEvents.seq, eventRows(run, events)),
    {
      ...expect(webhookEvents, ofRun(webhookEvents, run), webhookEvents.deliveryId, deliveries),
      order: [webhookEvents.seq, webhookEvents.deliveryId],
    },
    expect(workspaces, eq(workspace, run.request.workspace), workspace, [workspaceRow(run)]),
    expect(projectionCursor, eq(projectionCursor.source, cursor.source), projectionCursor.source, [cursor]),
  ];
}

function ofRun(table: { readonly workspace: SQLiteColumn; readonly sessionId: SQLiteColumn }, { request }: KnownRun) {
  return and(eq(table.workspace, request.workspace), eq(table.sessionId, request.sessionId));
}

/** What D1 would store of the row: booleans as numbers, lists as JSON. */
function stored(table: SQLiteTable, row: StoredRow): StoredRow {
  const columns = Object.entries(getTableColumns(table)).filter(([, column]) => isOfTheLog(column));
  const value = (name: string, column: SQLiteColumn) =>
    row[name] === null ? null : column.mapToDriverValue(row[name]);
  return Object.fromEntries(columns.map(([name, column]) => [column.name, value(name, column)]));
}

/** Values as D1 has them: one that no longer fits its column is found, and does not stop the reading. */
async function readPages(
  db: DrizzleD1Database,
  table: SQLiteTable,
  where: SQL | undefined,
  order: readonly SQLiteColumn[],
): Promise<StoredRow[]> {
  const columns = Object.values(getTableColumns(table)).map(
    (column) => [column.name, sql<unknown>`${column}`] as const,
  );
  const found: StoredRow[] = [];
  for (;;) {
    const rows = db
      .select(Object.fromEntries(columns))
      .from(table)
      .where(where)
      .orderBy(...order);
    const page: StoredRow[] = await rows.limit(PAGE_ROWS).offset(found.length);
    found.push(...page);
    if (page.length < PAGE_ROWS) return found;
  }
}

/** An event that older code wrote, as today's code reads it; unchanged when it says anything that is not read. */
function asReadToday(row: StoredRow): StoredRow {
  const data = parseJson(row.data);
  if (!isObject(data)) return row;
  const event = runEvent.safeParse({ ...data, seq: row.seq, at: row.at, type: row.type });
  if (!event.success) return row;
  const { seq: _seq, at: _at, type: _type, ...read } = event.data;
  return isPartOf(data, read) ? { ...row, data: JSON.stringify(read) } : row;
}

function compareRows(
  table: SQLiteTable,
  keyOf: (row: StoredRow) => string,
  expected: readonly StoredRow[],
  found: readonly StoredRow[],
): RowDifference[] {
  const name = getTableName(table);
  const left = new Map(found.map((row) => [keyOf(row), row]));
  const differences = expected.flatMap((row): RowDifference[] => {
    const key = keyOf(row);
    const other = left.get(key);
    left.delete(key);
    if (other === undefined) return [{ table: name, key, column: null, expected: asText(row), found: null }];
    return compareColumns(table, row, other).map((difference) => ({ table: name, key, ...difference }));
  });
  const tooMany = [...left].map(([key, row]) => ({
    table: name,
    key,
    column: null,
    expected: null,
    found: asText(row),
  }));
  return [...differences, ...tooMany];
}

function compareColumns(table: SQLiteTable, expected: StoredRow, found: StoredRow) {
  const columns = Object.values(getTableColumns(table)).filter(isOfTheLog);
  return columns.flatMap(({ name, dataType }) => {
    const isJson = dataType === "json" && typeof expected[name] === "string";
    const one = isJson ? parseJson(expected[name]) : expected[name];
    const other = isJson ? parseJson(found[name]) : found[name];
    if (isSameJson(one, other)) return [];
    return [{ column: name, expected: asText(without(one, other)), found: asText(without(other, one)) }];
  });
}

/** D1 numbers some rows by itself. */
function isOfTheLog(column: SQLiteColumn): boolean {
  return !(column instanceof SQLiteInteger && column.autoIncrement);
}

/** Of JSON's members only those that the other does not have in the same way. */
function without(value: unknown, other: unknown): unknown {
  if (!isObject(value) || !isObject(other)) return value;
  return Object.fromEntries(Object.entries(value).filter(([name, member]) => !isSameJson(member, other[name])));
}

/** Whatever order the members are in. */
export function isSameJson(one: unknown, other: unknown): boolean {
  return isPartOf(one, other) && isPartOf(other, one);
}

/** Everything that one JSON value says, the other says too. A member that is undefined is none. */
function isPartOf(part: unknown, whole: unknown): boolean {
  if (Array.isArray(part)) {
    const isSameLength = Array.isArray(whole) && part.length === whole.length;
    return isSameLength && part.every((member, index) => isPartOf(member, whole[index]));
  }
  if (!isObject(part)) return part === whole;
  if (!isObject(whole)) return false;
  const members = Object.entries(part).filter(([, member]) => member !== undefined);
  return members.every(([name, member]) => Object.hasOwn(whole, name) && isPartOf(member, whole[name]));
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** What is no JSON stays as it is. */
function parseJson(text: unknown): unknown {
  if (typeof text !== "string") return text;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function asText(value: unknown): string | null {
  if (value === null || value === undefined) return null;
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return text.length <= TEXT_CHARACTERS ? text : `${text.slice(0, TEXT_CHARACTERS - 1)}…`;
}

/** Part by part with what the journal has, and what the journal has with what the log says of it. */
async function compareBodies(
  db: DrizzleD1Database,
  run: KnownRun,
  events: readonly RunEvent[],
  source: ProjectionSource,
): Promise<{ rows: number; differences: RowDifference[] }> {
  const expected: StoredRow[] = [];
  const unlike: RowDifference[] = [];
  const table = getTableName(bodies);
  const logged = new Map(events.flatMap((event) => bodyOf(event) ?? []).map((body) => [body.bodyId, body]));
  for (const [key, { bytes, sha256 }] of logged) {
    const rows = bodyRows(run, key, source);
    for (const row of rows) expected.push(await storedBody(row));
    const whole = joinParts(rows.map((row) => row.bytes));
    const said = describeBytes(bytes, sha256);
    const kept = describeBytes(whole.length, await sha256Hex(whole));
    if (kept !== said) unlike.push({ table, key, column: "bytes", expected: said, found: `in the journal: ${kept}` });
  }
  const keyOf = (row: StoredRow) => `${row.body_id}/${row.part}`;
  const differences = compareRows(bodies, keyOf, expected, await readBodies(db, run));
  return { rows: expected.length, differences: [...differences, ...unlike] };
}

/** Sizes first, so that no page holds more of bodies than it may. */
async function readBodies(db: DrizzleD1Database, run: KnownRun): Promise<StoredRow[]> {
  const { bodyId, part, bytes } = bodies;
  const where = ofRun(bodies, run);
  const length = sql<number>`length(${bytes})`;
  const sizes = await db.select({ length }).from(bodies).where(where).orderBy(bodyId, part);
  const found: StoredRow[] = [];
  while (found.length < sizes.length) {
    const limit = rowsOfAPage(sizes.slice(found.length, found.length + PAGE_ROWS).map((row) => row.length));
    const rows = db.select().from(bodies).where(where).orderBy(bodyId, part);
    const page = await rows.limit(limit).offset(found.length);
    if (page.length === 0) break;
    for (const row of page) found.push(await storedBody(row));
  }
  return found;
}

function rowsOfAPage(lengths: readonly number[]): number {
  let bytes = 0;
  const firstOver = lengths.findIndex((length) => {
    bytes += length;
    return bytes > BODY_PAGE_BYTES;
  });
  return firstOver === -1 ? lengths.length : Math.max(1, firstOver);
}

/** With what can be said of its bytes in their place. */
async function storedBody(row: BodyRow): Promise<StoredRow> {
  const bytes = new Uint8Array(row.bytes);
  return { ...stored(bodies, row), bytes: describeBytes(bytes.length, await sha256Hex(bytes)) };
}

function describeBytes(length: number, sha256: string): string {
  return `${length} bytes, SHA-256 ${sha256}`;
}
