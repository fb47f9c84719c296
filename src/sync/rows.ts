// The read model's rows as a run's log makes them: the projection writes these, and the checker expects them.
import type { AgentId, Phase } from "../opal/agents.ts";
import { objectName } from "../platform/ids.ts";
import type { ProjectionSource } from "./delivery-rows.ts";
import type { RunEvent } from "./run/events.ts";
import { agentsOf } from "./run/marks.ts";
import { isEnded, type KnownRun } from "./run/state.ts";
import { type AgentView, describeFailure, type RunView, viewRun } from "./run/view.ts";
import type { agentExecutions, bodies, projectionCursor, runEvents, workflowExecutions, workspaces } from "./tables.ts";

export type ExecutionRow = typeof workflowExecutions.$inferSelect;
export type AgentRow = typeof agentExecutions.$inferSelect;
export type EventRow = typeof runEvents.$inferSelect;
export type BodyRow = typeof bodies.$inferSelect;
export type CursorRow = typeof projectionCursor.$inferSelect;
export type WorkspaceRow = typeof workspaces.$inferSelect;

export function executionRow(run: KnownRun): ExecutionRow {
  const view = viewRun(run);
  const last = run.attempts.at(-1);
  const hasCompleted = view.status === "completed" || view.status === "partially_completed";
  return {
    workspace: run.request.workspace,
    sessionId: view.sessionId,
    workflowId: view.workflowId,
    correlationId: view.correlationId,
    remoteIds: view.remoteIds,
    origin: view.origin,
    isForceSync: view.origin === "ours",
    status: view.status === "requested" ? "triggered" : view.status,
    reason: view.reason,
    ...askedFor(run),
    ...lineageOf(view),
    triggerTimestamp: view.requestedAt,
    startedAt: view.acceptedAt,
    completedAt: hasCompleted ? view.endedAt : null,
    failedAt: isEnded(run) && !hasCompleted ? view.endedAt : null,
    endedAt: view.endedAt,
    errorMessage: last?.state === "failed" ? describeFailure(last.failure, last.httpStatus) : null,
    currentPhase: view.phase,
    progressPercent: view.progressPercent,
    expectedAgents: view.expectedAgents,
    completedAgents: view.completedAgents,
    failedAgents: view.agents.filter((agent) => agent.state === "failed" || agent.state === "timed_out").length,
    fallbackAgents: view.agents.filter((agent) => agent.fallback !== null).length,
    triggerAttempts: run.attempts.length,
    escalations: view.escalations.length,
    credentialRefused: view.credential?.credential ?? null,
    updatedAt: view.updatedAt,
    seq: run.seq,
  };
}

function askedFor({ request }: KnownRun) {
  const { client } = request;
  return {
    syncScope: request.scope,
    clientName: client.name,
    industry: client.industry ?? null,
    companySize: client.companySize ?? null,
    currentCapabilities: client.currentCapabilities ?? null,
    businessObjectives: client.businessObjectives ?? null,
    additionalMarketingTechnology: client.additionalMarketingTechnology ?? null,
    timelinePreference: client.timelinePreference ?? null,
    budgetRange: client.budgetRange ?? null,
    recipients: client.recipients ?? null,
    triggerSource: request.source,
    priority: request.priority,
    agentFilter: request.agentFilter,
    timeoutOverrideMs: request.timeoutOverrideMs,
    triggeredBy: request.actor,
  };
}

function lineageOf({ sessionId, lineage, retriedAs }: RunView) {
  return {
    attempt: lineage?.attempt ?? 1,
    rootSessionId: lineage?.rootId ?? sessionId,
    retryOf: lineage?.retryOf ?? null,
    retriedAs: retriedAs.at(-1)?.sessionId ?? null,
  };
}

/** The agents that the events change, as they are now; with a run's whole log, all of its agents. */
export function agentRows(run: KnownRun, events: readonly RunEvent[]): AgentRow[] {
  const changedBy = new Map<AgentId, number>();
  for (const event of events) for (const id of changedAgents(run, event)) changedBy.set(id, event.seq);
  return viewRun(run).agents.flatMap((agent, index) => {
    const seq = changedBy.get(agent.id);
    return seq === undefined ? [] : [agentRow(run, agent, index + 1, seq)];
  });
}

function changedAgents(run: KnownRun, event: RunEvent): readonly AgentId[] {
  switch (event.type) {
    case "requested":
    case "adopted":
    case "ended":
      return run.request.workflow.agents.map(({ id }) => id);
    case "rerun_over":
      return run.reruns.find(({ rerun }) => rerun === event.rerun)?.agents ?? [];
    default:
      return agentsOf(event);
  }
}

const AGENT_TYPES: Readonly<Record<Phase, string>> = { 1: "data", 2: "design", 3: "plan" };

function agentRow(run: KnownRun, agent: AgentView, executionOrder: number, seq: number): AgentRow {
  return {
    workspace: run.request.workspace,
    sessionId: run.request.sessionId,
    agentId: agent.id,
    agentType: AGENT_TYPES[agent.phase],
    executionOrder,
    status: agent.state === "waiting" ? "pending" : agent.state,
    startedAt: agent.startedAt,
    completedAt: agent.endedAt,
    durationMs: agent.startedAt !== null && agent.endedAt !== null ? agent.endedAt - agent.startedAt : null,
    confidence: agent.confidence,
    isLate: agent.isLate,
    isQuarantined: agent.isQuarantined,
    resultId: agent.resultId,
    errorMessage: agent.reason,
    timeoutMs: agent.limitMs,
    retryCount: agent.reruns,
    maxRetries: agent.rerunsAllowed,
    fallbackMethod: agent.fallback?.method ?? null,
    fallbackSessionId: agent.fallback?.fromSessionId ?? null,
    fallbackConfidence: agent.fallback?.result.confidence ?? null,
    fallbackAt: agent.fallback?.resultAt ?? null,
    seq,
  };
}

export function eventRows(run: KnownRun, events: readonly RunEvent[]): EventRow[] {
  const { workspace, sessionId } = run.request;
  return events.map(({ seq, at, type, ...data }) => ({ workspace, sessionId, seq, at, type, data }));
}

/** A body as the log speaks of it. */
export interface LoggedBody {
  readonly bodyId: string;
  readonly bytes: number;
  readonly sha256: string;
}

/** The body that came with the event; a result that stands in for another has its body in another session. */
export function bodyOf(event: RunEvent): LoggedBody | undefined {
  if (event.type === "delivery_recorded") {
    const { deliveryId: bodyId, bytes, sha256 } = event;
    return { bodyId, bytes, sha256 };
  }
  if (event.type === "fallback_used" || !("result" in event) || event.result.bytes === 0) return undefined;
  return event.result;
}

export function bodyRows(run: KnownRun, bodyId: string, source: ProjectionSource): BodyRow[] {
  const { workspace, sessionId } = run.request;
  return source.bodyParts(bodyId).map((bytes, part) => ({ workspace, sessionId, bodyId, part, bytes }));
}

export function workspaceRow(run: KnownRun): WorkspaceRow {
  return { workspace: run.request.workspace };
}

/** The session is written up to this event. */
export function cursorRow(run: KnownRun, seq: number): CursorRow {
  return { source: objectName(run.request.workspace, run.request.sessionId), seq };
}
