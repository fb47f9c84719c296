// Schedules in the API's words.

import { iso } from "../platform/iso.ts";
import { statusUrl } from "../sync/answers.ts";
import { upcomingFirings } from "./cron.ts";
import type { Schedule, ScheduleFiring } from "./schedule.ts";

const SHOWN_NEXT = 5;

/** `firings` are answered as they come. */
export function scheduleAnswer(schedule: Schedule, firings: readonly ScheduleFiring[], now: number) {
  return {
    id: schedule.id,
    name: schedule.name,
    cron: schedule.cron,
    time_zone: schedule.timeZone,
    sync_scope: schedule.command.scope,
    agent_filter: schedule.command.agentFilter,
    client_context: {
      client_name: schedule.command.client.name ?? null,
      industry: schedule.command.client.industry ?? null,
    },
    on_busy: schedule.onBusy,
    paused: schedule.pausedAt !== null,
    paused_by: schedule.pausedBy,
    paused_at: iso(schedule.pausedAt),
    created_by: schedule.createdBy,
    created_at: iso(schedule.createdAt),
    /** None while it is paused. */
    next_firings: schedule.pausedAt === null ? nextFirings(schedule, now) : [],
    last_firings: firings.map((firing) => ({
      scheduled_for: iso(firing.scheduledFor),
      outcome: firing.outcome,
      reason: firing.reason,
      at: iso(firing.at),
      late: firing.isLate,
      session_id: firing.sessionId,
      status_url: firing.sessionId === null ? null : statusUrl(firing.sessionId),
    })),
  };
}

function nextFirings({ cron, timeZone }: Schedule, now: number): { utc: string; local: string }[] {
  const times = upcomingFirings(cron, timeZone, now, SHOWN_NEXT);
  if (times.length === 0) return [];
  // With the zone's abbreviation or offset, since a clock change repeats an hour.
  const local = new Intl.DateTimeFormat("en-GB", {
    timeZone,
    weekday: "short",
    day: "numeric",
    month: "short",
    year: "numeric",
    hour: "2-digit",
    minute: "2-digit",
    hourCycle: "h23",
    timeZoneName: "short",
  });
  return times.map((at) => ({ utc: iso(at), local: local.format(at) }));
}
