// A workspace as its overview shows it: as usual, and with each thing that keeps a run from starting.
import type { BreakerState, Control, Overview, QueuedSync, SwitchedOff } from "../../src/workspace/overview.ts";

export const T0 = Date.UTC(2026, 0, 5, 9, 0, 0);

const CLOSED: BreakerState = { state: "closed", since: null, failures: 0, successes: 0, retryAt: null };

export const AS_USUAL: Control = { switchedOff: null, breaker: CLOSED, queued: null };
export const NOBODY: Overview = { ...AS_USUAL, activeSessionId: null, runs: [] };

export const SWITCHED_OFF: SwitchedOff = { by: "ada@osa.localhost", at: T0, reason: "OPAL is being moved" };

export const QUEUED: QueuedSync = {
  sessionId: "sync-7",
  actor: "ada@osa.localhost",
  scope: "quick",
  queuedAt: T0,
  expiresAt: T0 + 7_200_000,
};

/** Opened by so many failures; OPAL is tried again at `retryAt`. */
export function openBreaker(retryAt: number | null, failures = 3): BreakerState {
  return { state: "open", since: T0, failures, successes: 0, retryAt };
}

export const HALF_OPEN: BreakerState = {
  state: "half_open",
  since: T0,
  failures: 0,
  successes: 1,
  retryAt: T0 + 5_000,
};
