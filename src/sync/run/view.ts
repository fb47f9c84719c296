// state > what the API and the dashboard show. The same function runs in both places, so they cannot disagree.
import { AGENTS, type AgentId, type Phase } from "../../opal/agents.ts";
import { RETRY_POLICIES } from "../../platform/backoff.ts";
import { clockStart } from "./deadlines.ts";
import type { EndReason, EndStatus, FailureClass, ResultReference } from "./events.ts";
import { progressPercent } from "./progress.ts";
import { type Agent, type Attempt, isActive, isEnded, type KnownRun } from "./state.ts";

export type AgentLabel = Agent["state"] | "skipped";

export interface AgentView {
  readonly id: AgentId;
  readonly name: string;
  readonly phase: Phase;
  /** `skipped`: the run ended before this agent gave a result. */
  readonly state: AgentLabel;
  readonly startedAt: number | null;
  readonly endedAt: number | null;
  readonly deadlineAt: number | null;
  readonly limitMs: number;
  readonly usualMs: number;
  readonly confidence: number | null;
  readonly isBelowThreshold: boolean;
  /** The result came after the agent had been given up. */
  readonly isLate: boolean;
  /** The result has a shape nobody knows; it is kept, and left out of every synthesis. */
  readonly isQuarantined: boolean;
  readonly reason: string | null;
  /** Where its result can be read; null while there is none. */
  readonly resultId: string | null;
}

export interface RunView {
  readonly sessionId: string;
  readonly correlationId: string;
  readonly workflowId: string;
  readonly remoteIds: readonly string[];
  readonly origin: "ours" | "foreign";
  readonly scope: string;
  readonly clientName: string;
  readonly actor: string;
  readonly status: "requested" | "running" | EndStatus;
  readonly reason: EndReason | null;
  readonly message: string;
  readonly isOver: boolean;
  readonly isCancelling: boolean;
  readonly phase: 0 | Phase;
  readonly progressPercent: number;
  readonly completedAgents: number;
  readonly expectedAgents: number;
  readonly requestedAt: number;
  readonly acceptedAt: number | null;
  readonly endedAt: number | null;
  readonly updatedAt: number;
  readonly deadlineAt: number | null;
  readonly attempts: readonly Attempt[];
  readonly attemptsAllowed: number;
  readonly nextAttemptAt: number | null;
  readonly agents: readonly AgentView[];
  readonly deliveries: KnownRun["deliveries"];
  readonly doubleStarts: number;
  readonly attachedResults: number;
  readonly seq: number;
}

export function viewRun(run: KnownRun): RunView {
  const { request } = run;
  const agents = request.workflow.agents.map((planned) => viewAgent(run, planned.id));
  const acceptedAt = run.status === "requested" ? null : run.acceptedAt;
  return {
    sessionId: request.sessionId,
    correlationId: request.correlationId,
    workflowId: request.workflowId,
    remoteIds: run.remoteIds,
    origin: run.origin,
    scope: request.scope,
    clientName: request.client.name,
    actor: request.actor,
    status: run.status,
    reason: isEnded(run) ? run.reason : null,
    message: message(run),
    isOver: isEnded(run),
    isCancelling: isActive(run) && run.cancelRequestedAt !== null,
    phase: run.phase,
    progressPercent: progressPercent(run),
    completedAgents: agents.filter((agent) => agent.state === "completed").length,
    expectedAgents: agents.length,
    requestedAt: run.requestedAt,
    acceptedAt,
    endedAt: isEnded(run) ? run.endedAt : null,
    updatedAt: run.updatedAt,
    deadlineAt: run.status === "running" ? run.acceptedAt + request.limits.runMs : null,
    attempts: run.attempts,
    attemptsAllowed: RETRY_POLICIES.opal.attempts,
    nextAttemptAt: nextAttemptAt(run),
    agents,
    deliveries: run.deliveries,
    doubleStarts: run.doubleStarts,
    attachedResults: isEnded(run) ? run.attachedCount : 0,
    seq: run.seq,
  };
}

function viewAgent(run: KnownRun, id: AgentId): AgentView {
  const planned = run.request.workflow.agents.find((agent) => agent.id === id);
  const agent: Agent = run.agents[id] ?? { state: "waiting" };
  const result = resultOf(agent);
  const limitMs = planned?.limitMs ?? AGENTS[id].limitMs;
  const isOpen = agent.state === "waiting" || agent.state === "running";
  const since = isOpen && run.status === "running" ? clockStart(run, id) : undefined;
  const confidence = agent.state === "completed" ? (result?.confidence ?? null) : null;
  return {
    id,
    name: AGENTS[id].name,
    phase: planned?.phase ?? AGENTS[id].phase,
    state: isOpen && isEnded(run) ? "skipped" : agent.state,
    startedAt: agent.state === "waiting" ? null : agent.startedAt,
    endedAt: isOpen ? null : agent.endedAt,
    deadlineAt: since === undefined ? null : since + limitMs,
    limitMs,
    usualMs: planned?.usualMs ?? AGENTS[id].usualMs,
    confidence,
    isBelowThreshold: confidence !== null && confidence < (planned?.confidenceThreshold ?? 0),
    isLate: agent.state === "completed" && agent.late,
    isQuarantined: agent.state === "completed" && agent.result.family === "unrecognised",
    reason: agent.state === "failed" ? agent.reason : null,
    resultId: result?.bodyId ?? null,
  };
}

function resultOf(agent: Agent): ResultReference | null {
  return agent.state === "completed" || agent.state === "failed" ? agent.result : null;
}

function nextAttemptAt(run: KnownRun): number | null {
  if (run.status !== "requested" || run.cancelRequestedAt !== null) return null;
  const last = run.attempts.at(-1);
  if (last === undefined) return run.requestedAt;
  return last.state === "failed" ? last.retryAt : null;
}

const FAILURES: Readonly<Record<FailureClass, string>> = {
  network_error: "OPAL could not be reached",
  timeout_error: "OPAL did not answer in time",
  http_5xx: "OPAL answered with a server error",
  http_408: "OPAL reported a time-out",
  http_429: "OPAL asked us to slow down",
  http_auth: "OPAL refused our credentials",
  http_4xx: "OPAL refused the request",
  not_configured: "OPAL was not called: a setting is missing",
  redirected: "OPAL answered with a redirect, which is not followed",
  interrupted: "the call was interrupted and its outcome is unknown",
  aborted: "the call was aborted",
};

/** What happened to an attempt, as a phrase. */
export function describeFailure(failure: FailureClass, httpStatus: number | null): string {
  return httpStatus === null ? FAILURES[failure] : `${FAILURES[failure]} (HTTP ${httpStatus})`;
}

const ENDINGS: Readonly<Record<EndReason, string>> = {
  all_agents_completed: "All agents completed.",
  some_agents_completed: "Some agents gave no result.",
  no_agent_completed: "No agent completed.",
  opal_refused: "OPAL refused to start the workflow.",
  opal_unreachable: "The workflow could not be started; automatic retries are used up.",
  inactivity: "Nothing was heard from OPAL for too long.",
  run_deadline: "The run reached its overall deadline.",
  cancelled_by_operator: "Cancelled by an operator.",
};

function message(run: KnownRun): string {
  if (isEnded(run)) {
    const last = run.attempts.at(-1);
    const cause = run.acceptedAt === null && last?.state === "failed" && run.status === "failed";
    return cause
      ? `${ENDINGS[run.reason]} Last attempt: ${describeFailure(last.failure, last.httpStatus)}.`
      : ENDINGS[run.reason];
  }
  if (run.cancelRequestedAt !== null) return "Cancelling: waiting for the call to OPAL to end.";
  if (run.status === "running") {
    const working = run.request.workflow.agents.filter((agent) => run.agents[agent.id]?.state === "running");
    const names = working.map((agent) => AGENTS[agent.id].name).join(", ");
    return names === "" ? "OPAL accepted the run; waiting for an agent to report." : `Working: ${names}.`;
  }
  const last = run.attempts.at(-1);
  if (last === undefined) return "Requested; OPAL is about to be called.";
  if (last.state === "failed") {
    const failure = describeFailure(last.failure, last.httpStatus);
    return `Attempt ${last.attempt} of ${RETRY_POLICIES.opal.attempts} failed: ${failure}. Another one follows.`;
  }
  return `Calling OPAL, attempt ${last.attempt} of ${RETRY_POLICIES.opal.attempts}.`;
}
