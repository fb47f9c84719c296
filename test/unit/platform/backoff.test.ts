// How long we wait before we try again.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  backoffMs,
  parseRetryAfter,
  previewSchedule,
  RETRY_POLICIES,
  type RetryPreset,
} from "../../../src/platform/backoff.ts";

const { opal } = RETRY_POLICIES;
const NOW = Date.UTC(2026, 0, 5, 9, 0, 0);

test("OPAL is called four times at most, the wait doubling from two seconds to thirty", () => {
  expect(opal).toEqual({ attempts: 4, baseMs: 2_000, maxMs: 30_000, factor: 2 });
});

test.each<[RetryPreset, number, number, number, number]>([
  ["standard", 3, 1_000, 30_000, 2],
  ["aggressive", 5, 500, 15_000, 1.5],
  ["conservative", 2, 5_000, 60_000, 3],
  ["opal", 4, 2_000, 30_000, 2],
  ["opal_integration", 3, 1_000, 10_000, 2],
  ["database_operations", 2, 500, 2_000, 2],
  ["webhook_processing", 3, 2_000, 30_000, 3],
  ["outbox", Number.POSITIVE_INFINITY, 250, 30_000, 2],
])("the preset %s: %d calls, waits from %d ms to %d ms, times %d", (preset, attempts, baseMs, maxMs, factor) => {
  expect(RETRY_POLICIES[preset]).toEqual({ attempts, baseMs, maxMs, factor });
});

test("there is no preset but those eight", () => {
  expect(Object.keys(RETRY_POLICIES)).toHaveLength(8);
});

test.each([
  [1, 2_000],
  [2, 4_000],
  [3, 8_000],
  [4, 16_000],
  [5, 30_000],
  [50, 30_000],
  [5_000, 30_000],
])("after failure %i the wait is anything up to %i ms", (attempt, ceiling) => {
  expect(backoffMs(opal, attempt, 0)).toBe(0);
  expect(backoffMs(opal, attempt, 0.5)).toBe(ceiling / 2);
  expect(backoffMs(opal, attempt, 0.999_999_9)).toBe(ceiling);
});

test("the jitter is full: waits spread evenly over the whole range", () => {
  const waits = Array.from({ length: 10_000 }, (_, index) => backoffMs(opal, 3, index / 10_000));
  const quarters = [0, 2_000, 4_000, 6_000].map(
    (from) => waits.filter((wait) => wait >= from && wait < from + 2_000).length,
  );
  for (const count of quarters) expect(Math.abs(count - 2_500)).toBeLessThanOrEqual(2);
});

test("no wait is negative, broken, or longer than the policy or the server's thirty minutes allow", () => {
  const jitter = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
  fc.assert(
    fc.property(
      fc.constantFrom(...Object.values(RETRY_POLICIES)),
      fc.integer({ min: 1, max: 10_000 }),
      jitter,
      fc.nat(10_000_000),
      (policy, attempt, random, retryAfter) => {
        const wait = backoffMs(policy, attempt, random, retryAfter);
        expect(Number.isInteger(wait)).toBe(true);
        expect(wait).toBeGreaterThanOrEqual(Math.min(retryAfter, 1_800_000));
        expect(wait).toBeLessThanOrEqual(Math.max(policy.maxMs, Math.min(retryAfter, 1_800_000)));
      },
    ),
  );
});

describe("the schedule that is shown", () => {
  const waits = (preset: RetryPreset) =>
    previewSchedule(RETRY_POLICIES[preset]).map(({ waitAtMostMs }) => waitAtMostMs);

  test.each<[RetryPreset, number[]]>([
    ["standard", [1_000, 2_000]],
    ["aggressive", [500, 750, 1_125, 1_688]],
    ["conservative", [5_000]],
    ["opal", [2_000, 4_000, 8_000]],
    ["opal_integration", [1_000, 2_000]],
    ["database_operations", [500]],
    ["webhook_processing", [2_000, 6_000]],
  ])("of %s has a wait after every call but the last", (preset, expected) => {
    expect(waits(preset)).toEqual(expected);
  });

  test("of a policy that never gives up has ten waits, the last ones as long as any after them", () => {
    expect(waits("outbox")).toEqual([250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
  });

  test("of a policy that does not retry is empty", () => {
    expect(previewSchedule({ attempts: 1, baseMs: 1_000, maxMs: 1_000, factor: 2 })).toEqual([]);
    expect(previewSchedule({ attempts: 0, baseMs: 1_000, maxMs: 1_000, factor: 2 })).toEqual([]);
  });

  test("numbers the attempts, and no wait of ours is longer than it says, nor always shorter", () => {
    const policies = fc.record({
      attempts: fc.integer({ min: 2, max: 60 }),
      baseMs: fc.integer({ min: 1, max: 10_000 }),
      maxMs: fc.integer({ min: 1, max: 120_000 }),
      factor: fc.double({ min: 1, max: 4, noNaN: true }),
    });
    const jitter = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
    fc.assert(
      fc.property(policies, jitter, (policy, random) => {
        const schedule = previewSchedule(policy);
        expect(schedule.map(({ attempt }) => attempt)).toEqual(schedule.map((_, index) => index + 1));
        expect(schedule).toHaveLength(policy.attempts - 1);
        for (const { attempt, waitAtMostMs } of schedule) {
          expect(backoffMs(policy, attempt, random)).toBeLessThanOrEqual(waitAtMostMs);
          expect(waitAtMostMs - backoffMs(policy, attempt, 0.999_999_9)).toBeLessThanOrEqual(1);
        }
      }),
    );
  });
});

describe("a server's Retry-After", () => {
  test("lengthens the wait", () => {
    expect(backoffMs(opal, 1, 0.5, 7_000)).toBe(7_000);
  });

  test("never shortens it", () => {
    expect(backoffMs(opal, 3, 0.5, 1_000)).toBe(4_000);
  });

  test("is believed for thirty minutes and no longer", () => {
    expect(backoffMs(opal, 1, 0.5, 1_800_001)).toBe(1_800_000);
  });

  test.each<[string, string | null, number | undefined]>([
    ["seconds", "7", 7_000],
    ["no seconds at all", "0", 0],
    ["seconds with spaces around them", " 120 ", 120_000],
    ["a date", "Mon, 05 Jan 2026 09:00:30 GMT", 30_000],
    ["a date that has passed", "Mon, 05 Jan 2026 08:59:00 GMT", 0],
    ["nothing", null, undefined],
    ["an empty text", "", undefined],
    ["words", "soon", undefined],
    ["more digits than any wait has", "99999999999", undefined],
  ])("is read from %s", (_what, header, expected) => {
    expect(parseRetryAfter(header, NOW)).toBe(expected);
  });

  test.each(["-5", "1.5", "+5", "1e3", "0x10"])("is no number written as %s", (header) => {
    expect(parseRetryAfter(header, NOW)).toBeUndefined();
  });
});
