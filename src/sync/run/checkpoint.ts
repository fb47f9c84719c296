// What another attempt can build on: the results that are good already, and the agents that are still missing.
import type { AgentId } from "../../opal/agents.ts";
import type { CarriedResult, Client, RunRequest } from "./request.ts";
import { isEnded, type KnownRun, type RefusedCredential } from "./state.ts";
import { isResumable, isRetriable } from "./view.ts";

export interface Checkpoint {
  readonly sessionId: string;
  readonly rootId: string;
  /** The first run is attempt 1. */
  readonly attempt: number;
  readonly status: KnownRun["status"];
  readonly scope: string;
  readonly client: Client;
  readonly priority: RunRequest["priority"];
  readonly timeoutOverrideMs: number | null;
  readonly isRetriable: boolean;
  readonly isResumable: boolean;
  readonly credential: RefusedCredential | null;
  /** All agents that the first attempt asked for. */
  readonly agents: readonly AgentId[];
  readonly done: readonly CarriedResult[];
  readonly missing: readonly AgentId[];
  /** The attempt that followed this one last. */
  readonly retriedAs: string | null;
}

export function checkpointOf(run: KnownRun): Checkpoint {
  const { request } = run;
  const { sessionId } = request;
  const done = new Map(request.carriedOver.map((carried) => [carried.agentId, carried]));
  for (const { agentId, result, at } of isEnded(run) ? run.attached : []) {
    if (isUsable(result)) done.set(agentId, { agentId, sessionId, result, at });
  }
  for (const { id: agentId } of request.workflow.agents) {
    const agent = run.agents[agentId];
    // In older logs an agent completed with a result of a shape nobody knows.
    if (agent?.state === "completed" && agent.result.family !== "unrecognised")
      done.set(agentId, { agentId, sessionId, result: agent.result, at: agent.endedAt });
  }
  const carried = request.carriedOver.map((result) => result.agentId);
  const agents = [...new Set([...carried, ...request.workflow.agents.map(({ id }) => id)])];
  return {
    sessionId,
    rootId: request.lineage?.rootId ?? sessionId,
    attempt: request.lineage?.attempt ?? 1,
    status: run.status,
    scope: request.scope,
    client: request.client,
    priority: request.priority,
    timeoutOverrideMs: request.timeoutOverrideMs,
    isRetriable: isRetriable(run),
    isResumable: isResumable(run),
    credential: run.credential,
    agents,
    done: agents.flatMap((agentId) => done.get(agentId) ?? []),
    missing: agents.filter((agentId) => !done.has(agentId)),
    retriedAs: isEnded(run) ? (run.retriedAs.at(-1)?.sessionId ?? null) : null,
  };
}

/** A failure report that came late is attached too; only a real result is worth carrying over. */
export function isUsable({ family }: CarriedResult["result"]): boolean {
  return family === "shared" || family === "execution_results";
}
