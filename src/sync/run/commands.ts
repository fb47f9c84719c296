// What can be asked of a run. Plain data; randomness and outcomes of calls arrive in it.
import type { AgentId } from "../../opal/agents.ts";
import type { FailureClass, ResultReference, RunRequest } from "./events.ts";

/** One authenticated delivery as the log keeps it; its bytes are stored beside the log. */
export interface Delivery {
  readonly deliveryId: string;
  readonly remoteId: string | null;
  /** The sender named one of the ids that we issued. */
  readonly correlated: boolean;
  readonly source: string;
  readonly eventType: string;
  readonly bytes: number;
  readonly sha256: string;
  readonly receivedAt: number;
  readonly secret: string;
}

/** What a delivery says, whatever form it came in. */
export type Report =
  | {
      readonly about: "agent";
      readonly agentId: AgentId;
      readonly outcome: "started" | "completed" | "failed" | "timed_out";
      readonly result: ResultReference;
    }
  | { readonly about: "workflow"; readonly outcome: "under_way" | "completed" | "failed" | "timed_out" }
  /** Understood as JSON, but nothing a run could act on: kept as `ignored` or `quarantined`. */
  | { readonly about: "nothing"; readonly verdict: "ignored" | "quarantined"; readonly reason: string };

export type Command =
  | { readonly type: "start"; readonly request: RunRequest }
  | { readonly type: "adopt"; readonly request: RunRequest; readonly remoteId: string }
  /** From the alarm only: a call to OPAL follows. */
  | { readonly type: "begin_attempt" }
  | { readonly type: "call_answered"; readonly httpStatus: number; readonly remoteId: string | null }
  | {
      readonly type: "call_failed";
      readonly failure: FailureClass;
      readonly httpStatus: number | null;
      readonly retryAfterMs: number;
      /** In [0, 1). */
      readonly jitter: number;
    }
  /** A workflow id that nobody knows, first heard of at `since`: is it this run's? */
  | { readonly type: "claim_remote"; readonly remoteId: string; readonly since: number }
  | { readonly type: "deliver"; readonly delivery: Delivery; readonly reports: readonly Report[] }
  | { readonly type: "cancel"; readonly actor: string; readonly callInFlight: boolean; readonly jitter: number }
  /** Time has passed. */
  | { readonly type: "wake"; readonly callInFlight: boolean; readonly jitter: number };
