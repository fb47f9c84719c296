// Runs in the API's words: what the force sync and workflow status endpoints answer. Inside we have our own.

import { runIdsFrom } from "../platform/ids.ts";
import type { HeldDelivery } from "../workspace/overview.ts";
import { pollingAdvice } from "./run/progress.ts";
import { describeFailure, type RunView } from "./run/view.ts";
import type { workflowExecutions } from "./tables.ts";

const SYNC_POLL_MS = 2_000;
const WORKFLOW_POLL_MS = 3_000;
const POLL_AFTER_MISS_MS = 5_000;
const MISSES_ALLOWED = 15;

type DocumentStatus = "initiated" | "in_progress" | "completed" | "failed";

const DOCUMENT_STATUS: Readonly<Record<RunView["status"], DocumentStatus>> = {
  requested: "initiated",
  running: "in_progress",
  completed: "completed",
  partially_completed: "completed",
  failed: "failed",
  cancelled: "failed",
  timed_out: "failed",
};

export function statusUrl(sessionId: string): string {
  return `/api/force-sync/status/${sessionId}`;
}

/** The trigger: the session is durable and OPAL is about to be called. Says nothing about OPAL. */
export function triggerAnswer(run: RunView) {
  return {
    success: true as const,
    message: "Force sync started; follow its status for the outcome.",
    ...identity(run),
    ...outcome(run),
    polling_url: statusUrl(run.sessionId),
    status_url: statusUrl(run.sessionId),
    live_url: `/api/force-sync/live/${run.sessionId}`,
  };
}

/** The trigger, while the session has not confirmed its start. */
export function grantedAnswer(sessionId: string, { detail }: { readonly detail?: string }) {
  const ids = runIdsFrom(sessionId);
  return {
    success: true as const,
    message: detail ?? "The run is granted and about to start.",
    session_id: sessionId,
    correlation_id: ids?.correlationId ?? null,
    workflow_id: ids?.workflowId ?? null,
    status: "initiated" as const,
    state: "requested" as const,
    progress: 0,
    polling_url: statusUrl(sessionId),
    status_url: statusUrl(sessionId),
    live_url: `/api/force-sync/live/${sessionId}`,
  };
}

/** Deliveries that came again, and those that shared their dedup key with another body; the latter are processed too. */
export interface Repeats {
  readonly duplicates: number;
  readonly conflicts: number;
}

/** Status. */
export function statusAnswer(run: RunView, repeats: Repeats) {
  return {
    success: true as const,
    ...identity(run),
    ...outcome(run),
    message: run.message,
    ...(run.status === "failed" || run.status === "timed_out" ? { error: run.message } : {}),
    retry_attempts: Math.max(0, run.attempts.length - 1),
    attempts: run.attempts.map((attempt) => ({
      attempt: attempt.attempt,
      state: attempt.state,
      started_at: iso(attempt.startedAt),
      ended_at: attempt.state === "calling" ? null : iso(attempt.endedAt),
      http_status: attempt.state === "calling" ? null : attempt.httpStatus,
      reason: attempt.state === "failed" ? describeFailure(attempt.failure, attempt.httpStatus) : null,
      error_class: attempt.state === "failed" ? attempt.failure : null,
      next_attempt_at: attempt.state === "failed" ? iso(attempt.retryAt) : null,
    })),
    attempts_allowed: run.attemptsAllowed,
    next_attempt_at: iso(run.nextAttemptAt),
    phase: run.phase,
    agents: run.agents.map((agent) => ({
      agent_id: agent.id,
      name: agent.name,
      status: agent.state,
      phase: agent.phase,
      started_at: iso(agent.startedAt),
      ended_at: iso(agent.endedAt),
      deadline_at: iso(agent.deadlineAt),
      confidence_score: agent.confidence,
      below_threshold: agent.isBelowThreshold,
      late: agent.isLate,
      quarantined: agent.isQuarantined,
      reason: agent.reason,
      result_url: agent.resultId === null ? null : resultUrl(run.sessionId, agent.id),
    })),
    completed_agents: run.completedAgents,
    expected_agents: run.expectedAgents,
    sync_scope: run.scope,
    client_name: run.clientName,
    triggered_by: run.actor,
    origin: run.origin,
    opalCorrelationId: run.correlationId,
    opalWorkflowId: run.remoteIds[0] ?? null,
    opal_workflow_ids: run.remoteIds,
    opalStatus: opalStatus(run),
    opalProgress: run.acceptedAt === null ? null : run.progressPercent,
    double_starts: run.doubleStarts,
    late_results: run.attachedResults,
    deliveries: { ...run.deliveries, duplicate: repeats.duplicates, dedup_conflict: repeats.conflicts },
    polling: pollingAdvice(run.isOver, SYNC_POLL_MS),
  };
}

/** What is known of OPAL's side, in the API's words; null until OPAL has accepted the run. */
export function opalStatus(run: RunView): DocumentStatus | null {
  return run.acceptedAt === null ? null : DOCUMENT_STATUS[run.status];
}

export function resultUrl(sessionId: string, agentId: string): string {
  return `/api/force-sync/results/${sessionId}/${agentId}`;
}

/** Cancel. */
export function cancelAnswer(run: RunView, isConfirmed: boolean) {
  return {
    success: true as const,
    confirmed: isConfirmed,
    message: isConfirmed ? "The run is cancelled." : "The run is being cancelled; a call to OPAL is still ending.",
    ...identity(run),
    ...outcome(run),
  };
}

/** Workflow status, by whichever id was asked for. */
export function workflowAnswer(run: RunView, askedFor: string) {
  return {
    success: true as const,
    ...identity(run),
    workflow_id: askedFor,
    internal_workflow_id: run.workflowId,
    opal_workflow_id: run.remoteIds[0] ?? null,
    ...outcome(run),
    message: run.message,
    polling: {
      ...pollingAdvice(run.isOver, WORKFLOW_POLL_MS),
      ...(run.isOver ? {} : { next_poll_url: `/api/opal/workflow-status/${encodeURIComponent(askedFor)}` }),
    },
  };
}

export function heldDelivery(held: HeldDelivery) {
  return {
    webhook_id: held.deliveryId,
    opal_workflow_id: held.remoteId,
    held_since: iso(held.heldSince),
    bytes: held.bytes,
    repeats: held.repeats,
  };
}

/** One run of the history. */
export function listedRun(row: typeof workflowExecutions.$inferSelect) {
  return {
    session_id: row.sessionId,
    correlation_id: row.correlationId,
    workflow_id: row.workflowId,
    opal_workflow_ids: row.remoteIds,
    origin: row.origin,
    state: row.status,
    reason: row.reason,
    sync_scope: row.syncScope,
    client_name: row.clientName,
    triggered_by: row.triggeredBy,
    progress: row.progressPercent,
    completed_agents: row.completedAgents,
    failed_agents: row.failedAgents,
    expected_agents: row.expectedAgents,
    trigger_attempts: row.triggerAttempts,
    error: row.errorMessage,
    created_at: iso(row.triggerTimestamp),
    started_at: iso(row.startedAt),
    completed_at: iso(row.completedAt ?? row.failedAt),
    status_url: statusUrl(row.sessionId),
  };
}

/** What a poller that met an unknown id should do; `miss` counts its misses so far, this one included. */
export function missAdvice(miss: number) {
  const remaining = Math.max(0, MISSES_ALLOWED - miss);
  return {
    polling: { ...pollingAdvice(remaining === 0, POLL_AFTER_MISS_MS), max_attempts_remaining: remaining },
    suggestions: [
      "Check the id: session, correlation, workflow and OPAL ids are all accepted.",
      "A workflow that OPAL started by itself is known once its first webhook has arrived.",
    ],
  };
}

function identity(run: RunView) {
  return { session_id: run.sessionId, correlation_id: run.correlationId, workflow_id: run.workflowId };
}

function outcome(run: RunView) {
  return {
    status: DOCUMENT_STATUS[run.status],
    /** Our own word, where the API has only one for several. */
    state: run.status,
    reason: run.reason,
    ...(run.status === "partially_completed" ? { partial: true as const } : {}),
    ...(run.status === "cancelled" ? { cancelled: true as const } : {}),
    ...(run.isCancelling ? { cancelling: true as const } : {}),
    progress: run.progressPercent,
    created_at: iso(run.requestedAt),
    updated_at: iso(run.updatedAt),
    completed_at: iso(run.endedAt),
  };
}

function iso(ms: number): string;
function iso(ms: number | null): string | null;
function iso(ms: number | null): string | null {
  return ms === null ? null : new Date(ms).toISOString();
}
