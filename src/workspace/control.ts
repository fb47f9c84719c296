// Plain types of what the workspace's control and its cron minute answer.
import type { BreakerRules } from "../platform/breaker.ts";
import type { BreakerCall } from "./control-journal.ts";
import type { Control } from "./overview.ts";

export interface ControlDetails extends Control {
  readonly rules: BreakerRules;
  /** Newest first. */
  readonly calls: readonly BreakerCall[];
  readonly counters: Readonly<Record<string, number>>;
}

/** What the cron minute found and did. */
export interface SweepCounts {
  readonly overdue: number;
  readonly leasesRecovered: number;
  readonly fired: number;
  readonly skipped: number;
  readonly missed: number;
}
