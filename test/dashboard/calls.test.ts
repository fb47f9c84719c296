// How it stands with the calls to OPAL, counted for each purpose.
import { expect, test } from "vitest";
import { callWords, placeOf } from "../../src/dashboard/calls.ts";
import { viewRun } from "../../src/sync/run/view.ts";
import {
  agentTimedOut,
  at,
  called,
  callFell,
  ended,
  given,
  type Past,
  postponed,
  requested,
  rerunRequested,
  running,
} from "../support/node/given.ts";

const words = (seconds: number, ...past: readonly Past[]) => callWords(viewRun(given(...past).run()), at(seconds));

test("the first call is next, under way, or failed with the next one counted down", () => {
  expect(words(0, [0, requested()])).toEqual({ value: "Attempt 1 of 4", more: "is next" });
  const calling: Past[] = [
    [0, requested()],
    [1, called(1)],
  ];
  expect(words(8, ...calling)).toEqual({ value: "Attempt 1 of 4", more: "calling, 0:07" });
  const failed: Past[] = [...calling, [9, callFell(1, "http_5xx", 12, 503)]];
  expect(words(9, ...failed)).toEqual({ value: "Attempt 1 of 4", more: "failed, next in 0:03" });
});

test("a call that has to wait says when it is asked for again", () => {
  const waiting: Past[] = [
    [0, requested()],
    [0, postponed(30, "switched_off")],
  ];
  expect(words(9, ...waiting)).toEqual({ value: "Has to wait", more: "asked again in 0:21" });
});

test("a run that never called, and one whose last call failed, say so when they are over", () => {
  const over: Past = [5, ended("cancelled", "cancelled_by_operator")];
  expect(words(9, [0, requested()], over).more).toBe("never made");
  const failed: Past[] = [
    [0, requested()],
    [1, called(1)],
    [2, callFell(1, "http_4xx", null, 400)],
    [2, ended("failed", "opal_refused")],
  ];
  expect(words(9, ...failed).more).toBe("failed, the last one");
});

test("the calls of a re-run are counted for themselves", () => {
  const again: Past[] = [
    ...running(),
    [60, agentTimedOut("integration_health", 60_000)],
    [60, rerunRequested(1, ["integration_health"])],
    [61, called(2, 1)],
    [62, callFell(2, "http_5xx", 70, 503)],
    [70, called(3, 1)],
  ];
  expect(words(71, ...again)).toEqual({ value: "Attempt 2 of 4", more: "again: calling, 0:01" });
  const { attempts } = given(...again).run();
  expect(attempts.map((attempt) => placeOf(attempts, attempt))).toEqual([1, 1, 2]);
});
