// Requests that a receiver refused. All are counted, in batches and so "at least"; the newest few are kept to be looked at.
import { z } from "zod";
import { storedHeaders } from "../sync/delivery.ts";

/** Of a refused body, at most this much is kept. */
export const REJECTED_BODY_BYTES = 16 * 1024;

export const rejectedRequest = z.object({
  /** When it arrived, in ms since the epoch. */
  at: z.number(),
  /** Which receiver refused it. */
  source: z.string(),
  /** The refusal's code. */
  code: z.string(),
  /** More exactly, for insiders; the code again where there is no more to say. */
  reason: z.string(),
  requestId: z.string(),
  path: z.string(),
  address: z.string().nullable(),
  /** By how much the signed time missed ours; null where none could be read. */
  skewSeconds: z.number().nullable(),
  /** Null when the body was not read. */
  bytes: z.number().nullable(),
  sha256: z.string().nullable(),
  headers: storedHeaders,
});
export type RejectedRequest = z.infer<typeof rejectedRequest>;

/** A refused request with its body, unless that was too large or not read. */
export interface RejectionSample {
  readonly request: RejectedRequest;
  readonly body: Uint8Array | null;
}

export interface RejectionCount {
  readonly source: string;
  readonly code: string;
  readonly reason: string;
  readonly n: number;
  /** The time all of them took together, in ms. */
  readonly sumMs: number;
}

/** What an isolate has refused since it last said so. */
export interface RejectionBatch {
  readonly counts: readonly RejectionCount[];
  readonly samples: readonly RejectionSample[];
  /** When the last of them arrived. */
  readonly at: number;
}

/** A kept rejection; ids grow with time. */
export interface Rejection extends RejectedRequest {
  readonly id: number;
  readonly hasBody: boolean;
}

export interface RejectionPage {
  /** Only those with a smaller id. */
  readonly before?: number | undefined;
  readonly from?: number | undefined;
  readonly to?: number | undefined;
  readonly limit: number;
}

/** How many were refused, at least, since counting began. */
export interface RejectionTotal {
  readonly source: string;
  readonly code: string;
  readonly reason: string;
  readonly atLeast: number;
}
