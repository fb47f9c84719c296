// The deliveries of a run as its log tells of them, with how each was read last.
import type { Reading, RunEvent, Verdict } from "./run/events.ts";

export interface StoredDelivery {
  /** Its place among the run's deliveries; the first is 0. */
  readonly offset: number;
  readonly deliveryId: string;
  readonly remoteId: string | null;
  readonly source: string;
  readonly secret: string;
  readonly receivedAt: number;
  readonly verdict: Verdict;
  /** Null when it was received before readings were kept. */
  readonly reading: readonly Reading[] | null;
  /** How often it has been read: 1 is when it came. */
  readonly readings: number;
}

export function storedDeliveries(events: readonly RunEvent[]): StoredDelivery[] {
  const deliveries = new Map<string, StoredDelivery>();
  for (const event of events) {
    if (event.type === "delivery_recorded") {
      const { deliveryId, remoteId, source, secret, receivedAt, verdict, reading } = event;
      const offset = deliveries.size;
      const facts = { deliveryId, remoteId, source, secret, receivedAt, verdict, reading };
      deliveries.set(deliveryId, { offset, ...facts, readings: 1 });
    }
    const known = event.type === "reprocessed" ? deliveries.get(event.deliveryId) : undefined;
    if (event.type === "reprocessed" && known) {
      const { verdict, reading } = event;
      deliveries.set(event.deliveryId, { ...known, verdict, reading, readings: known.readings + 1 });
    }
  }
  return [...deliveries.values()];
}
