// What a screen reader hears: news at once, the course of things seldom.
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { announceChange, announcement, announceProgress } from "../../src/dashboard/announce.ts";

let startOfTest = Date.UTC(2026, 0, 5);

beforeEach(() => {
  vi.useFakeTimers();
  // Whatever an earlier test said is long over.
  startOfTest += 3_600_000;
  vi.setSystemTime(startOfTest);
  announcement.value = "";
});

afterEach(() => {
  vi.useRealTimers();
});

test("a change is said at once", () => {
  announceChange("Running.");
  expect(announcement.value).toBe("Running.");
});

test("progress waits until ten seconds have been quiet, and only the newest is said", () => {
  announceChange("Running.");
  announceProgress("1 of 9");
  announceProgress("2 of 9");
  vi.advanceTimersByTime(9_900);
  expect(announcement.value).toBe("Running.");
  vi.advanceTimersByTime(200);
  expect(announcement.value).toBe("2 of 9");
  announceProgress("3 of 9");
  vi.advanceTimersByTime(9_800);
  expect(announcement.value).toBe("2 of 9");
});

test("many steps at one moment are one piece of news", () => {
  for (let done = 1; done <= 5; done++) announceProgress(`${done} of 9`);
  expect(announcement.value).toBe("");
  vi.advanceTimersByTime(500);
  expect(announcement.value).toBe("5 of 9");
});

test("a change leaves out the progress that waited before it", () => {
  announceProgress("8 of 9");
  announceChange("Completed.");
  vi.advanceTimersByTime(60_000);
  expect(announcement.value).toBe("Completed.");
});
