// Deliveries reach their run, several at once: each is kept, decided on by itself and counted; the log is written once.
import type { Tally } from "../events/tally.ts";
import type { LedgerEntry } from "../platform/ledger.ts";
import type { DeliveryOutcome, IncomingDelivery } from "./delivery.ts";
import type { Journal } from "./journal.ts";
import { decide } from "./run/decide.ts";
import type { RunEvent, Verdict } from "./run/events.ts";
import type { Run } from "./run/state.ts";

export interface Intake {
  /** One for each delivery. */
  readonly outcomes: readonly DeliveryOutcome[];
  readonly events: readonly RunEvent[];
  readonly run: Run;
  readonly tallies: readonly Tally[];
}

/** Call inside a transaction, and append the events there. */
export function recordDeliveries(
  journal: Journal,
  before: Run,
  deliveries: readonly IncomingDelivery[],
  now: number,
): Intake {
  let run = before;
  const events: RunEvent[] = [];
  const tallies: Tally[] = [];
  const counts = new Map<LedgerEntry, number>();
  const count = (entry: LedgerEntry, n: number) => counts.set(entry, (counts.get(entry) ?? 0) + n);
  const became = (incoming: IncomingDelivery, outcome: Verdict | "duplicate", n: number) => {
    if (n === 0) return;
    count("received", n);
    count(outcome, n);
    tallies.push(tallyOf(incoming, outcome, n, now));
  };

  const outcomes = deliveries.map((incoming): DeliveryOutcome => {
    const { first, isConflict } = journal.repeat(incoming);
    if (first !== undefined) {
      became(incoming, "duplicate", first.added);
      return { outcome: "duplicate", deliveryId: first.deliveryId };
    }
    const { delivery, reports } = incoming;
    const decision = decide(run, { type: "deliver", delivery, reports }, now);
    if (!decision.ok) return { outcome: "unknown" };
    journal.keep(incoming);
    if (isConflict) count("conflict", 1);
    const recorded = decision.events.find((event) => event.type === "delivery_recorded");
    const verdict = recorded?.verdict ?? "processed";
    became(incoming, verdict, 1);
    became(incoming, "duplicate", incoming.repeats);
    run = decision.run;
    events.push(...decision.events);
    const told = { verdict, reason: recorded?.reason ?? null, events: decision.events.map((event) => event.type) };
    return { outcome: "recorded", deliveryId: delivery.deliveryId, ...told };
  });
  journal.count(Object.fromEntries(counts));
  return { outcomes, events, run, tallies };
}

function tallyOf({ delivery }: IncomingDelivery, outcome: Verdict | "duplicate", n: number, now: number): Tally {
  const { receivedAt: at, source, eventType } = delivery;
  return { at, source, eventType, outcome, reason: "", n, sumMs: Math.max(0, now - at) * n };
}
