// One firing makes up for all that downtime swallowed; a pause swallows without making up.
import { describe, expect, test } from "vitest";
import { dueFiring, isLate, nextAtFrom } from "../../../src/schedules/due.ts";

const HOUR_MS = 60 * 60_000;
const NOON = Date.parse("2026-05-01T12:00Z");

const hourly = { cron: "0 * * * *", timeZone: "UTC", pausedAt: null, nextAt: NOON };

describe("nothing is due", () => {
  test("before its time", () => {
    expect(dueFiring(hourly, NOON - 1)).toBeUndefined();
  });

  test("of a schedule that is paused, however late", () => {
    expect(dueFiring({ ...hourly, pausedAt: NOON - 1 }, NOON + 5 * HOUR_MS)).toBeUndefined();
  });

  test("of a schedule that has no firing left", () => {
    expect(dueFiring({ ...hourly, nextAt: null }, NOON)).toBeUndefined();
  });
});

describe("a due firing", () => {
  test("runs from its time on, and the next one is after now", () => {
    const due = { scheduledFor: NOON, missed: [], missedCount: 0, nextAt: NOON + HOUR_MS };
    expect(dueFiring(hourly, NOON)).toEqual(due);
    expect(dueFiring(hourly, NOON + HOUR_MS - 1)).toEqual(due);
  });

  test("is the latest one after downtime; the earlier ones are missed", () => {
    expect(dueFiring(hourly, NOON + 3 * HOUR_MS)).toEqual({
      scheduledFor: NOON + 3 * HOUR_MS,
      missed: [NOON, NOON + HOUR_MS, NOON + 2 * HOUR_MS],
      missedCount: 3,
      nextAt: NOON + 4 * HOUR_MS,
    });
  });

  test("is not due again once the schedule has moved on", () => {
    const now = NOON + 3 * HOUR_MS;
    expect(dueFiring({ ...hourly, nextAt: dueFiring(hourly, now)?.nextAt ?? null }, now)).toBeUndefined();
  });

  test("runs also when the pattern no longer names its time", () => {
    expect(dueFiring({ ...hourly, nextAt: NOON + 60_000 }, NOON + 2 * 60_000)).toMatchObject({
      scheduledFor: NOON + 60_000,
      missed: [],
    });
  });

  test("of a daily time is one per day through a clock change", () => {
    const daily = { cron: "30 2 * * *", timeZone: "Europe/Prague", pausedAt: null };
    const due = dueFiring({ ...daily, nextAt: Date.parse("2026-10-24T00:30Z") }, Date.parse("2026-10-26T12:00Z"));
    expect(due).toMatchObject({
      scheduledFor: Date.parse("2026-10-26T01:30Z"),
      missed: ["2026-10-24T00:30Z", "2026-10-25T00:30Z"].map((time) => Date.parse(time)),
    });
  });
});

describe("of many missed firings", () => {
  const missedAfter = (hours: number) => dueFiring(hourly, NOON + hours * HOUR_MS);
  const hours = (from: number, to: number) =>
    Array.from({ length: to - from }, (_, index) => NOON + (from + index) * HOUR_MS);

  test("a hundred are listed", () => {
    expect(missedAfter(100)).toMatchObject({ missed: hours(0, 100), missedCount: 100 });
  });

  test("of more, the latest hundred are listed and all are counted", () => {
    expect(missedAfter(101)).toMatchObject({ missed: hours(1, 101), missedCount: 101 });
    expect(missedAfter(999)).toMatchObject({ missed: hours(899, 999), missedCount: 999 });
  });

  test("no more than a thousand are counted", () => {
    expect(missedAfter(1_000)?.missedCount).toBe(1_000);
    expect(missedAfter(1_001)?.missedCount).toBe(1_000);
    const minutely = { ...hourly, cron: "* * * * *" };
    const now = NOON + 3 * 365 * 24 * HOUR_MS;
    expect(dueFiring(minutely, now)).toMatchObject({ scheduledFor: now, missedCount: 1_000, nextAt: now + 60_000 });
  });
});

test("what fell into a pause is neither run nor missed after it", () => {
  const resumedAt = NOON + 5 * HOUR_MS + 1;
  const resumed = { ...hourly, nextAt: nextAtFrom(hourly, resumedAt) };
  expect(dueFiring(resumed, resumedAt)).toBeUndefined();
  expect(dueFiring(resumed, NOON + 6 * HOUR_MS)).toMatchObject({ scheduledFor: NOON + 6 * HOUR_MS, missed: [] });
});

test("a firing is late more than a minute after its time", () => {
  expect([0, 59_999, 60_000, 60_001, HOUR_MS].map((ms) => isLate(NOON, NOON + ms))).toEqual([
    false,
    false,
    false,
    true,
    true,
  ]);
});
