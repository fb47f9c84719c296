// Schedules in the API's words.
import { expect, test } from "vitest";
import { scheduleAnswer } from "../../../src/schedules/answers.ts";
import type { Schedule, ScheduleFiring } from "../../../src/schedules/schedule.ts";

const CREATED = Date.parse("2026-10-01T10:00Z");
const NOW = Date.parse("2026-10-24T12:00Z");

const schedule: Schedule = {
  id: "sched-1",
  name: "Half-hourly",
  cron: "*/30 1-2 * * SUN",
  timeZone: "Europe/Prague",
  command: { scope: "full", agentFilter: ["geo_audit"], client: { name: "Acme" } },
  onBusy: "queue",
  createdBy: "operator",
  createdAt: CREATED,
  pausedAt: null,
  pausedBy: null,
  nextAt: Date.parse("2026-10-24T23:00Z"),
};

test("what was asked for comes back, with who asked and when", () => {
  expect(scheduleAnswer(schedule, [], NOW)).toMatchObject({
    id: "sched-1",
    name: "Half-hourly",
    cron: "*/30 1-2 * * SUN",
    time_zone: "Europe/Prague",
    sync_scope: "full",
    agent_filter: ["geo_audit"],
    client_context: { client_name: "Acme", industry: null },
    on_busy: "queue",
    paused: false,
    paused_by: null,
    paused_at: null,
    created_by: "operator",
    created_at: "2026-10-01T10:00:00.000Z",
    last_firings: [],
  });
});

test("the next five firings are told in UTC and in the schedule's zone, which tells a repeated hour apart", () => {
  expect(scheduleAnswer(schedule, [], NOW).next_firings).toEqual([
    { utc: "2026-10-24T23:00:00.000Z", local: "Sun, 25 Oct 2026, 01:00 CEST" },
    { utc: "2026-10-24T23:30:00.000Z", local: "Sun, 25 Oct 2026, 01:30 CEST" },
    { utc: "2026-10-25T00:00:00.000Z", local: "Sun, 25 Oct 2026, 02:00 CEST" },
    { utc: "2026-10-25T00:30:00.000Z", local: "Sun, 25 Oct 2026, 02:30 CEST" },
    { utc: "2026-10-25T01:00:00.000Z", local: "Sun, 25 Oct 2026, 02:00 CET" },
  ]);
});

test("midnight is the hour 00", () => {
  const [next] = scheduleAnswer({ ...schedule, cron: "@daily" }, [], NOW).next_firings;
  expect(next?.local).toBe("Sun, 25 Oct 2026, 00:00 CEST");
});

test("a paused schedule fires next never, and says who paused it", () => {
  expect(scheduleAnswer({ ...schedule, pausedAt: NOW, pausedBy: "somebody" }, [], NOW)).toMatchObject({
    paused: true,
    paused_by: "somebody",
    paused_at: "2026-10-24T12:00:00.000Z",
    next_firings: [],
  });
});

test("firings tell what became of them, and lead to their runs", () => {
  const started: ScheduleFiring = {
    scheduleId: "sched-1",
    scheduledFor: CREATED,
    outcome: "started",
    reason: null,
    sessionId: "sync-1700000000000-abcde",
    at: CREATED + 90_000,
    isLate: true,
  };
  const skipped: ScheduleFiring = {
    ...started,
    outcome: "skipped",
    reason: "another run was active",
    sessionId: null,
    at: CREATED,
    isLate: false,
  };
  expect(scheduleAnswer(schedule, [started, skipped], NOW).last_firings).toEqual([
    {
      scheduled_for: "2026-10-01T10:00:00.000Z",
      outcome: "started",
      reason: null,
      at: "2026-10-01T10:01:30.000Z",
      late: true,
      session_id: "sync-1700000000000-abcde",
      status_url: "/api/force-sync/status/sync-1700000000000-abcde",
    },
    {
      scheduled_for: "2026-10-01T10:00:00.000Z",
      outcome: "skipped",
      reason: "another run was active",
      at: "2026-10-01T10:00:00.000Z",
      late: false,
      session_id: null,
      status_url: null,
    },
  ]);
});
