// state > what the API and the dashboard show. The same function runs in both places, so they cannot disagree.
import { AGENTS, type AgentId, type Phase } from "../../opal/agents.ts";
import { RETRY_POLICIES } from "../../platform/backoff.ts";
import { clockStart, deadlines } from "./deadlines.ts";
import type { EndReason, EndStatus, FailureClass, PostponedBecause } from "./events.ts";
import { progressPercent } from "./progress.ts";
import { RERUNS_PER_AGENT, rerunsOf } from "./recovery.ts";
import type { CarriedResult, Lineage, ResultReference } from "./request.ts";
import {
  type Agent,
  type AttachedResult,
  type Attempt,
  type EndedRun,
  type Escalation,
  type Fallback,
  type GivenUpAgent,
  isActive,
  isEnded,
  isGivenUp,
  isOpen,
  type KnownRun,
  type Postponement,
  type RefusedCredential,
  type Rerun,
  type RetriedAs,
  startOf,
} from "./state.ts";

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
  /** Where its result can be read; null while there is none. Never a result of another run. */
  readonly resultId: string | null;
  /** An earlier run's result that stands in for the missing one. It is no result of this run. */
  readonly fallback: Fallback | null;
  readonly reruns: number;
  readonly rerunsAllowed: number;
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
  /** Results that came after the end, the last one of each agent. */
  readonly attached: readonly AttachedResult[];
  readonly source: KnownRun["request"]["source"];
  readonly priority: KnownRun["request"]["priority"];
  readonly agentFilter: readonly AgentId[] | null;
  readonly timeoutOverrideMs: number | null;
  readonly lineage: Lineage | null;
  readonly retriedAs: readonly RetriedAs[];
  /** Good results of the attempt before, which this run did not ask for again. */
  readonly carriedOver: readonly CarriedResult[];
  readonly reruns: readonly Rerun[];
  readonly postponed: Postponement | null;
  readonly escalations: readonly Escalation[];
  readonly credential: RefusedCredential | null;
  /** A refused credential stopped it. */
  readonly isResumable: boolean;
  /** It ended without all of its agents. */
  readonly isRetriable: boolean;
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
    attached: isEnded(run) ? run.attached : [],
    source: request.source,
    priority: request.priority,
    agentFilter: request.agentFilter,
    timeoutOverrideMs: request.timeoutOverrideMs,
    lineage: request.lineage,
    retriedAs: isEnded(run) ? run.retriedAs : [],
    carriedOver: request.carriedOver,
    reruns: run.reruns,
    postponed: isActive(run) ? run.postponed : null,
    escalations: run.escalations,
    credential: run.credential,
    isResumable: isResumable(run),
    isRetriable: isRetriable(run),
    seq: run.seq,
  };
}

/** A run that OPAL started by itself is not ours to start again. */
export function isRetriable(run: KnownRun): boolean {
  return isEnded(run) && run.origin === "ours" && run.status !== "completed";
}

export function isResumable(run: KnownRun): boolean {
  return isRetriable(run) && run.credential !== null;
}

function viewAgent(run: KnownRun, id: AgentId): AgentView {
  const planned = run.request.workflow.agents.find((agent) => agent.id === id);
  const agent: Agent = run.agents[id] ?? { state: "waiting" };
  // What it was given up with stays visible while it runs once more.
  const before = agent.state === "rerunning" ? agent.before : agent;
  const given = before.state === "failed" ? before : undefined;
  const result = resultOf(before);
  const limitMs = planned?.limitMs ?? AGENTS[id].limitMs;
  const isWorking = isOpen(agent);
  const since = isWorking && run.status === "running" ? clockStart(run, id) : undefined;
  const confidence = agent.state === "completed" ? (result?.confidence ?? null) : null;
  return {
    id,
    name: AGENTS[id].name,
    phase: planned?.phase ?? AGENTS[id].phase,
    state: isWorking && isEnded(run) ? "skipped" : agent.state,
    startedAt: startOf(agent),
    endedAt: isWorking ? null : agent.endedAt,
    deadlineAt: since === undefined ? null : since + limitMs,
    limitMs,
    usualMs: planned?.usualMs ?? AGENTS[id].usualMs,
    confidence,
    isBelowThreshold: confidence !== null && confidence < (planned?.confidenceThreshold ?? 0),
    isLate: agent.state === "completed" && agent.late,
    // In older logs an agent completed with such a result.
    isQuarantined:
      result?.family === "unrecognised" && (before.state === "completed" || given?.reason === "invalid_result"),
    reason: given?.reason ?? null,
    resultId: result?.bodyId ?? null,
    fallback: fallbackOf(agent),
    reruns: rerunsOf(run, id),
    rerunsAllowed: RERUNS_PER_AGENT,
  };
}

function resultOf(agent: Agent): ResultReference | null {
  return agent.state === "completed" || agent.state === "failed" ? agent.result : null;
}

function nextAttemptAt(run: KnownRun): number | null {
  for (const deadline of deadlines(run)) if (deadline.what === "attempt") return deadline.at;
  return null;
}

const WAITS: Readonly<Record<PostponedBecause, string>> = {
  breaker_open: "Waiting for the circuit breaker: OPAL has not been answering.",
  breaker_probing: "Waiting for the circuit breaker: another call is trying whether OPAL answers again.",
  switched_off: "Waiting: triggering is switched off.",
  lease_lost: "Waiting: another run holds the workspace's lease.",
  workspace_unreachable: "Waiting for leave to call OPAL.",
};

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
  credential_refused: "A credential was refused; the run was stopped.",
  start_deadline: "OPAL did not accept the run in time.",
  inactivity: "Nothing was heard from OPAL for too long.",
  run_deadline: "The run reached its overall deadline.",
  cancelled_by_operator: "Cancelled by an operator.",
  withdrawn_from_queue: "Withdrawn while it waited for its turn.",
};

function message(run: KnownRun): string {
  if (isEnded(run)) return endMessage(run);
  if (run.cancelRequestedAt !== null) return "Cancelling: waiting for the call to OPAL to end.";
  if (run.status === "running") return workMessage(run);
  const allowed = RETRY_POLICIES.opal.attempts;
  if (run.postponed !== null) return WAITS[run.postponed.because];
  const last = run.attempts.at(-1);
  if (last === undefined) return "Requested; OPAL is about to be called.";
  if (last.state === "failed") {
    const failure = describeFailure(last.failure, last.httpStatus);
    return `Attempt ${last.attempt} of ${allowed} failed: ${failure}. Another one follows.`;
  }
  return `Calling OPAL, attempt ${last.attempt} of ${allowed}.`;
}

function endMessage(run: EndedRun): string {
  const parts: string[] = [ENDINGS[run.reason]];
  const last = run.attempts.at(-1);
  const { credential } = run;
  if (run.reason === "credential_refused" && credential) {
    const status = credential.httpStatus === null ? "" : ` (HTTP ${credential.httpStatus})`;
    parts.push(`${credential.credential} was not accepted${status}. Check it, then resume the run.`);
  } else if (run.acceptedAt === null && last?.state === "failed" && run.status === "failed") {
    parts.push(`Last attempt: ${describeFailure(last.failure, last.httpStatus)}.`);
  }
  const standIns = fallbackCount(run);
  if (standIns > 0) parts.push(`Earlier results stand in for ${standIns} of them, marked as cached.`);
  return parts.join(" ");
}

function workMessage(run: KnownRun): string {
  const named = (isMeant: (agent: Agent) => boolean) =>
    run.request.workflow.agents
      .filter(({ id }) => {
        const agent = run.agents[id];
        return agent !== undefined && isMeant(agent);
      })
      .map(({ id }) => AGENTS[id].name)
      .join(", ");
  const working = named((agent) => agent.state === "running");
  const unreadable = named((agent) => agent.state === "rerunning" && isUnreadable(agent.before));
  const again = named((agent) => agent.state === "rerunning" && !isUnreadable(agent.before));
  const standIn = named((agent) => fallbackOf(agent) !== null);
  const isWaiting = again !== "" || unreadable !== "";
  const parts = [
    ...(working === "" ? [] : [`Working: ${working}.`]),
    ...(again === "" ? [] : [`Taking longer than expected, running once more: ${again}.`]),
    ...(unreadable === "" ? [] : [`The result could not be read, running once more: ${unreadable}.`]),
    ...(isWaiting && run.postponed !== null ? [WAITS[run.postponed.because]] : []),
    ...(standIn === "" ? [] : [`An earlier result stands in for: ${standIn}.`]),
  ];
  return parts.length === 0 ? "OPAL accepted the run; waiting for an agent to report." : parts.join(" ");
}

function isUnreadable(agent: GivenUpAgent): boolean {
  return agent.state === "failed" && agent.reason === "invalid_result";
}

/** What stands in for an agent's result, also while it runs once more. */
function fallbackOf(agent: Agent): Fallback | null {
  const before = agent.state === "rerunning" ? agent.before : agent;
  return isGivenUp(before) ? before.fallback : null;
}

function fallbackCount(run: KnownRun): number {
  return run.request.workflow.agents.filter(({ id }) => {
    const agent = run.agents[id];
    return agent !== undefined && fallbackOf(agent) !== null;
  }).length;
}
