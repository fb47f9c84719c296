// Creating, changing and removing schedules. Each change is written together with its line in the workspace's log.
import { type Refusal, refuse } from "../platform/refusal.ts";
import type { ControlJournal } from "../workspace/control-journal.ts";
import { parseCron } from "./cron.ts";
import { nextAtFrom } from "./due.ts";
import type { ScheduleJournal } from "./journal.ts";
import { MAX_SCHEDULES, type Schedule, type ScheduleFiring, type ScheduleSettings } from "./schedule.ts";

/** Firings shown with a schedule. */
const SHOWN_FIRINGS = 10;

export interface ScheduleParts {
  readonly storage: DurableObjectStorage;
  readonly schedules: ScheduleJournal;
  readonly control: ControlJournal;
}

export interface ShownSchedule {
  readonly schedule: Schedule;
  readonly firings: readonly ScheduleFiring[];
}

export type ScheduleOutcome = ({ readonly ok: true } & ShownSchedule) | Refusal;

export interface ScheduleRevision extends Partial<ScheduleSettings> {
  readonly isPaused?: boolean | undefined;
}

export function createSchedule(
  { storage, schedules, control }: ScheduleParts,
  settings: ScheduleSettings,
  { id, actor, now }: { readonly id: string; readonly actor: string; readonly now: number },
): ScheduleOutcome {
  if (schedules.count() >= MAX_SCHEDULES) return refuse("schedule_limit");
  const nextAt = nextAtFrom(settings, now);
  const schedule = { ...settings, id, createdBy: actor, createdAt: now, pausedAt: null, pausedBy: null, nextAt };
  storage.transactionSync(() => {
    schedules.create(schedule);
    control.log("schedule_created", actor, now, { schedule: id, name: settings.name, cron: settings.cron });
  });
  return { ok: true, schedule, firings: [] };
}

export function showSchedule({ schedules }: ScheduleParts, id: string): ScheduleOutcome {
  const schedule = schedules.find(id);
  return schedule === undefined ? unknown(id) : { ok: true, schedule, firings: schedules.firings(id, SHOWN_FIRINGS) };
}

export function showSchedules({ schedules }: ScheduleParts): ShownSchedule[] {
  return schedules.list().map((schedule) => ({ schedule, firings: schedules.firings(schedule.id, SHOWN_FIRINGS) }));
}

/** A changed time or zone counts from now on; any other change leaves the next firing where it is. */
export function changeSchedule(
  parts: ScheduleParts,
  id: string,
  { isPaused, ...changes }: ScheduleRevision,
  { actor, now }: { readonly actor: string; readonly now: number },
): ScheduleOutcome {
  const { storage, schedules, control } = parts;
  const known = schedules.find(id);
  if (known === undefined) return unknown(id);
  const settings: ScheduleSettings = { ...known, ...changes };
  const timing = parseCron(settings.cron, settings.timeZone);
  if (!timing.ok) {
    return refuse("validation_failed", { errors: [{ pointer: `/${timing.field}`, detail: timing.problem }] });
  }
  const isRetimed = settings.cron !== known.cron || settings.timeZone !== known.timeZone;
  storage.transactionSync(() => {
    if (Object.keys(changes).length > 0) {
      schedules.update(id, settings, isRetimed ? nextAtFrom(settings, now) : known.nextAt);
      control.log("schedule_changed", actor, now, { schedule: id, name: settings.name, changed: Object.keys(changes) });
    }
    if (isPaused === true && schedules.pause(id, actor, now)) {
      control.log("schedule_paused", actor, now, { schedule: id, name: settings.name });
    }
    if (isPaused === false && schedules.resume(id, nextAtFrom(settings, now))) {
      control.log("schedule_resumed", actor, now, { schedule: id, name: settings.name });
    }
  });
  return showSchedule(parts, id);
}

export function deleteSchedule(parts: ScheduleParts, id: string, actor: string, now: number): Refusal | undefined {
  const { storage, schedules, control } = parts;
  const known = schedules.find(id);
  if (known === undefined) return unknown(id);
  storage.transactionSync(() => {
    schedules.remove(id);
    control.log("schedule_deleted", actor, now, { schedule: id, name: known.name });
  });
  return undefined;
}

function unknown(id: string): Refusal {
  return refuse("resource_not_found", { members: { resource_type: "schedule", resource_id: id } });
}
