// Numbers and times in words.
import { expect, test } from "vitest";
import { age, duration, isoUtc, listOf, percent, plural, relative, runningClock } from "../../src/dashboard/format.ts";

const NOW = Date.UTC(2026, 0, 5, 9, 0, 0);
const MINUTE = 60_000;

test.each([
  [-5_000, "0:00"],
  [7_999, "0:07"],
  [192_000, "3:12"],
  [3_725_000, "1:02:05"],
])("a clock that runs shows %d ms as %s", (ms, text) => {
  expect(runningClock(ms)).toBe(text);
});

test.each([
  [-1, "0s"],
  [3_240, "3.2s"],
  [58_400, "58s"],
  [432_000, "7m 12s"],
  [60_000, "1m 0s"],
  [3_725_000, "1h 2m"],
])("something that took %d ms took %s", (ms, text) => {
  expect(duration(ms)).toBe(text);
});

test.each([
  [59_999, "less than a minute"],
  [12.9 * MINUTE, "12 min"],
  [3.5 * 60 * MINUTE, "3 h"],
  [47 * 60 * MINUTE, "47 h"],
  [50 * 60 * MINUTE, "2 days"],
])("something %d ms old is %s old", (ms, text) => {
  expect(age(ms)).toBe(text);
});

test.each([
  [0, "just now"],
  [-5_000, "just now"],
  [40_000, "40 seconds ago"],
  [4 * MINUTE, "4 minutes ago"],
  [120 * MINUTE, "2 hours ago"],
  [24 * 60 * MINUTE, "yesterday"],
  [72 * 60 * MINUTE, "3 days ago"],
])("an age of %d ms is %s", (age, text) => {
  expect(relative(NOW - age, NOW)).toBe(text);
});

test.each([
  [0.849, "84%"],
  [0.85, "85%"],
  [0.29, "29%"],
  [1, "100%"],
  [0, "0%"],
])("a confidence of %d is never rounded up: %s", (share, text) => {
  expect(percent(share)).toBe(text);
});

test("exact times are UTC", () => {
  expect(isoUtc(NOW)).toBe("2026-01-05T09:00:00.000Z");
});

test("lists and counts read as English", () => {
  expect(listOf(["a", "b", "c"])).toBe("a, b, and c");
  expect(plural(1, "result", "results")).toBe("1 result");
  expect(plural(2, "result", "results")).toBe("2 results");
});
