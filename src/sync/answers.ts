// Runs in the API's words: what the force sync and workflow status endpoints answer. Inside we have our own.

import { z } from "zod";
import { type StoredResult, summariseResult } from "../opal/results.ts";
import { runIdsFrom } from "../platform/ids.ts";
import { iso } from "../platform/iso.ts";
import { estimateAnswer } from "../workspace/estimate-answers.ts";
import type { GrantedSync } from "../workspace/granted.ts";
import type { Expected } from "../workspace/learn.ts";
import type { HeldDelivery, QueuedSync } from "../workspace/overview.ts";
import { pollingAdvice } from "./run/progress.ts";
import { type AgentView, describeFailure, type RunView } from "./run/view.ts";
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

/** The trigger: the run is granted, or waits for its turn. Says nothing about OPAL, and says the same when repeated. */
export function triggerAnswer(sync: GrantedSync) {
  const { sessionId } = sync;
  const ids = runIdsFrom(sessionId);
  const isQueued = sync.outcome === "queued";
  return {
    success: true as const,
    message: isQueued
      ? "Another run has to end first; this one starts by itself then."
      : "Force sync started; follow its status for the outcome.",
    session_id: sessionId,
    correlation_id: ids?.correlationId ?? null,
    workflow_id: ids?.workflowId ?? null,
    status: "initiated" as const,
    state: isQueued ? ("queued" as const) : ("requested" as const),
    reason: null,
    progress: 0,
    sync_scope: sync.scope,
    expected_agents: sync.expectedAgents.length,
    agents_scheduled: sync.expectedAgents,
    attempt: sync.attempt,
    retry_of: sync.retryOf,
    cancelled_session: sync.cancelled,
    ...estimateAnswer(sync.estimate, sync.record),
    created_at: iso(sync.at),
    updated_at: iso(sync.at),
    completed_at: null,
    polling_url: statusUrl(sessionId),
    status_url: statusUrl(sessionId),
    live_url: `/api/force-sync/live/${sessionId}`,
  };
}

/** Agents of a run under way run once more. */
export function rerunAnswer(sync: GrantedSync) {
  const { sessionId } = sync;
  const ids = runIdsFrom(sessionId);
  return {
    success: true as const,
    message: "These agents run once more within the same run.",
    session_id: sessionId,
    correlation_id: ids?.correlationId ?? null,
    workflow_id: ids?.workflowId ?? null,
    status: "in_progress" as const,
    state: "running" as const,
    rerun_agents: sync.expectedAgents,
    created_at: iso(sync.at),
    status_url: statusUrl(sessionId),
  };
}

/** Status of a run that has not begun. */
export function queuedAnswer(queued: QueuedSync, holder: string | null) {
  const ids = runIdsFrom(queued.sessionId);
  return {
    success: true as const,
    session_id: queued.sessionId,
    correlation_id: ids?.correlationId ?? null,
    workflow_id: ids?.workflowId ?? null,
    status: "initiated" as const,
    state: "queued" as const,
    reason: null,
    message: "Waiting for another run to end.",
    progress: 0,
    sync_scope: queued.scope,
    triggered_by: queued.actor,
    waiting_for: holder,
    created_at: iso(queued.queuedAt),
    expires_at: iso(queued.expiresAt),
    polling: pollingAdvice(false, SYNC_POLL_MS),
  };
}

/** A run that was withdrawn before it had begun. */
export function withdrawnAnswer(queued: QueuedSync) {
  const { polling: _polling, ...answer } = queuedAnswer(queued, null);
  const message = "The run was withdrawn before it had begun.";
  const outcome = { status: "failed" as const, state: "cancelled" as const, cancelled: true as const };
  return { ...answer, ...outcome, confirmed: true, message };
}

/** Deliveries that came again, and those that shared their dedup key with another body; the latter are processed too. */
export interface Repeats {
  readonly duplicates: number;
  readonly conflicts: number;
}

/** Status. */
export function statusAnswer(run: RunView, repeats: Repeats, expected?: Expected) {
  return {
    success: true as const,
    ...identity(run),
    ...outcome(run),
    message: run.message,
    ...(run.status === "failed" || run.status === "timed_out" ? { error: run.message } : {}),
    retry_attempts: Math.max(0, run.attempts.filter((attempt) => attempt.rerun === null).length - 1),
    attempts: run.attempts.map((attempt, index) => ({
      attempt: attempt.attempt,
      purpose: attempt.rerun === null ? "start" : `rerun ${attempt.rerun}`,
      state: attempt.state,
      started_at: iso(attempt.startedAt),
      ended_at: attempt.state === "calling" ? null : iso(attempt.endedAt),
      http_status: attempt.state === "calling" ? null : attempt.httpStatus,
      reason: attempt.state === "failed" ? describeFailure(attempt.failure, attempt.httpStatus) : null,
      error_class: attempt.state === "failed" ? attempt.failure : null,
      next_attempt_at: attempt.state === "failed" ? iso(attempt.retryAt) : null,
      /** How long was waited before this attempt. */
      waited_ms: waitedMs(run.attempts, index),
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
      fallback: fallbackAnswer(agent),
      attempts: 1 + agent.reruns,
      retry_count: agent.reruns,
      max_retries: agent.rerunsAllowed,
      timeout_ms: agent.limitMs,
      execution_time_ms: agent.startedAt !== null && agent.endedAt !== null ? agent.endedAt - agent.startedAt : null,
      success_at: agent.state === "completed" ? iso(agent.endedAt) : null,
    })),
    reruns: run.reruns.map((rerun) => ({
      rerun: rerun.rerun,
      agents: rerun.agents,
      because: rerun.because,
      asked_for_by: rerun.actor,
      reduced_scope: rerun.isReduced,
      requested_at: iso(rerun.requestedAt),
      accepted_at: iso(rerun.acceptedAt),
      opal_workflow_id: rerun.remoteId,
      over: rerun.isOver,
    })),
    waiting: run.postponed && { because: run.postponed.because, until: iso(run.postponed.until) },
    escalations: run.escalations.map(({ because, agentId, count, at }) => ({
      because,
      agent_id: agentId,
      count,
      at: iso(at),
    })),
    credential_refused: run.credential && {
      credential: run.credential.credential,
      http_status: run.credential.httpStatus,
      agent_id: run.credential.agentId,
      at: iso(run.credential.at),
    },
    can_retry: run.isRetriable,
    can_resume: run.isResumable,
    attempt: run.lineage?.attempt ?? 1,
    retry_of: run.lineage?.retryOf ?? null,
    root_session_id: run.lineage?.rootId ?? run.sessionId,
    retried_as: run.retriedAs.map(({ sessionId, attempt, how, actor, at }) => ({
      session_id: sessionId,
      attempt,
      how,
      by: actor,
      at: iso(at),
      status_url: statusUrl(sessionId),
    })),
    carried_over: run.carriedOver.map(({ agentId, sessionId, result, at }) => ({
      agent_id: agentId,
      from_session_id: sessionId,
      confidence_score: result.confidence,
      result_at: iso(at),
      result_url: resultUrl(sessionId, agentId),
    })),
    agent_filter: run.agentFilter,
    timeout_override_ms: run.timeoutOverrideMs,
    trigger_source: run.source,
    priority: run.priority,
    total_runtime_ms: run.endedAt === null ? null : run.endedAt - run.requestedAt,
    seq: run.seq,
    completed_agents: run.completedAgents,
    expected_agents: run.expectedAgents,
    below_threshold_agents: run.agents.filter((agent) => agent.isBelowThreshold).length,
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
    ...(expected ? estimateAnswer(expected.estimate, expected.record) : {}),
  };
}

/** A result of another run, said to be one wherever it is shown. */
function fallbackAnswer({ id, fallback }: AgentView) {
  if (fallback === null) return null;
  const { method, fromSessionId, result, resultAt } = fallback;
  return {
    method,
    cached: true as const,
    from_session_id: fromSessionId,
    confidence_score: result.confidence,
    result_at: iso(resultAt),
    result_url: resultUrl(fromSessionId, id),
  };
}

function waitedMs(attempts: RunView["attempts"], index: number): number | null {
  const attempt = attempts[index];
  const before = attempts.slice(0, index).findLast((earlier) => earlier.rerun === attempt?.rerun);
  return attempt && before && before.state !== "calling" ? attempt.startedAt - before.endedAt : null;
}

/** What is known of OPAL's side, in the API's words; null until OPAL has accepted the run. */
export function opalStatus(run: RunView): DocumentStatus | null {
  return run.acceptedAt === null ? null : DOCUMENT_STATUS[run.status];
}

export function resultUrl(sessionId: string, agentId: string): string {
  return `/api/force-sync/results/${sessionId}/${agentId}`;
}

const qualityMetrics = z.looseObject({ data_quality_metrics: z.record(z.string(), z.unknown()) });

/** What every result is said with, whatever its family. */
export function resultEnvelope(result: StoredResult, endedAt: number | null) {
  const quality = qualityMetrics.safeParse(result.output);
  return {
    execution_timestamp: iso(endedAt),
    confidence_score: result.confidence,
    /** Only what the agent said itself. */
    data_quality_metrics: quality.success ? quality.data.data_quality_metrics : null,
    summary: summariseResult(result),
  };
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

/** Workflow status of a run that has not begun. */
export function queuedWorkflowAnswer(queued: QueuedSync, askedFor: string) {
  const answer = queuedAnswer(queued, null);
  return {
    ...answer,
    workflow_id: askedFor,
    internal_workflow_id: answer.workflow_id,
    opal_workflow_id: null,
    polling: {
      ...pollingAdvice(false, WORKFLOW_POLL_MS),
      next_poll_url: `/api/opal/workflow-status/${encodeURIComponent(askedFor)}`,
    },
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
