// The proof of no loss, in the API's words. Pure.
import { iso } from "../platform/iso.ts";
import { type Ledger, unaccounted } from "../platform/ledger.ts";
import type { Pressure } from "../platform/pressure.ts";
import type { Named, RunAccount } from "./ledger.ts";
import type { InboxSays, WorkspaceLedger } from "./ledger-total.ts";

/** `received = processed + duplicate + late + held + ignored + quarantined`, or `unaccounted` says by how much not. */
export function runAccountAnswer(sessionId: string, account: RunAccount, held: number) {
  const { counters, journal, rows, countersInD1, missing, unknown, differing } = account;
  return {
    session_id: sessionId,
    adds_up: account.addsUp,
    ...counters,
    received: counters.received + held,
    held,
    unaccounted: account.unaccounted,
    accounts: {
      counters,
      journal,
      d1: { rows, expired: account.expired, counters: countersInD1 && countersAnswer(countersInD1) },
    },
    missing: {
      in_journal: namedAnswer(missing.receipts),
      in_log: namedAnswer(missing.log),
      in_d1: namedAnswer(missing.d1),
    },
    unknown_in_d1: namedAnswer(unknown),
    read_differently_in_d1: namedAnswer(differing),
    pending: account.pending,
  };
}

export function totalAnswer(ledger: WorkspaceLedger, rejections: readonly { readonly atLeast: number }[]) {
  const { counted, held } = ledger;
  const heldBack = held.count + held.repeats;
  const isBalanced = ledger.unaccounted === 0 && ledger.unbalanced.length === 0;
  return {
    adds_up: isBalanced && ledger.inboxes.every(({ addsUp }) => addsUp),
    ...counted,
    received: counted.received + heldBack,
    held: heldBack,
    held_deliveries: held.count,
    held_repeats: held.repeats,
    unaccounted: ledger.unaccounted,
    /** Never stored and never authenticated as deliveries, so they are no part of the sum. */
    rejected: { at_least: rejections.reduce((sum, { atLeast }) => sum + atLeast, 0) },
    owners_that_do_not_add_up: ledger.unbalanced,
    counted_from_d1: ledger.settled,
    counted_live: ledger.asked,
    partial: ledger.isPartial,
    inboxes: ledger.inboxes.map(inboxAnswer),
  };
}

function inboxAnswer({ owner, ledger, waiting, rows, expired, addsUp }: InboxSays) {
  const counts = { ...ledger, unaccounted: unaccounted(ledger) };
  return { inbox: owner, adds_up: addsUp, ...counts, rows_in_d1: rows, expired, pending: waiting };
}

/** How an outbox digests what it is given. */
export function pressureAnswer({ destination, waiting, oldestWaitingMs, burst }: Pressure) {
  return {
    destination,
    waiting,
    oldest_waiting_ms: oldestWaitingMs,
    last_burst: burst && {
      since: iso(burst.since),
      peak: burst.peak,
      drained_at: iso(burst.drainedAt),
      drain_ms: burst.drainMs,
    },
  };
}

function countersAnswer({ expired, ...ledger }: Ledger & { readonly expired: number }) {
  const { received, processed, duplicate, late, ignored, quarantined } = ledger;
  return { received, processed, duplicate, late, ignored, quarantined, expired };
}

function namedAnswer({ total, deliveryIds }: Named) {
  return { total, delivery_ids: deliveryIds };
}
