// The list of runs, kept up to date from the workspace's feed. Pure.
import type { Overview, OverviewChange } from "../workspace/overview.ts";

/** As many as the workspace itself keeps for its overview. */
const RUNS_KEPT = 50;

export function applyOverviewChange(overview: Overview, { run, activeSessionId }: OverviewChange): Overview {
  const others = overview.runs.filter((known) => known.sessionId !== run.sessionId);
  const runs = [...others, run].sort((a, b) => b.requestedAt - a.requestedAt).slice(0, RUNS_KEPT);
  return { activeSessionId, runs };
}
