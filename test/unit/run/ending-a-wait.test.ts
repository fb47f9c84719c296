// The breaker was reset, or triggering switched on: a call that waits for that need not wait out its time.
import { expect, test } from "vitest";
import type { Command } from "../../../src/sync/run/commands.ts";
import { BEGIN_ATTEMPT, called, callFell, given, postponed, requested, running } from "../../support/node/given.ts";

const END_WAIT: Command = { type: "end_wait" };

test("a postponed call is due at once, and its attempt is one like any other", () => {
  const waiting = given([0, requested()], [0, called(1)], [1, callFell(1, "http_5xx", 3)], [3, postponed(33)]);
  const run = waiting
    .when(END_WAIT)
    .at(10)
    .then([{ type: "wait_ended", rule: "may_call_again", causedBy: 4 }]);
  expect(run.postponed).toBeNull();
  const ended = waiting.and([10, END_WAIT]);
  expect(ended.nextWakeUp()).toBe(3);
  ended
    .when(BEGIN_ATTEMPT)
    .at(10)
    .then([{ type: "attempt_started", attempt: 2 }]);
});

test("a call that waits for its backoff goes on waiting for that", () => {
  const retrying = given([0, requested()], [0, called(1)], [1, callFell(1, "http_5xx", 3)]);
  retrying.when(END_WAIT).at(2).then([]);
  retrying.and([2, END_WAIT]).when(BEGIN_ATTEMPT).at(2).then([]);
});

test("a run without a call to make is left alone", () => {
  given(...running())
    .when(END_WAIT)
    .at(10)
    .then([]);
});
