// What is to be done with one schedule at a given time. Pure.
import { firingsBetween, latestFirings, nextFiring } from "./cron.ts";
import type { Schedule } from "./schedule.ts";

type Timing = Pick<Schedule, "cron" | "timeZone">;

/** Missed firings that are named one by one. */
export const LISTED_MISSED = 100;
/** Counting on would take longer than anybody cares for the number; a pattern can fire every minute. */
export const COUNTED_MISSED = 1_000;

const LATE_MS = 60_000;

export interface DueFiring {
  /** The latest that is due, the one to run. */
  readonly scheduledFor: number;
  /** Earlier ones that nothing was done about, oldest first; the latest 100 if there are more. */
  readonly missed: readonly number[];
  /** 1,000 stands for that many or more. */
  readonly missedCount: number;
  /** The first firing after `now`. */
  readonly nextAt: number | null;
}

/** After downtime one firing makes up for all: the latest. Undefined while nothing is due, and of a paused schedule. */
export function dueFiring(
  schedule: Timing & Pick<Schedule, "pausedAt" | "nextAt">,
  now: number,
): DueFiring | undefined {
  const { cron, timeZone, pausedAt, nextAt } = schedule;
  if (pausedAt !== null || nextAt === null || nextAt > now) return undefined;
  const due = [nextAt, ...latestFirings(cron, timeZone, nextAt, now, LISTED_MISSED + 1)];
  const scheduledFor = due.at(-1) ?? nextAt;
  const missed = due.slice(0, -1).slice(-LISTED_MISSED);
  return {
    scheduledFor,
    missed,
    missedCount: due.length - 1 > LISTED_MISSED ? countMissed(schedule, nextAt, scheduledFor) : missed.length,
    nextAt: nextFiring(cron, timeZone, now),
  };
}

/** The first of them and all that follow before the one that runs. */
function countMissed({ cron, timeZone }: Timing, firstMissed: number, scheduledFor: number): number {
  return 1 + firingsBetween(cron, timeZone, firstMissed, scheduledFor - 1, COUNTED_MISSED - 1).length;
}

/** For a schedule that is created, changed or resumed at `now`: what lies before is neither run nor missed. */
export function nextAtFrom({ cron, timeZone }: Timing, now: number): number | null {
  return nextFiring(cron, timeZone, now);
}

export function isLate(scheduledFor: number, now: number): boolean {
  return now - scheduledFor > LATE_MS;
}
