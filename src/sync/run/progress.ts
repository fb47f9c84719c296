// How far a run is. Derived from what agents reported and from nothing else: time alone moves no bar.
import type { KnownRun } from "./state.ts";

/** Whole percent: agents that reported an end, out of those expected. */
export function progressPercent(run: KnownRun): number {
  return Math.floor((run.reportedEnds.length * 100) / run.request.workflow.agents.length);
}

/** Advice for callers that poll, in the API's words and numbers. */
export interface PollingAdvice {
  readonly should_continue: boolean;
  readonly interval_ms: number;
}

export function pollingAdvice(isOver: boolean, intervalMs: number): PollingAdvice {
  return { should_continue: !isOver, interval_ms: intervalMs };
}
