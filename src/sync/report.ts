// What a session tells its workspace. Always the whole of it, so that only the newest has to arrive, in any order.
import type { AgentId } from "../opal/agents.ts";
import { nextWakeUp } from "./run/deadlines.ts";
import type { FailureClass } from "./run/events.ts";
import type { ResultReference } from "./run/request.ts";
import { type Attempt, isOpen, type KnownRun } from "./run/state.ts";
import { type RunView, viewRun } from "./run/view.ts";

/** A run in a list. */
export type RunSummary = Pick<
  RunView,
  | "sessionId"
  | "correlationId"
  | "workflowId"
  | "origin"
  | "source"
  | "scope"
  | "clientName"
  | "actor"
  | "status"
  | "reason"
  | "message"
  | "isOver"
  | "isCancelling"
  | "isRetriable"
  | "isResumable"
  | "phase"
  | "progressPercent"
  | "completedAgents"
  | "expectedAgents"
  | "requestedAt"
  | "endedAt"
> & {
  /** 1 for a first attempt. */
  readonly attempt: number;
  readonly retryOf: string | null;
  readonly retriedAs: string | null;
  /** Agents at work now, a re-run included. */
  readonly workingAgents: readonly AgentId[];
  /** Agents for which an earlier run's result stands in. */
  readonly fallbacks: number;
  readonly remoteIds: readonly string[];
};

/** How a call to OPAL came out, for the circuit breaker: `neutral` says nothing about OPAL. */
export interface CallReport {
  readonly attempt: number;
  readonly verdict: "success" | "failure" | "neutral";
  readonly at: number;
}

/** How an agent ended, for the runs after this one. */
export interface AgentReport {
  readonly agentId: AgentId;
  readonly endedAt: number;
  readonly startedAt: number | null;
  readonly isTimedOut: boolean;
  /** Only a valid result of its own. */
  readonly result: ResultReference | null;
}

export interface RunReport {
  readonly sessionId: string;
  readonly seq: number;
  readonly summary: RunSummary;
  readonly remoteIds: readonly string[];
  readonly isOver: boolean;
  /** Over, and everything it had to tell D1 has arrived there. */
  readonly isSettled: boolean;
  /** By when the session should have moved by itself, in ms since the epoch; past that the workspace pokes it. */
  readonly dueAt: number | null;
  readonly order: "sequence" | "parallel";
  readonly acceptedAt: number | null;
  readonly calls: readonly CallReport[];
  readonly agents: readonly AgentReport[];
}

export function reportOf(run: KnownRun, isSettled: boolean): RunReport {
  const view = viewRun(run);
  return {
    sessionId: view.sessionId,
    seq: run.seq,
    summary: summarise(view),
    remoteIds: run.remoteIds,
    isOver: view.isOver,
    isSettled,
    dueAt: nextWakeUp(run) ?? null,
    order: run.request.workflow.order,
    acceptedAt: view.acceptedAt,
    calls: run.attempts.flatMap(callReport),
    agents: run.request.workflow.agents.flatMap(({ id }) => agentReport(run, id)),
  };
}

/** An answer of any kind shows that OPAL is there; what we did not or could not send shows nothing. */
const VERDICTS: Readonly<Record<FailureClass, CallReport["verdict"]>> = {
  network_error: "failure",
  timeout_error: "failure",
  http_5xx: "failure",
  http_408: "failure",
  http_429: "failure",
  http_auth: "success",
  http_4xx: "success",
  redirected: "success",
  not_configured: "neutral",
  interrupted: "neutral",
  aborted: "neutral",
};

function callReport(attempt: Attempt): CallReport[] {
  if (attempt.state === "calling") return [];
  const verdict = attempt.state === "accepted" ? "success" : VERDICTS[attempt.failure];
  return [{ attempt: attempt.attempt, verdict, at: attempt.endedAt }];
}

/** An agent that runs once more has not ended yet. */
function agentReport(run: KnownRun, agentId: AgentId): AgentReport[] {
  const agent = run.agents[agentId];
  if (agent === undefined || isOpen(agent)) return [];
  const { startedAt, endedAt } = agent;
  const result = agent.state === "completed" ? agent.result : null;
  const isValid = result !== null && (result.family === "shared" || result.family === "execution_results");
  // Also one that made good for it later was over its limit in this run.
  const isLate = agent.state === "completed" && agent.late;
  const isRunAgain = run.reruns.some((rerun) => rerun.because === "agent_timed_out" && rerun.agents.includes(agentId));
  const isTimedOut = agent.state === "timed_out" || isLate || isRunAgain;
  return [{ agentId, startedAt, endedAt, isTimedOut, result: isValid ? result : null }];
}

export function summarise(view: RunView): RunSummary {
  const { sessionId, correlationId, workflowId, origin, source, scope, clientName, actor, status, reason } = view;
  const { message, isOver, isCancelling, isRetriable, isResumable, phase, progressPercent } = view;
  const { completedAgents, expectedAgents, requestedAt, endedAt, remoteIds } = view;
  return {
    ...{ sessionId, correlationId, workflowId, origin, source, scope, clientName, actor, status, reason, message },
    ...{ isOver, isCancelling, isRetriable, isResumable, phase, progressPercent, completedAgents, expectedAgents },
    ...{ requestedAt, endedAt, remoteIds },
    attempt: view.lineage?.attempt ?? 1,
    retryOf: view.lineage?.retryOf ?? null,
    retriedAs: view.retriedAs.at(-1)?.sessionId ?? null,
    workingAgents: view.agents.flatMap(({ id, state }) => (state === "running" || state === "rerunning" ? [id] : [])),
    fallbacks: view.agents.filter((agent) => agent.fallback !== null).length,
  };
}
