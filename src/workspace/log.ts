// The workspace's own log: who did what to it, and what it did by itself. Runs have logs of their own.
import { z } from "zod";

export const LOG_TYPES = [
  "sync_granted",
  "sync_queued",
  "sync_refused",
  "sync_withdrawn",
  "lease_released",
  "lease_recovered",
  "foreign_run_adopted",
  "session_lost",
  "breaker_opened",
  "breaker_half_opened",
  "breaker_closed",
  "breaker_reset",
  "switched_off",
  "switched_on",
  "fallback_cleared",
  "schedule_created",
  "schedule_changed",
  "schedule_paused",
  "schedule_resumed",
  "schedule_deleted",
  "schedule_fired",
  "schedule_skipped",
  "schedule_missed",
  "delivery_redelivered",
  "configuration_tested",
  "old_events_cleaned",
] as const;

export const logType = z.enum(LOG_TYPES);
export type LogType = z.infer<typeof logType>;

export const logData = z.record(
  z.string(),
  z.union([z.string(), z.number(), z.boolean(), z.null(), z.array(z.string())]),
);

export interface LogEntry {
  readonly seq: number;
  readonly at: number;
  readonly type: LogType;
  /** A person, a key, a schedule, or the workspace itself. */
  readonly actor: string;
  readonly data: z.infer<typeof logData>;
}

/** The workspace acted by itself. */
export const ITSELF = "workspace";
