// What decides whether a run may start, in the API's words.

import { iso } from "../platform/iso.ts";
import { statusUrl } from "../sync/answers.ts";
import type { RunSummary } from "../sync/report.ts";
import type { ControlDetails } from "./control.ts";
import type { Fallback } from "./fallback.ts";
import type { LogEntry } from "./log.ts";
import type { BreakerState, Control } from "./overview.ts";

export function controlAnswer(control: Control, activeSessionId: string | null) {
  return {
    success: true as const,
    triggering: switchAnswer(control),
    breaker: breakerAnswer(control.breaker),
    queued: control.queued && {
      session_id: control.queued.sessionId,
      queued_by: control.queued.actor,
      queued_at: iso(control.queued.queuedAt),
      expires_at: iso(control.queued.expiresAt),
      status_url: statusUrl(control.queued.sessionId),
    },
    active_session: activeSessionId,
  };
}

export function switchAnswer({ switchedOff }: Control) {
  if (switchedOff === null) return { enabled: true as const };
  const { by, at, reason } = switchedOff;
  return { enabled: false as const, disabled_by: by, disabled_at: iso(at), reason };
}

export function breakerDetails({ breaker, rules, calls, counters }: ControlDetails) {
  return {
    success: true as const,
    destination: "opal",
    ...breakerAnswer(breaker),
    rules: {
      failures_to_open: rules.failures,
      window_ms: rules.windowMs,
      open_ms: rules.openMs,
      successes_to_close: rules.successes,
      calls_while_half_open: rules.probes,
    },
    last_calls: calls.map(({ sessionId, attempt, verdict, at }) => ({
      session_id: sessionId,
      attempt,
      outcome: verdict,
      at: iso(at),
    })),
    counters,
  };
}

export function breakerAnswer({ state, since, failures, successes, retryAt }: BreakerState) {
  return { state, since: iso(since), failures_in_window: failures, successes, retry_at: iso(retryAt) };
}

export function logEntryAnswer({ seq, at, type, actor, data }: LogEntry) {
  return { seq, at: iso(at), type, actor, ...data };
}

/** Old data, and never said to be anything else. */
export function fallbackAnswer({ lastGood, recent }: Fallback, now: number) {
  return {
    success: true as const,
    cached: true as const,
    note: "Earlier runs, for orientation. They say nothing about a run that is under way or has just failed.",
    last_good: lastGood && {
      ...runAnswer(lastGood.run),
      cached_at: iso(lastGood.endedAt),
      age_ms: now - lastGood.endedAt,
      expires_at: iso(lastGood.expiresAt),
    },
    last_good_reason: lastGood === null ? "No run completed in the last two hours." : null,
    recent: recent.map(runAnswer),
    statistics: {
      runs: recent.length,
      completed: recent.filter((run) => run.status === "completed").length,
      partially_completed: recent.filter((run) => run.status === "partially_completed").length,
      failed: recent.filter((run) => run.status === "failed" || run.status === "timed_out").length,
    },
  };
}

export function runAnswer(run: RunSummary) {
  return {
    session_id: run.sessionId,
    correlation_id: run.correlationId,
    workflow_id: run.workflowId,
    state: run.status,
    progress: run.progressPercent,
    client_name: run.clientName,
    started_at: iso(run.requestedAt),
    ended_at: iso(run.endedAt),
    fallbacks: run.fallbacks,
    status_url: statusUrl(run.sessionId),
  };
}
