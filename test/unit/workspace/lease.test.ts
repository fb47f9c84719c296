// One run at a time: when the holder of the lease is believed, and when it is asked first.
import { describe, expect, test } from "vitest";
import { isOverdue, LATENESS_MS, type Lease, mustAskHolder } from "../../../src/workspace/lease.ts";

const NOW = 1_767_603_600_000;
const confirmed = (dueAt: number | null): Lease => ({
  sessionId: "sync-1",
  state: "confirmed",
  grantedAt: NOW - 1_000,
  dueAt,
});

describe("the holder is asked before somebody is refused on its behalf", () => {
  test("while it has not confirmed that it started", () => {
    expect(mustAskHolder({ sessionId: "sync-1", state: "granted", grantedAt: NOW, dueAt: null }, NOW)).toBe(true);
    expect(mustAskHolder({ sessionId: "sync-1", state: "granted", grantedAt: NOW, dueAt: NOW + 60_000 }, NOW)).toBe(
      true,
    );
  });

  test("while it has not said when it moves next", () => {
    expect(mustAskHolder(confirmed(null), NOW)).toBe(true);
  });

  test("when it should have moved longer ago than alarms are late", () => {
    expect(mustAskHolder(confirmed(NOW - LATENESS_MS - 1), NOW)).toBe(true);
  });
});

test("a holder that confirmed and is not overdue is believed", () => {
  expect(mustAskHolder(confirmed(NOW + 60_000), NOW)).toBe(false);
  expect(mustAskHolder(confirmed(NOW), NOW)).toBe(false);
  expect(mustAskHolder(confirmed(NOW - LATENESS_MS), NOW)).toBe(false);
});

test("five seconds late is on time", () => {
  expect(LATENESS_MS).toBe(5_000);
  expect(isOverdue(NOW - 5_000, NOW)).toBe(false);
  expect(isOverdue(NOW - 5_001, NOW)).toBe(true);
});
