// What a session says became of the deliveries it was given, from two sides: its counters, and its receipts with its log.
import type { Ledger } from "../platform/ledger.ts";
import type { Pressure } from "../platform/pressure.ts";
import type { Verdict } from "./run/events.ts";

/** A delivery as the log has it. */
export interface LoggedDelivery {
  readonly deliveryId: string;
  /** How it was read last. */
  readonly verdict: Verdict;
  readonly receivedAt: number;
  /** The event that recorded it, and the one that decided its verdict. */
  readonly seq: number;
  readonly verdictSeq: number;
}

export interface SessionAccount {
  readonly ledger: Ledger;
  readonly receipts: readonly { readonly deliveryId: string; readonly repeats: number }[];
  readonly deliveries: readonly LoggedDelivery[];
  readonly lastSeq: number;
  /** D1 has confirmed every event before this one; null when it has confirmed all. */
  readonly untoldFrom: number | null;
  /** Arrivals that are not in D1's counters yet. */
  readonly uncounted: number;
  readonly pressure: readonly Pressure[];
}

/** One recording or later reading of a delivery. */
export interface LoggedVerdict {
  readonly seq: number;
  readonly deliveryId: string;
  readonly verdict: Verdict;
  /** Null for a later reading. */
  readonly receivedAt: number | null;
}

/** In the order of the log. A reading of what was never recorded is no delivery. */
export function foldVerdicts(verdicts: readonly LoggedVerdict[]): LoggedDelivery[] {
  const deliveries = new Map<string, LoggedDelivery>();
  for (const { deliveryId, verdict, receivedAt, seq } of verdicts) {
    const known = deliveries.get(deliveryId);
    if (receivedAt !== null) deliveries.set(deliveryId, { deliveryId, verdict, receivedAt, seq, verdictSeq: seq });
    else if (known) deliveries.set(deliveryId, { ...known, verdict, verdictSeq: seq });
  }
  return [...deliveries.values()];
}
