// What somebody asks the workspace for, turned into what a new run is planned from. Pure.
import { AGENTS, type AgentId } from "../opal/agents.ts";
import { type Refusal, refuse } from "../platform/refusal.ts";
import type { SyncCommand } from "../sync/plan.ts";
import type { Checkpoint } from "../sync/run/checkpoint.ts";
import type { CarriedResult, Client, Lineage } from "../sync/run/request.ts";

/** What happens when another run holds the lease. */
export type OnBusy = "refuse" | "queue";

export interface RetryOrder {
  /** The run to repeat; null for the last one of ours that can be. */
  readonly of: string | null;
  readonly how: "retry" | "resume";
  /** Only the agents that gave no result; good results are carried over. */
  readonly failedOnly: boolean;
  /** A refused credential is known to be valid again without having been changed here. */
  readonly isCredentialConfirmed: boolean;
  /** Fields of the earlier request to be replaced. */
  readonly changes: {
    readonly client?: Partial<Client> | undefined;
    readonly scope?: string | undefined;
    readonly timeoutOverrideMs?: number | null | undefined;
    readonly priority?: SyncCommand["priority"] | undefined;
  };
}

export interface SyncOrder {
  /** What a new run does; of a retry, only who asks for it counts. */
  readonly command: SyncCommand;
  readonly retry: RetryOrder | null;
  readonly onBusy: OnBusy;
  /** Cancels the run that holds the lease, and takes its place. */
  readonly isForced: boolean;
}

/** Everything of a run that is settled before it is its turn. */
export interface PlannedSync {
  readonly command: SyncCommand;
  readonly lineage: Lineage | null;
  readonly carriedOver: readonly CarriedResult[];
}

export function planRetry(
  order: SyncOrder,
  retry: RetryOrder,
  checkpoint: Checkpoint,
  fingerprint: string,
): ({ readonly ok: true } & PlannedSync) | Refusal {
  const { sessionId: retryOf, rootId, agents, missing, done, credential } = checkpoint;
  const resource = { session_id: retryOf, status_url: `/api/force-sync/status/${retryOf}` };
  if (retry.how === "resume" && !checkpoint.isResumable) return refuse("not_resumable", { members: resource });
  if (!checkpoint.isRetriable) {
    const detail = `The run is ${checkpoint.status.replaceAll("_", " ")}; there is nothing of it to run again.`;
    return refuse("nothing_to_retry", { detail, members: resource });
  }
  if (checkpoint.retriedAs !== null) {
    const detail = "The run has been run again already; retry its latest attempt.";
    return refuse("nothing_to_retry", { detail, members: { ...resource, retried_as: checkpoint.retriedAs } });
  }
  const isUnchanged = credential?.fingerprint === fingerprint && !retry.isCredentialConfirmed;
  if (credential && isUnchanged) {
    return refuse("credential_unchanged", { members: { ...resource, credential: credential.credential } });
  }
  if (retry.failedOnly && missing.length === 0) {
    return refuse("nothing_to_retry", { detail: "All results of this run have arrived since.", members: resource });
  }
  const { how, failedOnly, changes } = retry;
  const { timeoutOverrideMs = checkpoint.timeoutOverrideMs } = changes;
  return {
    ok: true,
    command: {
      ...order.command,
      scope: changes.scope ?? checkpoint.scope,
      client: { ...checkpoint.client, ...changes.client },
      priority: changes.priority ?? checkpoint.priority,
      timeoutOverrideMs,
      agentFilter: filterOf(failedOnly ? missing : agents),
    },
    lineage: { rootId, attempt: checkpoint.attempt + 1, retryOf, how, failedOnly },
    carriedOver: failedOnly ? done : [],
  };
}

function filterOf(agents: readonly AgentId[]): readonly AgentId[] | null {
  return agents.length === Object.keys(AGENTS).length ? null : agents;
}
