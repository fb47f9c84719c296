// What became of every delivery an object was given, counted in the transaction in which it happened. A second account
// beside the log and the receipts: when all three agree, nothing was lost.
import { z } from "zod";
import { readAll } from "./sql.ts";

export const LEDGER_TABLE = "CREATE TABLE ledger (entry TEXT PRIMARY KEY, n INTEGER NOT NULL)";

export const LEDGER_OUTCOMES = ["processed", "duplicate", "late", "ignored", "quarantined"] as const;
/** A conflict is a delivery that shares its key with another body; it is counted under what became of it as well. */
export type LedgerEntry = keyof Ledger | "conflict";
export type Ledger = Readonly<Record<"received" | (typeof LEDGER_OUTCOMES)[number], number>>;

const entryRow = z.object({ entry: z.string(), n: z.number() });

export const EMPTY_LEDGER: Ledger = {
  received: 0,
  processed: 0,
  duplicate: 0,
  late: 0,
  ignored: 0,
  quarantined: 0,
};

/** Call inside the transaction in which it happens. */
export function countInLedger(sql: SqlStorage, entries: Partial<Record<LedgerEntry, number>>): void {
  const counted = Object.entries(entries).filter(([, n]) => n !== 0);
  if (counted.length === 0) return;
  const rows = counted.map(() => "(?, ?)").join(", ");
  sql.exec(
    `INSERT INTO ledger (entry, n) VALUES ${rows} ON CONFLICT (entry) DO UPDATE SET n = n + excluded.n`,
    ...counted.flat(),
  );
}

export function readLedger(sql: SqlStorage): Ledger {
  const { conflict: _conflict, ...ledger } = readEntries(sql);
  return ledger;
}

/** Deliveries that shared their key with another body. */
export function readConflicts(sql: SqlStorage): number {
  return readEntries(sql).conflict;
}

function readEntries(sql: SqlStorage): Readonly<Record<LedgerEntry, number>> {
  const counted = readAll(sql, entryRow, "SELECT entry, n FROM ledger").map(({ entry, n }) => [entry, n]);
  return { ...EMPTY_LEDGER, conflict: 0, ...Object.fromEntries(counted) };
}

/** Deliveries of which nobody can say what became of them; negative when one was counted twice. */
export function unaccounted(ledger: Ledger): number {
  return LEDGER_OUTCOMES.reduce((left, outcome) => left - ledger[outcome], ledger.received);
}
