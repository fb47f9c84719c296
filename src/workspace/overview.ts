// What the workspace shows of itself. Plain types: the dashboard reads them too.
import type { RunSummary } from "../sync/report.ts";

export interface Overview {
  readonly activeSessionId: string | null;
  /** Newest first. */
  readonly runs: readonly RunSummary[];
}

/** A delivery whose run is not known. */
export interface HeldDelivery {
  readonly deliveryId: string;
  readonly remoteId: string | null;
  readonly heldSince: number;
  readonly bytes: number;
  readonly repeats: number;
}

/** One numbered change of the overview feed. */
export interface OverviewChange {
  readonly run: RunSummary;
  readonly activeSessionId: string | null;
}
