// Schedules and their firings in the workspace object's SQLite.
import { z } from "zod";
import { readAll, readFirst } from "../platform/sql.ts";
import {
  FIRING_OUTCOMES,
  ON_BUSY,
  type Schedule,
  type ScheduleFiring,
  type ScheduleSettings,
  scheduleCommand,
} from "./schedule.ts";

export const SCHEDULE_TABLES: readonly string[] = [
  `CREATE TABLE schedules (
     id TEXT PRIMARY KEY, name TEXT NOT NULL, cron TEXT NOT NULL, time_zone TEXT NOT NULL, command TEXT NOT NULL,
     on_busy TEXT NOT NULL, created_by TEXT NOT NULL, created_at INTEGER NOT NULL, paused_at INTEGER, paused_by TEXT, next_at INTEGER
   )`,
  `CREATE TABLE schedule_firings (
     schedule_id TEXT NOT NULL, scheduled_for INTEGER NOT NULL, outcome TEXT NOT NULL, reason TEXT, session_id TEXT,
     at INTEGER NOT NULL, is_late INTEGER NOT NULL, PRIMARY KEY (schedule_id, scheduled_for)
   )`,
];

/** Of each schedule. */
const KEPT_FIRINGS = 200;

const COLUMNS = "id, name, cron, time_zone, command, on_busy, created_by, created_at, paused_at, paused_by, next_at";

const scheduleRow = z
  .object({
    id: z.string(),
    name: z.string(),
    cron: z.string(),
    time_zone: z.string(),
    command: z.string(),
    on_busy: z.enum(ON_BUSY),
    created_by: z.string(),
    created_at: z.number(),
    paused_at: z.number().nullable(),
    paused_by: z.string().nullable(),
    next_at: z.number().nullable(),
  })
  .transform(
    (row): Schedule => ({
      id: row.id,
      name: row.name,
      cron: row.cron,
      timeZone: row.time_zone,
      command: scheduleCommand.parse(JSON.parse(row.command)),
      onBusy: row.on_busy,
      createdBy: row.created_by,
      createdAt: row.created_at,
      pausedAt: row.paused_at,
      pausedBy: row.paused_by,
      nextAt: row.next_at,
    }),
  );

const firingRow = z
  .object({
    schedule_id: z.string(),
    scheduled_for: z.number(),
    outcome: z.enum(FIRING_OUTCOMES),
    reason: z.string().nullable(),
    session_id: z.string().nullable(),
    at: z.number(),
    is_late: z.number(),
  })
  .transform(
    (row): ScheduleFiring => ({
      scheduleId: row.schedule_id,
      scheduledFor: row.scheduled_for,
      outcome: row.outcome,
      reason: row.reason,
      sessionId: row.session_id,
      at: row.at,
      isLate: row.is_late === 1,
    }),
  );

/** Needs `SCHEDULE_TABLES`. Several calls that belong together are the caller's transaction. */
export class ScheduleJournal {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  create(schedule: Schedule): void {
    this.#sql.exec(
      `INSERT INTO schedules (${COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      schedule.id,
      schedule.name,
      schedule.cron,
      schedule.timeZone,
      JSON.stringify(schedule.command),
      schedule.onBusy,
      schedule.createdBy,
      schedule.createdAt,
      schedule.pausedAt,
      schedule.pausedBy,
      schedule.nextAt,
    );
  }

  /** In the order in which they were created. */
  list(): Schedule[] {
    return readAll(this.#sql, scheduleRow, `SELECT ${COLUMNS} FROM schedules ORDER BY created_at, id`);
  }

  count(): number {
    const row = z.object({ n: z.number() });
    return readFirst(this.#sql, row, "SELECT count(*) AS n FROM schedules")?.n ?? 0;
  }

  find(id: string): Schedule | undefined {
    return readFirst(this.#sql, scheduleRow, `SELECT ${COLUMNS} FROM schedules WHERE id = ?`, id);
  }

  /** Says whether there is such a schedule. */
  update(id: string, settings: ScheduleSettings, nextAt: number | null): boolean {
    const written = this.#sql.exec(
      "UPDATE schedules SET name = ?, cron = ?, time_zone = ?, command = ?, on_busy = ?, next_at = ? WHERE id = ?",
      settings.name,
      settings.cron,
      settings.timeZone,
      JSON.stringify(settings.command),
      settings.onBusy,
      nextAt,
      id,
    );
    return written.rowsWritten > 0;
  }

  /** The first to pause it stays named. Says whether this changed anything. */
  pause(id: string, by: string, at: number): boolean {
    const written = this.#sql.exec(
      "UPDATE schedules SET paused_at = ?, paused_by = ? WHERE id = ? AND paused_at IS NULL",
      at,
      by,
      id,
    );
    return written.rowsWritten > 0;
  }

  /** One that is not paused keeps its next firing, which may be due. Says whether this changed anything. */
  resume(id: string, nextAt: number | null): boolean {
    const written = this.#sql.exec(
      "UPDATE schedules SET paused_at = NULL, paused_by = NULL, next_at = ? WHERE id = ? AND paused_at IS NOT NULL",
      nextAt,
      id,
    );
    return written.rowsWritten > 0;
  }

  /** Its firings go, too. Says whether there was such a schedule. */
  remove(id: string): boolean {
    this.#sql.exec("DELETE FROM schedule_firings WHERE schedule_id = ?", id);
    return this.#sql.exec("DELETE FROM schedules WHERE id = ?", id).rowsWritten > 0;
  }

  /** Longest due first. */
  due(now: number): Schedule[] {
    const query = `SELECT ${COLUMNS} FROM schedules WHERE next_at <= ? AND paused_at IS NULL ORDER BY next_at, id`;
    return readAll(this.#sql, scheduleRow, query, now);
  }

  /** `from` is the firing that was dealt with: a schedule that was changed meanwhile keeps its new time. */
  advance(id: string, from: number | null, nextAt: number | null): void {
    this.#sql.exec("UPDATE schedules SET next_at = ? WHERE id = ? AND next_at IS ?", nextAt, id, from);
  }

  /** The first record of a firing stays; says whether this is it, so that a tick that comes twice starts once. */
  recordFiring(firing: ScheduleFiring): boolean {
    const written = this.#sql.exec(
      `INSERT INTO schedule_firings (schedule_id, scheduled_for, outcome, reason, session_id, at, is_late)
       VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
      firing.scheduleId,
      firing.scheduledFor,
      firing.outcome,
      firing.reason,
      firing.sessionId,
      firing.at,
      Number(firing.isLate),
    );
    if (written.rowsWritten === 0) return false;
    this.#sql.exec(
      `DELETE FROM schedule_firings WHERE schedule_id = ?1 AND scheduled_for <=
       (SELECT scheduled_for FROM schedule_firings WHERE schedule_id = ?1 ORDER BY scheduled_for DESC LIMIT 1 OFFSET ?2)`,
      firing.scheduleId,
      KEPT_FIRINGS,
    );
    return true;
  }

  /** Latest first. */
  firings(id: string, limit: number): ScheduleFiring[] {
    const query = `SELECT schedule_id, scheduled_for, outcome, reason, session_id, at, is_late FROM schedule_firings
                   WHERE schedule_id = ? ORDER BY scheduled_for DESC LIMIT ?`;
    return readAll(this.#sql, firingRow, query, id, limit);
  }
}
