// What D1 has of deliveries, by owner: for holding it against what the owners say. All of it rejects when D1 does not answer.
import { and, count, eq, inArray, lte, sql } from "drizzle-orm";
import type { DrizzleD1Database } from "drizzle-orm/d1";
import type { SQLiteColumn } from "drizzle-orm/sqlite-core";
import { EMPTY_LEDGER, type Ledger } from "../platform/ledger.ts";
import { webhookEvents, workflowExecutions } from "../sync/tables.ts";
import type { StoredAccount, StoredRow } from "./ledger.ts";
import { deliveryLedger, eventRetention } from "./tables.ts";

const PAGE_ROWS = 5_000;
/** D1 allows 100 bound parameters a statement. */
const OWNERS_AT_ONCE = 90;
const OWNERS_NAMED = 50;

export type StoredLedger = Ledger & { readonly owner: string; readonly expired: number };

/** One owner's rows up to an event, read after its own account, so that what is missing here was never written. */
export async function storedAccount(
  db: DrizzleD1Database,
  workspace: string,
  owner: string,
  lastSeq: number,
): Promise<StoredAccount> {
  const rows: StoredRow[] = [];
  const { deliveryId, verdict, verdictSeq, sessionId, seq } = webhookEvents;
  const isOwners = and(eq(webhookEvents.workspace, workspace), eq(sessionId, owner), lte(seq, lastSeq));
  for (;;) {
    const page = await db
      .select({ deliveryId, verdict, verdictSeq })
      .from(webhookEvents)
      .where(isOwners)
      .orderBy(seq, deliveryId)
      .limit(PAGE_ROWS)
      .offset(rows.length);
    rows.push(...page);
    if (page.length < PAGE_ROWS) break;
  }
  const [ledgers, expiredBefore] = await Promise.all([
    storedLedgers(db, workspace, [owner]),
    // After the rows: what was deleted before they were read is older than this.
    expiredBeforeIn(db, workspace),
  ]);
  return { rows, ledger: ledgers[0], expiredBefore };
}

export async function storedLedgers(
  db: DrizzleD1Database,
  workspace: string,
  owners: readonly string[],
): Promise<StoredLedger[]> {
  const isOf = (some: readonly string[]) =>
    and(eq(deliveryLedger.workspace, workspace), inArray(deliveryLedger.owner, [...some]));
  return (await Promise.all(chunks(owners).map((some) => db.select().from(deliveryLedger).where(isOf(some))))).flat();
}

/** What the counters of all owners but these say, and those of them that do not add up by themselves. */
export async function storedTotal(
  db: DrizzleD1Database,
  workspace: string,
  except: readonly string[],
): Promise<{ readonly total: Ledger; readonly owners: number; readonly unbalanced: readonly string[] }> {
  const { received, processed, duplicate, late, ignored, quarantined, owner } = deliveryLedger;
  const isOther = sql`${owner} NOT IN (SELECT value FROM json_each(${JSON.stringify(except)}))`;
  const isMeant = and(eq(deliveryLedger.workspace, workspace), isOther);
  const outcomes = sql`${processed} + ${duplicate} + ${late} + ${ignored} + ${quarantined}`;
  const all = (column: SQLiteColumn) => sql<number>`coalesce(sum(${column}), 0)`;
  const [[found], unbalanced] = await db.batch([
    db
      .select({
        owners: count(),
        received: all(received),
        processed: all(processed),
        duplicate: all(duplicate),
        late: all(late),
        ignored: all(ignored),
        quarantined: all(quarantined),
      })
      .from(deliveryLedger)
      .where(isMeant),
    db
      .select({ owner })
      .from(deliveryLedger)
      .where(and(isMeant, sql`${received} <> ${outcomes}`))
      .limit(OWNERS_NAMED),
  ]);
  const { owners, ...total } = found ?? { owners: 0, ...EMPTY_LEDGER };
  return { owners, total, unbalanced: unbalanced.map((row) => row.owner) };
}

/** How many rows each owner has in the event store; owners without any are not in it. */
export async function storedRowCounts(
  db: DrizzleD1Database,
  workspace: string,
  owners: readonly string[],
): Promise<ReadonlyMap<string, number>> {
  const { sessionId } = webhookEvents;
  const found = await Promise.all(
    chunks(owners).map((some) =>
      db
        .select({ owner: sessionId, rows: count() })
        .from(webhookEvents)
        .where(and(eq(webhookEvents.workspace, workspace), inArray(sessionId, [...some])))
        .groupBy(sessionId),
    ),
  );
  return new Map(found.flat().map(({ owner, rows }) => [owner, rows]));
}

/** Of these runs, those that D1 has a row for. */
export async function storedRuns(
  db: DrizzleD1Database,
  workspace: string,
  sessionIds: readonly string[],
): Promise<ReadonlySet<string>> {
  const { sessionId } = workflowExecutions;
  const isOurs = eq(workflowExecutions.workspace, workspace);
  const found = await Promise.all(
    chunks(sessionIds).map((some) =>
      db
        .select({ sessionId })
        .from(workflowExecutions)
        .where(and(isOurs, inArray(sessionId, [...some]))),
    ),
  );
  return new Set(found.flat().map((row) => row.sessionId));
}

async function expiredBeforeIn(db: DrizzleD1Database, workspace: string): Promise<number> {
  const rows = await db.select().from(eventRetention).where(eq(eventRetention.workspace, workspace));
  return rows[0]?.before ?? 0;
}

function chunks<Value>(values: readonly Value[]): Value[][] {
  const all: Value[][] = [];
  for (let first = 0; first < values.length; first += OWNERS_AT_ONCE)
    all.push(values.slice(first, first + OWNERS_AT_ONCE));
  return all;
}
