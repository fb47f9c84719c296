// Which failures of a call are tried again, when, and how often.
import { expect, test } from "vitest";
import type { FailureClass } from "../../../src/sync/run/events.ts";
import {
  at,
  BEGIN_ATTEMPT,
  called,
  callFailed,
  callFell,
  given,
  type Past,
  requested,
  WAKE,
  WAKE_DURING_CALL,
} from "../../support/node/given.ts";

const FIRST_CALL: readonly Past[] = [
  [0, requested()],
  [0, called(1)],
];
const SECOND_CALL: readonly Past[] = [...FIRST_CALL, [1, callFell(1, "http_5xx", 2)], [2, called(2)]];
const THIRD_CALL: readonly Past[] = [...SECOND_CALL, [3, callFell(2, "http_5xx", 5)], [5, called(3)]];
const FOURTH_CALL: readonly Past[] = [...THIRD_CALL, [6, callFell(3, "http_5xx", 9)], [9, called(4)]];

test.each<FailureClass>(["network_error", "timeout_error", "http_5xx", "http_408", "http_429", "interrupted"])(
  "%s is tried again",
  (failure) => {
    const run = given(...FIRST_CALL)
      .when(callFailed(failure, { jitter: 0.5 }))
      .at(10)
      .then([{ type: "attempt_failed", attempt: 1, failure, retryAt: at(11) }]);
    expect(run.status).toBe("requested");
  },
);

const FINAL: readonly FailureClass[] = ["http_4xx", "not_configured", "redirected", "aborted"];

test.each(FINAL)("%s ends the run at once", (failure) => {
  given(...FIRST_CALL)
    .when(callFailed(failure))
    .at(10)
    .then([
      { type: "attempt_failed", attempt: 1, failure, retryAt: null },
      { type: "ended", status: "failed", reason: "opal_refused" },
    ]);
});

test("a refusal is final at a later attempt too", () => {
  given(...THIRD_CALL)
    .when(callFailed("http_4xx"))
    .at(7)
    .then([
      { type: "attempt_failed", attempt: 3, retryAt: null },
      { type: "ended", status: "failed", reason: "opal_refused" },
    ]);
});

test.each<[string, readonly Past[], number, number]>([
  ["first", FIRST_CALL, 1, 2_000],
  ["second", SECOND_CALL, 2, 4_000],
  ["third", THIRD_CALL, 3, 8_000],
])("the wait after the %s failure is a random part of a doubling ceiling", (_which, past, attempt, ceilingMs) => {
  const failing = given(...past);
  const retryAt = (jitter: number) => at(20) + Math.round(ceilingMs * jitter);
  failing
    .when(callFailed("http_5xx", { jitter: 0 }))
    .at(20)
    .then([{ type: "attempt_failed", attempt, retryAt: at(20) }]);
  failing
    .when(callFailed("http_5xx", { jitter: 0.25 }))
    .at(20)
    .then([{ type: "attempt_failed", attempt, retryAt: retryAt(0.25) }]);
  failing
    .when(callFailed("http_5xx", { jitter: 0.999 }))
    .at(20)
    .then([{ type: "attempt_failed", attempt, retryAt: retryAt(0.999) }]);
});

test("the fourth failure is the last", () => {
  given(...FOURTH_CALL)
    .when(callFailed("http_5xx"))
    .at(10)
    .then([
      { type: "attempt_failed", attempt: 4, retryAt: null },
      { type: "ended", status: "failed", reason: "opal_unreachable" },
    ]);
});

test("a Retry-After lengthens the wait", () => {
  given(...FIRST_CALL)
    .when(callFailed("http_429", { retryAfterMs: 7_000, jitter: 0.5 }))
    .at(10)
    .then([{ type: "attempt_failed", retryAt: at(17) }]);
});

test("a Retry-After never shortens the wait", () => {
  given(...THIRD_CALL)
    .when(callFailed("http_429", { retryAfterMs: 1_000, jitter: 0.5 }))
    .at(10)
    .then([{ type: "attempt_failed", retryAt: at(14) }]);
});

test("a Retry-After of an hour is taken for half an hour", () => {
  given(...FIRST_CALL)
    .when(callFailed("http_5xx", { retryAfterMs: 3_600_000 }))
    .at(10)
    .then([{ type: "attempt_failed", retryAt: at(1_810) }]);
});

test("a call that nobody is making any more was interrupted, and waits a backoff before the next one", () => {
  const interrupted = given(...FIRST_CALL);
  interrupted
    .when(WAKE)
    .at(3)
    .then([{ type: "attempt_failed", attempt: 1, failure: "interrupted", httpStatus: null, retryAt: at(4) }]);
  given(...FIRST_CALL, [3, callFell(1, "interrupted", 4)])
    .when(BEGIN_ATTEMPT)
    .at(3)
    .then([]);
});

test("a call that somebody is still making is left alone", () => {
  given(...FIRST_CALL)
    .when(WAKE_DURING_CALL)
    .at(3)
    .then([]);
});

test("the fourth call may be interrupted too, and is then the last", () => {
  given(...FOURTH_CALL)
    .when(WAKE)
    .at(60)
    .then([
      { type: "attempt_failed", attempt: 4, failure: "interrupted", retryAt: null },
      { type: "ended", status: "failed", reason: "opal_unreachable" },
    ]);
});

test("the run wakes up for the retry", () => {
  expect(given(...FIRST_CALL, [1, callFell(1, "http_5xx", 2.5)]).nextWakeUp()).toBe(2.5);
});

test("a run that was given up waits for nothing", () => {
  const past: Past[] = [...FOURTH_CALL, [10, callFell(4, "http_5xx", null)]];
  const over = given(...past, [10, { type: "ended", status: "failed", reason: "opal_unreachable" }]);
  expect(over.nextWakeUp()).toBeUndefined();
  over.when(BEGIN_ATTEMPT).at(60).then([]);
});
