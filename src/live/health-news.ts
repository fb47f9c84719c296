// The workspace's own log > live events: what changes whether runs can start and OPAL can be called.
import { runIdsFrom } from "../platform/ids.ts";
import type { LogEntry, LogType } from "../workspace/log.ts";
import type { LiveEvent, News, Priority } from "./event.ts";
import { END_PRIORITY } from "./priority.ts";

interface Alert {
  readonly component: "opal_calls" | "triggering" | "lease" | "session";
  readonly status: "healthy" | "degraded" | "unhealthy";
  readonly severity: Priority;
  readonly message: string;
  /** What people can do; without any, nobody has to. */
  readonly steps: readonly string[];
}

const WAIT_OR_RESET = ["See in OPAL why calls fail.", "Wait for the next try, or reset the circuit breaker."];

const ALERTS: Readonly<Partial<Record<LogType, Alert>>> = {
  breaker_opened: {
    component: "opal_calls",
    status: "unhealthy",
    severity: "critical",
    message: "The circuit breaker opened: OPAL has not been answering.",
    steps: WAIT_OR_RESET,
  },
  breaker_half_opened: {
    component: "opal_calls",
    status: "degraded",
    severity: "medium",
    message: "The circuit breaker lets one call through to see whether OPAL answers again.",
    steps: [],
  },
  breaker_closed: {
    component: "opal_calls",
    status: "healthy",
    severity: "medium",
    message: "The circuit breaker closed: OPAL answers again.",
    steps: [],
  },
  breaker_reset: {
    component: "opal_calls",
    status: "healthy",
    severity: "medium",
    message: "The circuit breaker was reset.",
    steps: [],
  },
  switched_off: {
    component: "triggering",
    status: "unhealthy",
    severity: "critical",
    message: "Triggering was switched off.",
    steps: ["Switch it on again when the reason is gone."],
  },
  switched_on: {
    component: "triggering",
    status: "healthy",
    severity: "medium",
    message: "Triggering was switched on.",
    steps: [],
  },
  lease_recovered: {
    component: "lease",
    status: "healthy",
    severity: "high",
    message: "The lease was taken from a run that no longer held it.",
    steps: [],
  },
  session_lost: {
    component: "session",
    status: "unhealthy",
    severity: "critical",
    message: "A run's own record was lost; the run counts as failed.",
    steps: ["Start the run again."],
  },
};

/** Of each entry that is an alert, in the order given. */
export function healthNews(entries: readonly LogEntry[]): News[] {
  return entries.flatMap((entry) => {
    const alert = ALERTS[entry.type];
    if (alert === undefined) return [];
    const event = alertEvent(entry, alert);
    return [event, ...lostEnds(entry, event)].map((told) => ({ seq: entry.seq, event: told }));
  });
}

/** A run whose record was lost before its end has no log that could tell of it. */
function lostEnds({ type, data }: LogEntry, alert: LiveEvent): LiveEvent[] {
  if (type !== "session_lost" || data.was_over !== false) return [];
  const names =
    data.origin === "ours"
      ? (["workflow_completed", "force_sync_completed"] as const)
      : (["workflow_completed"] as const);
  const { message = null } = alert.data;
  const status = "failed";
  return names.map((name) => ({
    ...alert,
    name,
    priority: END_PRIORITY[status],
    data: { event_type: name, workflowStatus: status, status, reason: type, message },
  }));
}

function alertEvent({ type, at, actor, data }: LogEntry, alert: Alert): LiveEvent {
  const { component, status, severity, message, steps } = alert;
  const sessionId = typeof data.session_id === "string" ? data.session_id : null;
  const workflowId = sessionId === null ? undefined : runIdsFrom(sessionId)?.workflowId;
  return {
    name: "system_health_alert",
    priority: severity,
    sessionId,
    workflowIds: workflowId === undefined ? [] : [workflowId],
    agentId: null,
    at,
    data: {
      alert: type,
      component,
      status,
      severity,
      message,
      action_required: steps.length > 0,
      resolution_steps: steps,
      actor,
      reason: typeof data.reason === "string" ? data.reason : null,
    },
  };
}
