// Stored deliveries of one run are read again with today's code. What they say differently now is applied, or only
// shown; everything else is left as it is.
import { joinParts } from "../platform/bodies.ts";
import { type Refusal, refuse } from "../platform/refusal.ts";
import type { IncomingDelivery } from "../sync/delivery.ts";
import type { Reprocessing } from "../sync/run/commands.ts";
import type { Reading } from "../sync/run/events.ts";
import { isSameReading, readingOf } from "../sync/run/reading.ts";
import type { StoredDelivery } from "../sync/stored.ts";
import { readDelivery } from "./receive.ts";

/** Deliveries that one request looks at. */
export const PAGE_DELIVERIES = 1_000;
/** Results that one request takes to the session, in bytes; one call to an object holds 32 MiB. */
const CHANGED_BYTES = 24 * 1024 * 1024;

export interface ReplayRange {
  /** Number of the first delivery; that of the run's first one is 0. */
  readonly fromOffset: number;
  /** Also what was ignored or quarantined, and what came before readings were kept. */
  readonly isForced: boolean;
}

export interface ChangedDelivery {
  readonly stored: StoredDelivery;
  /** What it says now. */
  readonly reading: readonly Reading[];
  readonly reprocessing: Reprocessing;
  /** Normalised results of the new reading, under names of their own. */
  readonly results: IncomingDelivery["results"];
}

export interface Examination {
  readonly ok: true;
  /** Every delivery looked at is in exactly one of the five below. */
  readonly examined: number;
  readonly unchanged: number;
  readonly skipped: number;
  readonly notComparable: number;
  /** Today's receiver would refuse them; they stay as they were read. */
  readonly unreadable: readonly { readonly stored: StoredDelivery; readonly why: string }[];
  readonly changed: readonly ChangedDelivery[];
  /** Where the next request goes on; null when all have been looked at. */
  readonly nextOffset: number | null;
}

type Found =
  | { readonly is: "unchanged" | "skipped" | "notComparable" }
  | { readonly is: "unreadable"; readonly why: string }
  | ({ readonly is: "changed" } & ChangedDelivery);

/**
 * Looks at up to 1,000 deliveries of a run, one body at a time, until the results of those that changed come to 24 MiB.
 * `bodyOf` answers a stored body in its parts. Refuses: delivery_expired, for the first one whose body is gone.
 */
export async function examine(
  deliveries: readonly StoredDelivery[],
  bodyOf: (deliveryId: string) => Promise<readonly ArrayBuffer[]>,
  { fromOffset, isForced }: ReplayRange,
): Promise<Examination | Refusal> {
  const counts = { unchanged: 0, skipped: 0, notComparable: 0 };
  const unreadable: { stored: StoredDelivery; why: string }[] = [];
  const changed: ChangedDelivery[] = [];
  const end = fromOffset + PAGE_DELIVERIES;
  let nextOffset = deliveries.length > end ? end : null;
  let examined = 0;
  let changedBytes = 0;
  for (const stored of deliveries.slice(fromOffset, end)) {
    const found = await readAgain(stored, bodyOf, isForced);
    if ("ok" in found) return found;
    if (found.is === "changed") {
      changedBytes += found.results.reduce((total, { bytes }) => total + bytes.length, 0);
      if (changedBytes > CHANGED_BYTES && changed.length > 0) {
        nextOffset = stored.offset;
        break;
      }
      changed.push(found);
    } else if (found.is === "unreadable") unreadable.push({ stored, why: found.why });
    else counts[found.is]++;
    examined++;
  }
  return { ok: true, examined, ...counts, unreadable, changed, nextOffset };
}

async function readAgain(
  stored: StoredDelivery,
  bodyOf: (deliveryId: string) => Promise<readonly ArrayBuffer[]>,
  isForced: boolean,
): Promise<Found | Refusal> {
  const { deliveryId, source, receivedAt, secret, verdict, readings } = stored;
  if (!isForced && (verdict === "ignored" || verdict === "quarantined")) return { is: "skipped" };
  if (!isForced && stored.reading === null) return { is: "notComparable" };
  const parts = await bodyOf(deliveryId);
  if (parts.length === 0) return expired(stored);
  // Named after this reading, so that its results stand beside those of earlier ones.
  const receipt = { deliveryId: `${deliveryId}.r${readings + 1}`, source, receivedAt, secret };
  const read = await readDelivery(joinParts(parts), receipt);
  if (!read.ok) return { is: "unreadable", why: read.detail ?? read.code };
  const { reports, results, delivery } = read.incoming;
  const reading = readingOf(reports);
  if (stored.reading !== null && isSameReading(stored.reading, reading)) return { is: "unchanged" };
  const reprocessing: Reprocessing = { deliveryId, remoteId: delivery.remoteId, was: verdict, reports };
  return { is: "changed", stored, reading, reprocessing, results };
}

function expired({ deliveryId, offset, receivedAt }: StoredDelivery): Refusal {
  const received = new Date(receivedAt).toISOString();
  return refuse("delivery_expired", {
    detail: `The body of delivery ${deliveryId}, number ${offset}, received ${received}, is no longer kept.`,
    members: { delivery_id: deliveryId, offset, received_at: received },
  });
}
