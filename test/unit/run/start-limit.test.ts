// How long a run may wait for OPAL to accept it.
import { expect, test } from "vitest";
import {
  accepted,
  at,
  BEGIN_ATTEMPT,
  callAnswered,
  called,
  callFailed,
  callFell,
  cancelAsked,
  given,
  minutes,
  type Past,
  PLAN,
  postponed,
  requested,
  WAKE,
  WAKE_DURING_CALL,
} from "../../support/node/given.ts";

const LIMIT = minutes(35);
const TOO_LATE = { type: "ended", status: "failed", reason: "start_deadline", rule: "start_limit" } as const;

test("a run that OPAL has not accepted thirty-five minutes after the request has failed", () => {
  const waiting = given([0, requested()], [0, postponed(minutes(60), "switched_off")]);
  waiting.when(WAKE).at(2_099.999).then([]);
  const run = waiting
    .when(WAKE)
    .at(LIMIT)
    .then([{ ...TOO_LATE, causedBy: 2 }]);
  expect(run).toMatchObject({ status: "failed", reason: "start_deadline", acceptedAt: null, endedAt: at(2_100) });
});

test("the request says how long", () => {
  const shorter = { ...PLAN, limits: { ...PLAN.limits, startMs: 20_000 } };
  const waiting = given([0, requested(shorter)], [0, postponed(60)]);
  waiting.when(WAKE).at(19.999).then([]);
  waiting.when(WAKE).at(20).then([TOO_LATE]);
});

test("the run wakes up for it when its next call is due later", () => {
  expect(given([0, requested()], [0, postponed(minutes(60))]).nextWakeUp()).toBe(LIMIT);
  const waiting = given([0, requested()], [0, called(1)], [5, callFell(1, "http_429", minutes(40))]);
  expect(waiting.nextWakeUp()).toBe(LIMIT);
  waiting
    .when(WAKE)
    .at(LIMIT)
    .then([{ ...TOO_LATE, causedBy: 3 }]);
});

test("it is the request's clock: neither a call nor a wait starts it anew", () => {
  const past: Past[] = [
    [0, requested()],
    [0, postponed(minutes(20))],
    [minutes(20), called(1)],
    [minutes(20), callFell(1, "http_5xx", minutes(21))],
    [minutes(21), postponed(minutes(40))],
  ];
  expect(given(...past).deadlines()).toContainEqual({ what: "start", at: at(LIMIT) });
});

test("a run that was given up calls no more", () => {
  const over = given([0, requested()], [0, postponed(minutes(36))]).and([LIMIT, WAKE]);
  over.when(BEGIN_ATTEMPT).at(minutes(36)).then([]);
  expect(over.nextWakeUp()).toBeUndefined();
});

// The call that is under way may be the one that OPAL accepts.
const calling: Past[] = [
  [0, requested()],
  [0, postponed(2_090)],
  [2_090, called(1)],
];

test("it never ends a run whose call is open", () => {
  expect(given(...calling).deadlines()).toEqual([{ what: "call", at: at(2_140), attempt: 1 }]);
  given(...calling)
    .when(WAKE_DURING_CALL)
    .at(2_130)
    .then([]);
});

test("an answer that comes after it is an acceptance", () => {
  const run = given(...calling)
    .when(callAnswered("opal-1"))
    .at(2_130)
    .then(["attempt_accepted", "remote_bound"]);
  expect(run).toMatchObject({ status: "running", acceptedAt: at(2_130) });
});

test("it ends the run as soon as the open call has failed", () => {
  const failed = given(...calling).and([2_130, callFailed("http_5xx")]);
  expect(failed.run().status).toBe("requested");
  failed.when(WAKE).at(2_130).then([TOO_LATE]);
});

test("it ends the run when the open call turns out to be nobody's", () => {
  given(...calling)
    .when(WAKE)
    .at(2_150)
    .then([{ type: "attempt_failed", failure: "interrupted" }, TOO_LATE]);
});

test("a run that is being cancelled ends as cancelled", () => {
  given(...calling, [2_095, cancelAsked()])
    .when(WAKE)
    .at(2_150)
    .then(["attempt_failed", { type: "ended", status: "cancelled" }]);
});

test("an accepted run has no such limit", () => {
  const running = given([0, requested()], [0, called(1)], [0, accepted(1)]);
  expect(running.deadlines().map((deadline) => deadline.what)).not.toContain("start");
});
