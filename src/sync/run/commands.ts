// What can be asked of a run. Plain data; randomness and outcomes of calls arrive in it.
import type { AgentId } from "../../opal/agents.ts";
import type { FailureClass, PostponedBecause, Verdict } from "./events.ts";
import type { ResultReference, RunRequest } from "./request.ts";

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
      /** The sender's own error code says that a credential was refused (401 or 403). */
      readonly isCredentialRefused: boolean;
      readonly result: ResultReference;
    }
  | { readonly about: "workflow"; readonly outcome: "under_way" | "completed" | "failed" | "timed_out" }
  /** Understood as JSON, but nothing a run could act on: kept as `ignored` or `quarantined`. */
  | { readonly about: "nothing"; readonly verdict: "ignored" | "quarantined"; readonly reason: string };

/** A credential of ours as the log may know it. */
export interface CredentialName {
  readonly name: string;
  readonly fingerprint: string;
}

/** A stored delivery as today's code reads it. */
export interface Reprocessing {
  readonly deliveryId: string;
  readonly remoteId: string | null;
  /** What became of it when it was last read. */
  readonly was: Verdict;
  readonly reports: readonly Report[];
}

export type Command =
  | { readonly type: "start"; readonly request: RunRequest; readonly withdrawnBy: string | null }
  | { readonly type: "adopt"; readonly request: RunRequest; readonly remoteId: string }
  /** From the alarm only: a call to OPAL follows. */
  | { readonly type: "begin_attempt" }
  /** A call is due and may not be made before `until`. */
  | { readonly type: "postpone"; readonly until: number; readonly because: PostponedBecause }
  /** What a call was postponed for is gone. */
  | { readonly type: "end_wait" }
  | { readonly type: "call_answered"; readonly httpStatus: number; readonly remoteId: string | null }
  | {
      readonly type: "call_failed";
      readonly failure: FailureClass;
      readonly httpStatus: number | null;
      readonly retryAfterMs: number;
      /** The one that the call was made with; null when it was not made. */
      readonly credential: CredentialName | null;
      /** In [0, 1). */
      readonly jitter: number;
    }
  /** A workflow id that nobody knows, first heard of at `since`: is it this run's? */
  | { readonly type: "claim_remote"; readonly remoteId: string; readonly since: number }
  | { readonly type: "deliver"; readonly delivery: Delivery; readonly reports: readonly Report[] }
  | { readonly type: "cancel"; readonly actor: string; readonly callInFlight: boolean; readonly jitter: number }
  /** Run agents once more, in this run. Without a list: all that gave no result. */
  | { readonly type: "rerun"; readonly agents: readonly AgentId[] | null; readonly actor: string }
  /** Another run repeats this one. */
  | {
      readonly type: "mark_retried";
      readonly bySessionId: string;
      readonly attempt: number;
      readonly how: "retry" | "resume";
      readonly actor: string;
    }
  | { readonly type: "reprocess"; readonly deliveries: readonly Reprocessing[]; readonly actor: string }
  /** Time has passed. */
  | { readonly type: "wake"; readonly callInFlight: boolean; readonly jitter: number };
