// A verified and normalised delivery on its way to the object that owns its run.
import { z } from "zod";
import type { Delivery, Report } from "./run/commands.ts";
import type { Verdict } from "./run/events.ts";

/** Pairs of a name in lower case and a value, as they came, secrets masked. */
export const storedHeaders = z.array(z.array(z.string()).length(2).readonly()).readonly();
export type Headers = z.infer<typeof storedHeaders>;

export interface IncomingDelivery {
  readonly delivery: Delivery;
  readonly headers: Headers;
  /** Two deliveries with the same key and the same bytes are one. */
  readonly dedupKey: string;
  /** How often it came again while it was held for its run. */
  readonly repeats: number;
  /** The body exactly as received. */
  readonly raw: Uint8Array;
  readonly reports: readonly Report[];
  /** Normalised results the reports refer to, as JSON. */
  readonly results: readonly { readonly bodyId: string; readonly bytes: Uint8Array }[];
}

/** 200 when a run took it in, 202 when it is only stored. */
export function answerCode(verdict: Verdict, reason: string | null): 200 | 202 {
  return verdict === "ignored" || reason === "run_ended" || reason === "unknown_agent" ? 202 : 200;
}

export type DeliveryOutcome =
  | {
      readonly outcome: "recorded";
      readonly deliveryId: string;
      readonly verdict: Verdict;
      readonly reason: string | null;
      readonly events: readonly string[];
    }
  /** `deliveryId` is that of the first one. */
  | { readonly outcome: "duplicate"; readonly deliveryId: string }
  /** More than the object takes in at a time; nothing was stored. */
  | { readonly outcome: "throttled" }
  /** No run of this object's name exists. */
  | { readonly outcome: "unknown" };

/** What nobody understands proves no workflow: it is kept, but claims no run and starts none. */
export function saysSomething(incoming: IncomingDelivery): boolean {
  return incoming.reports.some((report) => report.about !== "nothing");
}
