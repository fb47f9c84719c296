// Schedules and their firings in a real object's SQLite.
import { runInDurableObject } from "cloudflare:test";
import { afterEach, describe, expect, test } from "vitest";
import { SCHEDULE_TABLES, ScheduleJournal } from "../../src/schedules/journal.ts";
import type { Schedule, ScheduleFiring } from "../../src/schedules/schedule.ts";
import { startOver, workspaceObject } from "../support/worker/objects.ts";

afterEach(startOver);

const NOON = Date.parse("2026-05-01T12:00Z");
const MINUTE_MS = 60_000;

const schedule: Schedule = {
  id: "sched-1",
  name: "Nightly",
  cron: "0 3 * * *",
  timeZone: "Europe/Prague",
  command: { scope: "full", agentFilter: ["geo_audit"], client: { name: "Acme" } },
  onBusy: "skip",
  createdBy: "operator",
  createdAt: NOON,
  pausedAt: null,
  pausedBy: null,
  nextAt: NOON + MINUTE_MS,
};

const firing: ScheduleFiring = {
  scheduleId: "sched-1",
  scheduledFor: NOON,
  outcome: "started",
  reason: null,
  sessionId: "sync-1700000000000-abcde",
  at: NOON + 2_000,
  isLate: false,
};

/** The tables belong to the object's own migrations, too. */
function inJournal<Value>(use: (journal: ScheduleJournal) => Value): Promise<Value> {
  return runInDurableObject(workspaceObject(), (_instance, { storage }) => {
    for (const table of SCHEDULE_TABLES) storage.sql.exec(table.replace("CREATE TABLE", "CREATE TABLE IF NOT EXISTS"));
    return use(new ScheduleJournal(storage.sql));
  });
}

describe("a schedule", () => {
  test("is kept as it was created, and found by its id", () =>
    inJournal((journal) => {
      expect([journal.list(), journal.count(), journal.find("sched-1")]).toEqual([[], 0, undefined]);
      const paused = { ...schedule, id: "sched-0", createdAt: NOON + 1, pausedAt: NOON, pausedBy: "x", nextAt: null };
      journal.create(paused);
      journal.create(schedule);
      expect(journal.list()).toEqual([schedule, paused]);
      expect(journal.count()).toBe(2);
      expect(journal.find("sched-0")).toEqual(paused);
    }));

  test("can be changed, in what its owner sets and in when it fires next", () =>
    inJournal((journal) => {
      journal.create(schedule);
      journal.create({ ...schedule, id: "sched-2" });
      const { id, createdBy, createdAt, pausedAt, pausedBy, nextAt, ...settings } = schedule;
      const changed = {
        ...settings,
        name: "Hourly",
        cron: "@hourly",
        timeZone: "UTC",
        command: { scope: "quick", agentFilter: null, client: {} },
        onBusy: "queue" as const,
      };
      expect(journal.update("sched-1", changed, NOON)).toBe(true);
      expect(journal.find("sched-1")).toEqual({ ...schedule, ...changed, nextAt: NOON });
      expect(journal.find("sched-2")).toEqual({ ...schedule, id: "sched-2" });
      expect(journal.update("sched-3", changed, NOON)).toBe(false);
      journal.advance("sched-1", journal.find("sched-1")?.nextAt ?? null, null);
      expect(journal.find("sched-1")?.nextAt).toBeNull();
    }));

  test("is removed with its firings, and with no other's", () =>
    inJournal((journal) => {
      for (const id of ["sched-1", "sched-2"]) {
        journal.create({ ...schedule, id });
        journal.recordFiring({ ...firing, scheduleId: id });
      }
      expect(journal.remove("sched-1")).toBe(true);
      expect(journal.remove("sched-1")).toBe(false);
      expect([journal.find("sched-1"), journal.firings("sched-1", 10)]).toEqual([undefined, []]);
      expect([journal.count(), journal.firings("sched-2", 10).length]).toEqual([1, 1]);
    }));
});

describe("pausing", () => {
  test("keeps the name of who paused first, and resuming forgets it", () =>
    inJournal((journal) => {
      journal.create(schedule);
      expect(journal.pause("sched-1", "first", NOON + 1)).toBe(true);
      expect(journal.pause("sched-1", "second", NOON + 2)).toBe(false);
      expect(journal.find("sched-1")).toEqual({ ...schedule, pausedBy: "first", pausedAt: NOON + 1 });
      expect(journal.resume("sched-1", NOON + 5)).toBe(true);
      expect(journal.find("sched-1")).toEqual({ ...schedule, nextAt: NOON + 5 });
    }));

  test("resuming what is not paused leaves its next firing alone", () =>
    inJournal((journal) => {
      journal.create(schedule);
      expect(journal.resume("sched-1", NOON + 60 * MINUTE_MS)).toBe(false);
      expect(journal.find("sched-1")).toEqual(schedule);
      expect([journal.pause("sched-2", "x", NOON), journal.resume("sched-2", NOON)]).toEqual([false, false]);
    }));
});

test("due is what has its time now or before and is not paused, the longest due first", () =>
  inJournal((journal) => {
    const due = (id: string, nextAt: number | null, pausedAt: number | null = null) =>
      journal.create({ ...schedule, id, nextAt, pausedAt });
    due("now", NOON);
    due("long ago", NOON - 60 * MINUTE_MS);
    due("a moment later", NOON + 1);
    due("never again", null);
    due("paused", NOON - MINUTE_MS, NOON);
    expect(journal.due(NOON).map((found) => found.id)).toEqual(["long ago", "now"]);
    journal.advance("long ago", journal.find("long ago")?.nextAt ?? null, NOON + MINUTE_MS);
    expect(journal.due(NOON).map((found) => found.id)).toEqual(["now"]);
  }));

describe("a firing", () => {
  test("is recorded once, however often its tick comes", () =>
    inJournal((journal) => {
      expect(journal.recordFiring(firing)).toBe(true);
      expect(journal.recordFiring({ ...firing, outcome: "skipped", sessionId: null })).toBe(false);
      expect(journal.firings("sched-1", 10)).toEqual([firing]);
      expect(journal.recordFiring({ ...firing, scheduleId: "sched-2" })).toBe(true);
      expect(journal.recordFiring({ ...firing, scheduledFor: NOON + MINUTE_MS })).toBe(true);
    }));

  test("is told with what became of it, latest first", () =>
    inJournal((journal) => {
      const missed: ScheduleFiring = {
        ...firing,
        scheduledFor: NOON - MINUTE_MS,
        outcome: "missed",
        reason: "the service was down",
        sessionId: null,
        isLate: true,
      };
      journal.recordFiring(missed);
      journal.recordFiring(firing);
      expect(journal.firings("sched-1", 10)).toEqual([firing, missed]);
      expect(journal.firings("sched-1", 1)).toEqual([firing]);
    }));

  test("is among the last two hundred of its schedule, or is forgotten", () =>
    inJournal((journal) => {
      journal.recordFiring({ ...firing, scheduleId: "sched-2", scheduledFor: NOON - MINUTE_MS });
      const times = Array.from({ length: 205 }, (_, index) => NOON + index * MINUTE_MS);
      for (const scheduledFor of times) expect(journal.recordFiring({ ...firing, scheduledFor })).toBe(true);
      const kept = journal.firings("sched-1", 1_000).map((found) => found.scheduledFor);
      expect(kept).toEqual(times.slice(-200).reverse());
      expect(journal.firings("sched-2", 10)).toHaveLength(1);
    }));
});
