// A run is requested, OPAL is called, and what the outcome of a call means.
import { describe, expect, test } from "vitest";
import type { Command } from "../../../src/sync/run/commands.ts";
import {
  accepted,
  adopted,
  at,
  BEGIN_ATTEMPT,
  CANCEL,
  callAnswered,
  called,
  callFailed,
  callFell,
  deliver,
  given,
  PLAN,
  postpone,
  provedAccepted,
  RERUN_ALL,
  readAgain,
  requested,
  running,
  START,
  says,
  WAKE,
  WAKE_DURING_CALL,
} from "../../support/node/given.ts";

test("a start is written down with everything the run needs to know", () => {
  given()
    .when(START)
    .at(0)
    .then([{ type: "requested", seq: 1, at: at(0), version: 2, rule: "granted", causedBy: null, ...PLAN }]);
});

describe("a run that was withdrawn while it waited for its turn", () => {
  const withdrawn: Command = { ...START, withdrawnBy: "editor@osa.localhost" };

  test("begins and ends at once", () => {
    const run = given()
      .when(withdrawn)
      .at(0)
      .then([
        { type: "requested", rule: "granted", causedBy: null },
        { type: "cancel_requested", actor: "editor@osa.localhost", rule: "asked_for", causedBy: 1 },
        { type: "ended", status: "cancelled", reason: "withdrawn_from_queue", rule: "withdrawn", causedBy: 2 },
      ]);
    expect(run).toMatchObject({ status: "cancelled", acceptedAt: null, endedAt: at(0), attempts: [] });
  });

  test("is never called and waits for nothing", () => {
    const over = given().and([0, withdrawn]);
    expect(over.nextWakeUp()).toBeUndefined();
    over.when(BEGIN_ATTEMPT).at(1).then([]);
  });

  test("is not started after all", () => {
    given().and([0, withdrawn]).when(START).at(1).then([]);
  });

  test("does not undo a run that has started", () => {
    given([0, requested()]).when(withdrawn).at(1).then([]);
  });
});

test("a start that comes again changes nothing", () => {
  given([0, requested()]).when(START).at(1).then([]);
  given(...running())
    .when(START)
    .at(1)
    .then([]);
});

test.each<[string, Command]>([
  ["a call", BEGIN_ATTEMPT],
  ["an answer", callAnswered()],
  ["a failed call", callFailed("http_5xx")],
  ["a claim", { type: "claim_remote", remoteId: "opal-1", since: Number.MAX_SAFE_INTEGER }],
  ["a delivery", deliver(says("geo_audit", "completed"))],
  ["a cancel", CANCEL],
  ["time", WAKE],
  ["a wait", postpone(60)],
  ["a re-run", RERUN_ALL],
  ["a repetition", { type: "mark_retried", bySessionId: "s2", attempt: 2, how: "retry", actor: "operator" }],
  ["a delivery that is read again", readAgain({}, says("geo_audit", "completed"))],
])("%s cannot come before the run was requested", (_what, command) => {
  given().when(command).at(0).thenRefused("session_not_found");
});

test("the first call to OPAL is due at once", () => {
  expect(given([0, requested()]).nextWakeUp()).toBe(0);
  given([0, requested()])
    .when(BEGIN_ATTEMPT)
    .at(0)
    .then([{ type: "attempt_started", attempt: 1, rerun: null, rule: "call_due", causedBy: 1 }]);
});

test("there is one call at a time", () => {
  given([0, requested()], [0, called(1)])
    .when(BEGIN_ATTEMPT)
    .at(60)
    .then([]);
});

test("no call begins before it is due", () => {
  const waiting = given([0, requested()], [0, called(1)], [1, callFell(1, "http_5xx", 3)]);
  waiting.when(BEGIN_ATTEMPT).at(2.999).then([]);
  waiting
    .when(BEGIN_ATTEMPT)
    .at(3)
    .then([{ type: "attempt_started", attempt: 2 }]);
});

test("time alone calls nobody", () => {
  given([0, requested()]).when(WAKE).at(10).then([]);
});

test("a run that OPAL has accepted is not started again", () => {
  given(...running())
    .when(BEGIN_ATTEMPT)
    .at(5)
    .then([]);
});

test("a workflow that OPAL started by itself is running, and OPAL is never called for it", () => {
  const foreign = given([0, adopted("opal-1")]);
  expect(foreign.run()).toMatchObject({
    status: "running",
    origin: "foreign",
    remoteIds: ["opal-1"],
    acceptedAt: at(0),
  });
  foreign.when(BEGIN_ATTEMPT).at(0).then([]);
});

test("an accepted call makes the run run, though the answer said nothing", () => {
  const run = given([0, requested()], [0, called(1)])
    .when(callAnswered(null))
    .at(2)
    .then([{ type: "attempt_accepted", attempt: 1, httpStatus: 200 }]);
  expect(run).toMatchObject({ status: "running", acceptedAt: at(2), remoteIds: [] });
});

test("the workflow id in the answer is bound to the run", () => {
  const run = given([0, requested()], [0, called(1)])
    .when(callAnswered("opal-1"))
    .at(2)
    .then(["attempt_accepted", { type: "remote_bound", remoteId: "opal-1", boundBy: "answer" }]);
  expect(run.remoteIds).toEqual(["opal-1"]);
});

test("a call may take its time-out and five seconds more before it counts as interrupted", () => {
  const calling = given([0, requested()], [0, called(1)]);
  expect(calling.deadlines()).toEqual([{ what: "call", at: at(50), attempt: 1 }]);
  calling.when(WAKE_DURING_CALL).at(49).then([]);
});

test("an outcome that comes when no call is open changes nothing", () => {
  given(...running())
    .when(callAnswered("opal-9"))
    .at(5)
    .then([]);
  given(...running())
    .when(callFailed("http_5xx"))
    .at(5)
    .then([]);
});

test("a delivery during the call counts as acceptance", () => {
  const run = given([0, requested()], [0, called(1)])
    .when(deliver(says("integration_health", "started")))
    .at(1)
    .then(["delivery_recorded", { type: "accepted_by_delivery", deliveryId: "whd_1" }, "agent_started"]);
  expect(run).toMatchObject({ status: "running", acceptedAt: at(1) });
});

test("a delivery in the wait before a retry counts as acceptance and cancels the retry", () => {
  const waiting = given([0, requested()], [0, called(1)], [45, callFell(1, "timeout_error", 46)]);
  waiting
    .when(deliver(says("integration_health", "started")))
    .at(45.5)
    .then(["delivery_recorded", "accepted_by_delivery", "agent_started"]);
  const bound = given(
    [0, requested()],
    [0, called(1)],
    [45, callFell(1, "timeout_error", 46)],
    [45.5, provedAccepted()],
  );
  bound.when(BEGIN_ATTEMPT).at(46).then([]);
  expect(bound.deadlines().map((deadline) => deadline.what)).not.toContain("attempt");
});

test("a call that fails after a delivery proved acceptance is no reason to call again", () => {
  const proved = given([0, requested()], [0, called(1)], [1, provedAccepted()]);
  const run = proved
    .when(callFailed("timeout_error"))
    .at(45)
    .then([{ type: "attempt_failed", attempt: 1, retryAt: null }]);
  expect(run).toMatchObject({ status: "running", acceptedAt: at(1) });
});

test("an answer that comes after a delivery proved acceptance moves no clock", () => {
  const proved = given([0, requested()], [0, called(1)], [1, provedAccepted()]);
  const run = proved.when(callAnswered("opal-1")).at(3).then(["attempt_accepted", "remote_bound"]);
  expect(run).toMatchObject({ status: "running", acceptedAt: at(1) });
});

test("an acceptance after failures is an acceptance", () => {
  const run = given(
    [0, requested()],
    [0, called(1)],
    [1, callFell(1, "http_5xx", 2)],
    [2, called(2)],
    [3, accepted(2)],
  ).run();
  expect(run).toMatchObject({ status: "running", acceptedAt: at(3) });
  expect(run.attempts.map((attempt) => attempt.state)).toEqual(["failed", "accepted"]);
});
