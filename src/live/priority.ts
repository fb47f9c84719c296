// How much each live event matters, in tables: `min_priority` of a filter goes by them.
import type { EndStatus, Verdict } from "../sync/run/events.ts";
import type { AgentLabel } from "../sync/run/view.ts";
import type { Priority } from "./event.ts";

/** agent_status_change, by the agent's new status. */
export const STATUS_PRIORITY: Readonly<Record<AgentLabel, Priority>> = {
  waiting: "low",
  running: "low",
  rerunning: "medium",
  completed: "medium",
  skipped: "medium",
  failed: "high",
  timed_out: "high",
};

/** workflow_progress_update: whether the run itself has another status now. */
export const PROGRESS_PRIORITY: Readonly<Record<"same_status" | "new_status", Priority>> = {
  same_status: "low",
  new_status: "medium",
};

export type Threshold = "normal" | "warning" | "critical";

/** performance_metric_update. */
export const THRESHOLD_PRIORITY: Readonly<Record<Threshold, Priority>> = {
  normal: "low",
  warning: "medium",
  critical: "high",
};

/** webhook_processed. */
export const VERDICT_PRIORITY: Readonly<Record<Verdict, Priority>> = {
  processed: "low",
  late: "medium",
  ignored: "low",
  quarantined: "high",
};

/** workflow_completed and force_sync_completed. */
export const END_PRIORITY: Readonly<Record<EndStatus, Priority>> = {
  completed: "high",
  partially_completed: "high",
  cancelled: "high",
  failed: "critical",
  timed_out: "critical",
};

// error_notification and system_health_alert have their severity for priority.
