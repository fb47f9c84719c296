// The last run that went well, shown while things go badly. It is old data and says so; it never makes anything a success.
import type { RunSummary } from "../sync/report.ts";

/** Older than this it is no longer shown, in ms. */
const FALLBACK_AGE_MS = 2 * 60 * 60_000;
const RECENT_RUNS = 10;

export interface Fallback {
  /** The last run in which every agent completed, if that is recent enough. */
  readonly lastGood: { readonly run: RunSummary; readonly endedAt: number; readonly expiresAt: number } | null;
  readonly recent: readonly RunSummary[];
}

/** `runs` newest first; what ended before `clearedAt` has been cleared away by an administrator. */
export function fallbackOf(runs: readonly RunSummary[], clearedAt: number, now: number): Fallback {
  const good = runs
    .filter((run) => run.status === "completed" && run.endedAt !== null && run.endedAt > clearedAt)
    .toSorted((a, b) => (b.endedAt ?? 0) - (a.endedAt ?? 0))[0];
  const endedAt = good?.endedAt ?? 0;
  const expiresAt = endedAt + FALLBACK_AGE_MS;
  return {
    lastGood: good !== undefined && now <= expiresAt ? { run: good, endedAt, expiresAt } : null,
    recent: runs.slice(0, RECENT_RUNS),
  };
}

/** Runs of ours that ended badly since the last one that did not; cancelled ones say nothing either way. */
export function failuresInARow(runs: readonly RunSummary[]): number {
  const ended = runs.filter((run) => run.isOver && run.origin === "ours" && run.status !== "cancelled");
  const firstGood = ended.findIndex((run) => run.status === "completed" || run.status === "partially_completed");
  return firstGood === -1 ? ended.length : firstGood;
}
