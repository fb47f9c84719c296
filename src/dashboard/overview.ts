// The list of runs and what controls them, kept up to date from the workspace's feed. Pure.
import type { RunSummary } from "../sync/report.ts";
import type { Overview, OverviewChange } from "../workspace/overview.ts";

/** As many as the workspace itself keeps for its overview. */
const RUNS_KEPT = 50;

export function applyOverviewChange(overview: Overview, { run, ...now }: OverviewChange): Overview {
  return { ...now, runs: run === null ? overview.runs : withRun(overview.runs, run) };
}

function withRun(runs: readonly RunSummary[], run: RunSummary): readonly RunSummary[] {
  const others = runs.filter((known) => known.sessionId !== run.sessionId);
  return [...others, run].sort((a, b) => b.requestedAt - a.requestedAt).slice(0, RUNS_KEPT);
}
