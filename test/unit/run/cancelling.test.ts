// Cancelling stops what we do, and nothing that comes later revives the run.
import { describe, expect, test } from "vitest";
import {
  agentCompleted,
  at,
  BEGIN_ATTEMPT,
  CANCEL,
  CANCEL_DURING_CALL,
  callAnswered,
  called,
  callFailed,
  callFell,
  deliver,
  ended,
  given,
  only,
  type Past,
  provedAccepted,
  requested,
  running,
  says,
  WAKE,
  WAKE_DURING_CALL,
} from "../../support/node/given.ts";

const CANCELLED = { type: "ended", status: "cancelled", reason: "cancelled_by_operator" } as const;
const asked = { type: "cancel_requested", actor: "operator" } as const;

describe("while no call is open", () => {
  test("a run that has not called yet is cancelled at once, and never calls", () => {
    given([0, requested()]).when(CANCEL).at(1).then([asked, CANCELLED]);
    given([0, requested()], [1, asked], [1, CANCELLED]).when(BEGIN_ATTEMPT).at(2).then([]);
  });

  test("a run that waits for a retry is cancelled at once, and OPAL gets no more calls", () => {
    const waiting: Past[] = [
      [0, requested()],
      [0, called(1)],
      [1, callFell(1, "http_5xx", 3)],
    ];
    const run = given(...waiting)
      .when(CANCEL)
      .at(2)
      .then([asked, CANCELLED]);
    expect(run).toMatchObject({ status: "cancelled", acceptedAt: null, endedAt: at(2) });
    const cancelled = given(...waiting, [2, asked], [2, CANCELLED]);
    expect(cancelled.nextWakeUp()).toBeUndefined();
    cancelled.when(BEGIN_ATTEMPT).at(3).then([]);
  });

  test("a running run is cancelled at once and keeps the results it has", () => {
    const run = given(...running(), [40, agentCompleted("integration_health")])
      .when(CANCEL)
      .at(50)
      .then([asked, CANCELLED]);
    expect(run.agents.integration_health).toMatchObject({ state: "completed" });
  });
});

describe("while a call is under way", () => {
  const cancelling: Past[] = [
    [0, requested()],
    [0, called(1)],
    [1, asked],
  ];

  test("the run is being cancelled until the call has ended", () => {
    const run = given([0, requested()], [0, called(1)])
      .when(CANCEL_DURING_CALL)
      .at(1)
      .then([asked]);
    expect(run).toMatchObject({ status: "requested", cancelRequestedAt: at(1) });
    expect(given(...cancelling).nextWakeUp()).toBe(50);
    given(...cancelling)
      .when(WAKE_DURING_CALL)
      .at(2)
      .then([]);
  });

  test("the aborted call confirms it", () => {
    given(...cancelling)
      .when(callFailed("aborted"))
      .at(1.1)
      .then([{ type: "attempt_failed", attempt: 1, failure: "aborted", retryAt: null }, CANCELLED]);
  });

  test("a call that fails for another reason is not tried again", () => {
    given(...cancelling)
      .when(callFailed("http_5xx"))
      .at(2)
      .then([{ type: "attempt_failed", retryAt: null }, CANCELLED]);
  });

  test("a call that succeeds all the same is recorded with its workflow, and the run is cancelled", () => {
    const run = given(...cancelling)
      .when(callAnswered("opal-1"))
      .at(2)
      .then(["attempt_accepted", "remote_bound", CANCELLED]);
    expect(run).toMatchObject({ status: "cancelled", acceptedAt: at(2), remoteIds: ["opal-1"] });
  });

  test("a call that nobody is making any more confirms it too", () => {
    given(...cancelling)
      .when(WAKE)
      .at(50)
      .then([{ type: "attempt_failed", failure: "interrupted", retryAt: null }, CANCELLED]);
  });

  test("asking again changes nothing", () => {
    given(...cancelling)
      .when(CANCEL_DURING_CALL)
      .at(2)
      .then([]);
  });

  test("a delivery is taken in, but completes nothing any more", () => {
    const alone: Past[] = [
      [0, requested(only("geo_audit"))],
      [0, called(1)],
      [1, asked],
    ];
    const run = given(...alone)
      .when(deliver(says("geo_audit", "completed")))
      .at(1.5)
      .then(["delivery_recorded", "accepted_by_delivery", "agent_completed"]);
    expect(run).toMatchObject({ status: "running", cancelRequestedAt: at(1) });
    given(...alone, [1.5, provedAccepted()], [1.5, agentCompleted("geo_audit")])
      .when(callFailed("aborted"))
      .at(2)
      .then(["attempt_failed", CANCELLED]);
  });
});

test("a run that is being cancelled waits for its call and for no agent or limit any more", () => {
  const cancelling = given(
    [0, requested()],
    [0, called(1)],
    [1, provedAccepted()],
    [2, { type: "workflow_over", outcome: "completed" }],
    [3, asked],
  );
  expect(cancelling.deadlines()).toEqual([{ what: "call", at: at(50), attempt: 1 }]);
  cancelling.when(WAKE_DURING_CALL).at(40).then([]);
});

test("a run that was asked to cancel never calls again", () => {
  const asking = given([0, requested()], [0, called(1)], [1, callFell(1, "http_5xx", 3)], [2, asked]);
  asking.when(BEGIN_ATTEMPT).at(3).then([]);
});

test("cancelling an interrupted call records that no other one follows", () => {
  given([0, requested()], [0, called(1)])
    .when(CANCEL)
    .at(3)
    .then([asked, { type: "attempt_failed", failure: "interrupted", retryAt: null }, CANCELLED]);
});

describe("afterwards", () => {
  const cancelled: Past[] = [...running(), [50, asked], [50, ended("cancelled", "cancelled_by_operator")]];

  test("a late completion is attached and does not revive the run", () => {
    const run = given(...cancelled)
      .when(deliver(says("cmp_organizer", "completed")))
      .at(60)
      .then([{ type: "delivery_recorded", verdict: "late", reason: "run_ended" }, "result_attached"]);
    expect(run).toMatchObject({ status: "cancelled", endedAt: at(50) });
    expect(run.agents.cmp_organizer).toEqual({ state: "waiting" });
  });

  test("cancelling again is answered like the first time", () => {
    given(...cancelled)
      .when(CANCEL)
      .at(60)
      .then([]);
  });

  test.each(["completed", "partially_completed", "failed", "timed_out"] as const)(
    "a run that is %s cannot be cancelled",
    (status) => {
      const over = given(...running(), [50, ended(status, "all_agents_completed")])
        .when(CANCEL)
        .at(60);
      over.thenRefused("run_ended");
      expect(over.decision).toMatchObject({ members: { state: status } });
    },
  );
});
