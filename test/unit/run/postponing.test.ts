// A call that is due may not be made yet: the breaker is open, or triggering is switched off. That is no attempt.
import { describe, expect, test } from "vitest";
import type { PostponedBecause } from "../../../src/sync/run/events.ts";
import { viewRun } from "../../../src/sync/run/view.ts";
import {
  agentTimedOut,
  at,
  BEGIN_ATTEMPT,
  bound,
  CANCEL,
  called,
  callFell,
  deliver,
  deliverFrom,
  given,
  type Past,
  postpone,
  postponed,
  provedAccepted,
  requested,
  rerunRequested,
  running,
  says,
  WAKE,
} from "../../support/node/given.ts";

const REASONS: readonly PostponedBecause[] = [
  "breaker_open",
  "breaker_probing",
  "switched_off",
  "lease_lost",
  "workspace_unreachable",
];

describe("the first call", () => {
  test.each(REASONS)("waits when there is no leave: %s", (because) => {
    const run = given([0, requested()])
      .when(postpone(30, because))
      .at(0)
      .then([{ type: "attempt_postponed", until: at(30), because, rule: "call_not_allowed", causedBy: 1 }]);
    expect(run).toMatchObject({ status: "requested", attempts: [], postponed: { until: at(30), because } });
  });

  test("is due when the wait is over, and is still the first", () => {
    const waiting = given([0, requested()], [0, postponed(30)]);
    expect(waiting.nextWakeUp()).toBe(30);
    waiting.when(BEGIN_ATTEMPT).at(29.999).then([]);
    waiting
      .when(BEGIN_ATTEMPT)
      .at(30)
      .then([{ type: "attempt_started", attempt: 1, rule: "call_due", causedBy: 2 }]);
  });

  test("waits for nothing any more once it has begun", () => {
    expect(given([0, requested()], [0, postponed(30)], [30, called(1)]).run().postponed).toBeNull();
  });
});

test("a retry waits too, with as many attempts left as before", () => {
  const failed: Past[] = [
    [0, requested()],
    [0, called(1)],
    [1, callFell(1, "http_5xx", 3)],
  ];
  given(...failed)
    .when(postpone(30))
    .at(3)
    .then([{ type: "attempt_postponed", causedBy: 3 }]);
  const waiting = given(...failed, [3, postponed(30)]);
  expect(waiting.nextWakeUp()).toBe(30);
  waiting
    .when(BEGIN_ATTEMPT)
    .at(30)
    .then([{ type: "attempt_started", attempt: 2 }]);
});

describe("the log", () => {
  test("is not filled with one wait", () => {
    given([0, requested()], [0, postponed(30)])
      .when(postpone(40))
      .at(15)
      .then([]);
  });

  test("tells every time that the wait gets longer", () => {
    const run = given([0, requested()], [0, postponed(30)])
      .when(postpone(60, "switched_off"))
      .at(30)
      .then([{ type: "attempt_postponed", until: at(60), because: "switched_off", causedBy: 2 }]);
    expect(run.postponed).toEqual({ until: at(60), because: "switched_off" });
  });

  test("tells of no wait that is over already", () => {
    given([0, requested()]).when(postpone(10)).at(10).then([]);
    given([0, requested()]).when(postpone(9)).at(10).then([]);
  });
});

describe("nothing waits for leave", () => {
  test.each<[string, readonly Past[]]>([
    [
      "while a call is open",
      [
        [0, requested()],
        [0, called(1)],
      ],
    ],
    [
      "before the next call is due",
      [
        [0, requested()],
        [0, called(1)],
        [1, callFell(1, "http_5xx", 9)],
      ],
    ],
    ["once OPAL has accepted the run", running()],
    [
      "once the run has ended",
      [...running(), [3, { type: "ended", status: "cancelled", reason: "cancelled_by_operator" }]],
    ],
  ])("%s", (_when, past) => {
    given(...past)
      .when(postpone(60))
      .at(5)
      .then([]);
  });
});

test("a run that waits for leave can be cancelled at once", () => {
  given([0, requested()], [0, postponed(600)])
    .when(CANCEL)
    .at(5)
    .then(["cancel_requested", { type: "ended", status: "cancelled" }]);
});

test("time alone does not shorten the wait", () => {
  given([0, requested()], [0, postponed(600)])
    .when(WAKE)
    .at(599)
    .then([]);
});

describe("the call of a re-run", () => {
  const again: Past[] = [
    ...running(),
    [60, agentTimedOut("integration_health", 60_000)],
    [60, rerunRequested(1, ["integration_health"])],
  ];

  test("waits as well, and is made afterwards", () => {
    given(...again)
      .when(postpone(90))
      .at(60)
      .then([{ type: "attempt_postponed", until: at(90), causedBy: 5 }]);
    const waiting = given(...again, [60, postponed(90)]);
    expect(waiting.nextWakeUp()).toBe(90);
    waiting.when(BEGIN_ATTEMPT).at(89).then([]);
    waiting
      .when(BEGIN_ATTEMPT)
      .at(90)
      .then([{ type: "attempt_started", attempt: 2, rerun: 1, causedBy: 6 }]);
  });

  test("is not waited for any more once the agent has delivered after all", () => {
    const repaired = given(...again, [60, postponed(90)]).and([70, deliver(says("integration_health", "completed"))]);
    expect(repaired.deadlines().map((deadline) => deadline.what)).not.toContain("attempt");
    expect(viewRun(repaired.run())).toMatchObject({ postponed: null, nextAttemptAt: null });
  });

  test("is not waited for any more once a delivery has shown that OPAL took it", () => {
    const taken = given(
      ...again,
      [60, bound("opal-1")],
      [61, called(2, 1)],
      [62, callFell(2, "timeout_error", 63)],
      [63, postponed(90)],
    ).and([64, deliverFrom("opal-2", true, says("integration_health", "started"))]);
    expect(viewRun(taken.run())).toMatchObject({ postponed: null, nextAttemptAt: null });
    expect(viewRun(taken.run()).message).toBe("Taking longer than expected, running once more: Integration health.");
  });
});

test("a delivery that proves acceptance ends the wait for the start", () => {
  const waiting: Past[] = [
    [0, requested()],
    [0, called(1)],
    [1, callFell(1, "timeout_error", 2)],
    [2, postponed(60)],
    [5, provedAccepted()],
  ];
  expect(given(...waiting).run()).toMatchObject({ status: "running", postponed: null });
});
