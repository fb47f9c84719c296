// What the workspace shows of itself. Plain types: the dashboard reads them too.
import type { RunSummary } from "../sync/report.ts";

export interface Overview {
  readonly activeSessionId: string | null;
  /** Newest first. */
  readonly runs: readonly RunSummary[];
}

/** One numbered change of the overview feed. */
export interface OverviewChange {
  readonly run: RunSummary;
  readonly activeSessionId: string | null;
}
