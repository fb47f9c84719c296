// What the load thread can be asked to do, and what it answers. Times are in ms.
import type { WebhookStream } from "./webhook.ts";

/** As fast as the answers come, on so many connections, until the time or the number is used up. */
export interface ClosedJob {
  readonly kind: "closed";
  readonly url: string;
  readonly connections: number;
  readonly limitMs: number;
  readonly limitCount: number;
  readonly source: { readonly webhooks: WebhookStream } | { readonly get: string; readonly cookie?: string };
  /** A live feed that is listened to meanwhile. */
  readonly watch?: string;
}

export interface ClosedOutcome {
  readonly tookMs: number;
  /** One of each per answered request, in the order of the answers; `finished` counts from the start. */
  readonly latencies: Float64Array;
  readonly finished: Float64Array;
  readonly statuses: Readonly<Record<string, number>>;
  readonly messages: number;
}

/** At a fixed rate, whatever the answers do; a run's live feed is listened to, and each event's way is timed. */
export interface PacedJob {
  readonly kind: "paced";
  readonly url: string;
  readonly connections: number;
  readonly perSecond: number;
  readonly seconds: number;
  readonly webhooks: WebhookStream;
  readonly watch: string;
}

export interface PacedOutcome {
  readonly sent: number;
  readonly statuses: Readonly<Record<string, number>>;
  /** From the request until its event is on the socket. */
  readonly shown: Float64Array;
  readonly answered: Float64Array;
  /** How much later than planned requests were sent: the load thread's own weakness. */
  readonly late: Float64Array;
}

/** Many sockets on one feed, and webhooks one by one. */
export interface SocketsJob {
  readonly kind: "sockets";
  readonly url: string;
  readonly sockets: number;
  readonly rounds: number;
  readonly webhooks: WebhookStream;
  readonly watch: string;
}

export interface SocketsOutcome {
  readonly openedMs: number;
  /** For each webhook: when the first and the last socket had its change, from the request on. */
  readonly rounds: readonly { readonly first: number; readonly last: number; readonly reached: number }[];
}

export type Job = ClosedJob | PacedJob | SocketsJob;
