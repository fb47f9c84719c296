// A workspace's schedules and what became of each of their firings.
import { z } from "zod";

/** Per workspace. */
export const MAX_SCHEDULES = 50;

export const ON_BUSY = ["skip", "queue"] as const;
export const FIRING_OUTCOMES = ["started", "queued", "skipped", "missed", "refused"] as const;

/** What a firing asks for. */
export const scheduleCommand = z.object({
  scope: z.string(),
  /** Null for all agents. */
  agentFilter: z.array(z.string()).nullable(),
  client: z.object({ name: z.string().optional(), industry: z.string().optional() }),
});

export type ScheduleCommand = z.infer<typeof scheduleCommand>;

/** What its owner can change of a schedule. */
export interface ScheduleSettings {
  readonly name: string;
  readonly cron: string;
  /** IANA name, as its owner spelled it. */
  readonly timeZone: string;
  readonly command: ScheduleCommand;
  /** Whether a firing that meets an active run is dropped or waits for its end. */
  readonly onBusy: (typeof ON_BUSY)[number];
}

/** Times are in ms since the epoch. */
export interface Schedule extends ScheduleSettings {
  readonly id: string;
  readonly createdBy: string;
  readonly createdAt: number;
  readonly pausedAt: number | null;
  readonly pausedBy: string | null;
  /** The first firing that nothing was done about yet; null when none will come. */
  readonly nextAt: number | null;
}

export interface ScheduleFiring {
  readonly scheduleId: string;
  readonly scheduledFor: number;
  readonly outcome: (typeof FIRING_OUTCOMES)[number];
  /** Why it did not start, for people. */
  readonly reason: string | null;
  readonly sessionId: string | null;
  readonly at: number;
  readonly isLate: boolean;
}
