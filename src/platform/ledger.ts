// What became of every delivery an object was given, counted in the transaction in which it happened. A second account
// beside the log and the receipts: when all three agree, nothing was lost.
import { z } from "zod";
import { readAll } from "./sql.ts";

export const LEDGER_TABLE = "CREATE TABLE ledger (entry TEXT PRIMARY KEY, n INTEGER NOT NULL)";

export const LEDGER_OUTCOMES = ["processed", "duplicate", "late", "ignored", "quarantined"] as const;
export type LedgerEntry = "received" | (typeof LEDGER_OUTCOMES)[number];
export type Ledger = Readonly<Record<LedgerEntry, number>>;

export const EMPTY_LEDGER: Ledger = { received: 0, processed: 0, duplicate: 0, late: 0, ignored: 0, quarantined: 0 };

/** Call inside the transaction in which it happens. */
export function countInLedger(sql: SqlStorage, entries: Partial<Record<LedgerEntry, number>>): void {
  for (const [entry, n] of Object.entries(entries)) {
    if (n !== 0)
      sql.exec("INSERT INTO ledger (entry, n) VALUES (?1, ?2) ON CONFLICT (entry) DO UPDATE SET n = n + ?2", entry, n);
  }
}

export function readLedger(sql: SqlStorage): Ledger {
  const row = z.object({ entry: z.string(), n: z.number() });
  const counted = Object.fromEntries(
    readAll(sql, row, "SELECT entry, n FROM ledger").map(({ entry, n }) => [entry, n]),
  );
  return { ...EMPTY_LEDGER, ...counted };
}

/** Deliveries of which nobody can say what became of them; negative when one was counted twice. */
export function unaccounted(ledger: Ledger): number {
  return LEDGER_OUTCOMES.reduce((left, outcome) => left - ledger[outcome], ledger.received);
}
