// What a caller is told when a run was granted, or may wait for its turn. Settled once: a repeat gets the same answer.
import type { AgentId } from "../opal/agents.ts";
import type { Refusal } from "../platform/refusal.ts";
import type { Estimate, EstimateRecord } from "./estimate.ts";

export interface GrantedSync {
  readonly sessionId: string;
  /** `queued`: another run has to end first. `rerun`: agents of a run under way run once more. */
  readonly outcome: "started" | "queued" | "rerun";
  readonly at: number;
  readonly scope: string;
  readonly expectedAgents: readonly AgentId[];
  /** 1 for a first attempt. */
  readonly attempt: number;
  readonly retryOf: string | null;
  /** The run that was cancelled to make room. */
  readonly cancelled: string | null;
  /** When it will probably end, if OPAL accepts it at once. */
  readonly estimate: Estimate;
  readonly record: EstimateRecord;
}

export type SyncAnswer = { readonly ok: true; readonly sync: GrantedSync; readonly isRepeat: boolean } | Refusal;

export interface IdempotencyKey {
  readonly key: string;
  readonly requestHash: string;
}
