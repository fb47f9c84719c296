// A delivery that belongs to no run, as its inbox keeps it.
import { z } from "zod";
import { type IncomingDelivery, saysSomething, storedHeaders } from "../sync/delivery.ts";

/** Where deliveries without a run go: one inbox for each kind of sender. */
export const INBOXES = ["opal", "ga4", "salesforce", "external"] as const;
export type InboxName = (typeof INBOXES)[number];

/** The name of the object within its workspace, and of the owner in D1. */
export function inboxId(name: InboxName | "rejections"): string {
  return `inbox-${name}`;
}

const verdict = z.enum(["processed", "ignored", "quarantined"]);

/** Everything but the body and its receipt. */
export const inboxFacts = z.object({
  deliveryId: z.string(),
  source: z.string(),
  eventType: z.string(),
  remoteId: z.string().nullable(),
  verdict,
  /** Why it was not simply processed. */
  reason: z.string().nullable(),
  summary: z.string(),
  bytes: z.number(),
  sha256: z.string(),
  secret: z.string(),
  headers: storedHeaders,
  receivedAt: z.number(),
});
export type InboxFacts = z.infer<typeof inboxFacts>;

export interface InboxDelivery {
  readonly facts: InboxFacts;
  readonly dedupKey: string;
  /** How often it came again while it was held for its run. */
  readonly repeats: number;
  readonly raw: Uint8Array;
}

/** What became of it: taken in, taken in before, or too much at a time. `deliveryId` is that of the first one. */
export type InboxOutcome =
  | { readonly outcome: "recorded"; readonly verdict: InboxFacts["verdict"]; readonly reason: string | null }
  | { readonly outcome: "duplicate"; readonly deliveryId: string }
  | { readonly outcome: "throttled" };

/** What OPAL sent and no run claims. What says something about a run is not taken for processed. */
export function withoutRun(incoming: IncomingDelivery): InboxDelivery {
  const { delivery, headers, dedupKey, repeats, raw, reports } = incoming;
  const { correlated: _correlated, ...facts } = delivery;
  const nothing = reports.find((report) => report.about === "nothing");
  const why = delivery.remoteId === null ? "no_workflow_id" : "workflow_unknown";
  const isUnclaimed = nothing === undefined || saysSomething(incoming);
  const verdict = isUnclaimed ? "quarantined" : nothing.verdict;
  const reason = isUnclaimed ? why : nothing.reason;
  return {
    facts: { ...facts, verdict, reason, summary: reason.replaceAll("_", " "), headers },
    dedupKey,
    repeats,
    raw,
  };
}
