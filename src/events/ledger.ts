// The proof of no loss: accounts of the same deliveries, kept in different places, held against each other. Pure.
import { EMPTY_LEDGER, type Ledger, unaccounted } from "../platform/ledger.ts";
import type { LoggedDelivery, SessionAccount } from "../sync/account.ts";
import type { Verdict } from "../sync/run/events.ts";

/** A delivery as D1 has it. */
export interface StoredRow {
  readonly deliveryId: string;
  readonly verdict: string;
  readonly verdictSeq: number;
}

/** What D1 has of one owner. */
export interface StoredAccount {
  readonly rows: readonly StoredRow[];
  /** What its counters say; undefined when they were never told anything. */
  readonly ledger: (Ledger & { readonly expired: number }) | undefined;
  /** Deliveries received before this time may have been deleted, in ms since the epoch. */
  readonly expiredBefore: number;
}

/** Some of the ids, and how many there are. */
export interface Named {
  readonly total: number;
  readonly deliveryIds: readonly string[];
}

export interface RunAccount {
  readonly addsUp: boolean;
  readonly counters: Ledger;
  /** The same from the receipts and the log. */
  readonly journal: Ledger;
  /** Deliveries received that no counter knows the outcome of; negative when one has several. */
  readonly unaccounted: number;
  readonly rows: Readonly<Record<Verdict, number>>;
  readonly countersInD1: StoredAccount["ledger"] | null;
  readonly expired: number;
  readonly missing: {
    /** In the log or in D1, without a receipt in the journal. */
    readonly receipts: Named;
    /** Received, without an event that says what became of it. */
    readonly log: Named;
    /** In the log, not in D1, though D1 has confirmed it. */
    readonly d1: Named;
  };
  /** In D1, but in nobody's log. */
  readonly unknown: Named;
  /** Read differently in D1 than in the log. */
  readonly differing: Named;
  /** What D1 has simply not been told yet. */
  readonly pending: { readonly deliveries: number; readonly readings: number; readonly arrivals: number };
}

const IDS_NAMED = 50;

export function accountOfRun(session: SessionAccount, stored: StoredAccount): RunAccount {
  const { ledger: counters, receipts, deliveries, untoldFrom, uncounted } = session;
  const isUntold = (seq: number) => untoldFrom !== null && seq >= untoldFrom;
  const receipted = new Set(receipts.map(({ deliveryId }) => deliveryId));
  const logged = new Map(deliveries.map((delivery) => [delivery.deliveryId, delivery]));
  const inD1 = new Map(stored.rows.map((row) => [row.deliveryId, row]));
  const absent = deliveries.filter(({ deliveryId }) => !inD1.has(deliveryId));
  const told = absent.filter(({ seq }) => !isUntold(seq));
  const expired = told.filter(({ receivedAt }) => receivedAt < stored.expiredBefore);
  const journal = journalLedger(session);
  const isRead = ({ deliveryId, verdictSeq }: LoggedDelivery) => !isUntold(verdictSeq) || !inD1.has(deliveryId);
  const missing = {
    receipts: named([...new Set([...logged.keys(), ...inD1.keys()])].filter((id) => !receipted.has(id))),
    log: named([...receipted].filter((id) => !logged.has(id))),
    d1: named(told.filter((delivery) => !expired.includes(delivery)).map(({ deliveryId }) => deliveryId)),
  };
  const unknown = named([...inD1.keys()].filter((id) => !logged.has(id)));
  const differing = named(deliveries.filter((one) => isRead(one) && differs(one, inD1)).map((one) => one.deliveryId));
  const isCounted = uncounted > 0 || agreesWithD1(counters, stored.ledger);
  const found = [missing.receipts, missing.log, missing.d1, unknown, differing];
  return {
    addsUp:
      unaccounted(counters) === 0 &&
      isSameLedger(counters, journal) &&
      isCounted &&
      found.every(({ total }) => total === 0),
    ...{ counters, journal, unaccounted: unaccounted(counters), missing, unknown, differing },
    rows: byVerdict(stored.rows),
    countersInD1: stored.ledger ?? null,
    expired: expired.length,
    pending: {
      deliveries: absent.length - told.length,
      readings: deliveries.filter((one) => !isRead(one)).length,
      arrivals: uncounted,
    },
  };
}

/** What an inbox says, held against its rows in D1 where those were counted. */
export function addsUpForInbox(
  { ledger, waiting }: { readonly ledger: Ledger; readonly waiting: number },
  stored: { readonly rows: number; readonly expired: number } | undefined,
): boolean {
  if (unaccounted(ledger) !== 0) return false;
  const kept = ledger.received - ledger.duplicate;
  return stored === undefined || waiting > 0 || stored.rows + stored.expired === kept;
}

export function sumOf(ledgers: readonly Ledger[]): Ledger {
  return ledgers.reduce(
    (sum, one) => ({
      received: sum.received + one.received,
      processed: sum.processed + one.processed,
      duplicate: sum.duplicate + one.duplicate,
      late: sum.late + one.late,
      ignored: sum.ignored + one.ignored,
      quarantined: sum.quarantined + one.quarantined,
    }),
    EMPTY_LEDGER,
  );
}

function journalLedger({ receipts, deliveries }: SessionAccount): Ledger {
  const duplicate = receipts.reduce((sum, { repeats }) => sum + repeats, 0);
  return { received: receipts.length + duplicate, duplicate, ...byVerdict(deliveries) };
}

function byVerdict(rows: readonly { readonly verdict: string }[]): Readonly<Record<Verdict, number>> {
  const count = (verdict: Verdict) => rows.filter((row) => row.verdict === verdict).length;
  return {
    processed: count("processed"),
    late: count("late"),
    ignored: count("ignored"),
    quarantined: count("quarantined"),
  };
}

/** A row that a later reading has changed meanwhile says nothing against the log as it was looked at. */
function differs({ deliveryId, verdict, verdictSeq }: LoggedDelivery, inD1: ReadonlyMap<string, StoredRow>): boolean {
  const row = inD1.get(deliveryId);
  return row !== undefined && row.verdictSeq <= verdictSeq && row.verdict !== verdict;
}

/** D1 may have heard of more since; it can never have heard of less. */
function agreesWithD1(counters: Ledger, inD1: Ledger | undefined): boolean {
  if (inD1 === undefined) return counters.received === 0;
  return inD1.received > counters.received || isSameLedger(counters, inD1);
}

function isSameLedger(one: Ledger, other: Ledger): boolean {
  const { received, processed, duplicate, late, ignored, quarantined } = one;
  return (
    received === other.received &&
    processed === other.processed &&
    duplicate === other.duplicate &&
    late === other.late &&
    ignored === other.ignored &&
    quarantined === other.quarantined
  );
}

function named(ids: readonly string[]): Named {
  return { total: ids.length, deliveryIds: ids.slice(0, IDS_NAMED) };
}
