// What the workspace shows of itself. Plain types: the dashboard reads them too.
import type { RunSummary } from "../sync/report.ts";

/** All triggering is switched off. */
export interface SwitchedOff {
  readonly by: string;
  readonly at: number;
  readonly reason: string;
}

/** The one run that waits for its turn. */
export interface QueuedSync {
  readonly sessionId: string;
  readonly actor: string;
  readonly scope: string;
  readonly queuedAt: number;
  readonly expiresAt: number;
}

/** The circuit breaker between this workspace and OPAL. */
export interface BreakerState {
  readonly state: "closed" | "open" | "half_open";
  readonly since: number | null;
  readonly failures: number;
  readonly successes: number;
  /** When OPAL will be tried again; null while nothing stands in the way. */
  readonly retryAt: number | null;
}

/** What decides whether a run may start. */
export interface Control {
  readonly switchedOff: SwitchedOff | null;
  readonly breaker: BreakerState;
  readonly queued: QueuedSync | null;
}

export interface Overview extends Control {
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
export interface OverviewChange extends Control {
  /** The run it is about; null when only the control changed. */
  readonly run: RunSummary | null;
  readonly activeSessionId: string | null;
}
