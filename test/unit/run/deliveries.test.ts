// What becomes of a delivery, and what it may change.
import { describe, expect, test } from "vitest";
import {
  agentCompleted,
  agentFailed,
  agentStarted,
  at,
  called,
  deliver,
  deliverFrom,
  ended,
  given,
  heard,
  means,
  requested,
  running,
  says,
  saysOddly,
  workflowSays,
} from "../../support/node/given.ts";

describe("a report of an agent", () => {
  test("that it started", () => {
    const run = given(...running())
      .when(deliver(says("integration_health", "started")))
      .at(5)
      .then([
        { type: "delivery_recorded", verdict: "processed", reason: null },
        { type: "agent_started", agentId: "integration_health", deliveryId: "whd_1" },
      ]);
    expect(run.agents.integration_health).toEqual({ state: "running", startedAt: at(5) });
  });

  test("that it started, again, moves nothing", () => {
    const run = given(
      ...running(),
      [5, agentStarted("integration_health")],
      [9, agentStarted("integration_health")],
    ).run();
    expect(run.agents.integration_health).toEqual({ state: "running", startedAt: at(5) });
  });

  test("that it started, after it has ended, does not make it run again", () => {
    const run = given(
      ...running(),
      [5, agentCompleted("integration_health")],
      [9, agentStarted("integration_health")],
    ).run();
    expect(run.agents.integration_health).toMatchObject({ state: "completed", startedAt: at(5), endedAt: at(5) });
  });

  test("that it completed, with its result, though it never said that it started", () => {
    const run = given(...running())
      .when(deliver(says("geo_audit", "completed", { confidence: 0.92 })))
      .at(5)
      .then([
        { type: "delivery_recorded", verdict: "processed" },
        { type: "agent_completed", agentId: "geo_audit" },
      ]);
    expect(run.agents.geo_audit).toMatchObject({
      state: "completed",
      startedAt: null,
      late: false,
      result: { confidence: 0.92 },
    });
  });

  test("that it failed, with what it said about it", () => {
    const run = given(...running())
      .when(deliver(says("geo_audit", "failed", { bodyId: "whd_7.result" })))
      .at(5)
      .then(["delivery_recorded", { type: "agent_failed", reason: "reported_failure" }]);
    expect(run.agents.geo_audit).toMatchObject({ state: "failed", result: { bodyId: "whd_7.result" } });
  });

  test("of several agents in one delivery is one delivery", () => {
    const run = given(...running())
      .when(
        deliver(says("integration_health", "completed"), says("content_review", "failed"), workflowSays("completed")),
      )
      .at(5)
      .then(["delivery_recorded", "agent_completed", "agent_failed", { type: "workflow_over", outcome: "completed" }]);
    expect(run.deliveries).toEqual({ processed: 1, late: 0, ignored: 0, quarantined: 0 });
  });
});

describe("what a run cannot act on", () => {
  const ignored = means("ignored", "unknown_status");

  test("is recorded with its reason and changes nothing", () => {
    const before = given(...running(), [5, agentStarted("geo_audit")]);
    const run = before
      .when(deliver(ignored))
      .at(10)
      .then([{ type: "delivery_recorded", verdict: "ignored", reason: "unknown_status" }]);
    const { agents, phase, reportedEnds, status } = before.run();
    expect(run).toMatchObject({ agents, phase, reportedEnds, status });
  });

  test("is no acceptance when its word is unknown", () => {
    const run = given([0, requested()]).when(deliver(ignored)).at(1).then(["delivery_recorded"]);
    expect(run.status).toBe("requested");
  });

  test("is acceptance all the same when it names our id and OPAL's own", () => {
    given([0, requested()], [0, called(1)])
      .when(deliverFrom("opal-1", true, ignored))
      .at(1)
      .then([{ type: "delivery_recorded", verdict: "ignored" }, "remote_bound", "accepted_by_delivery"]);
  });

  test("is a sign of OPAL all the same when only its agent is unknown", () => {
    given([0, requested()])
      .when(deliver(means("quarantined", "unknown_agent")))
      .at(1)
      .then([{ type: "delivery_recorded", verdict: "quarantined", reason: "unknown_agent" }, "accepted_by_delivery"]);
  });

  test("keeps its verdict after the end", () => {
    const over = given(...running(), [600, ended("timed_out", "inactivity")]);
    over
      .when(deliver(ignored))
      .at(700)
      .then([{ type: "delivery_recorded", verdict: "ignored" }]);
  });
});

describe("a result of a shape nobody knows", () => {
  test("is kept and quarantined, and its agent has not delivered", () => {
    const run = given(...running())
      .when(deliver(saysOddly("geo_audit")))
      .at(5)
      .then([
        { type: "delivery_recorded", verdict: "quarantined", reason: "unrecognised_result" },
        { type: "result_quarantined", agentId: "geo_audit", rule: "result_shape_unknown" },
        { type: "rerun_requested", because: "invalid_result" },
      ]);
    expect(run.agents.geo_audit).toMatchObject({
      state: "rerunning",
      before: { state: "failed", reason: "invalid_result", result: { family: "unrecognised" } },
    });
  });

  test("is attached after the end, still quarantined", () => {
    given(...running(), [600, ended("timed_out", "inactivity")])
      .when(deliver(saysOddly("geo_audit")))
      .at(700)
      .then([{ type: "delivery_recorded", verdict: "quarantined" }, "result_attached"]);
  });
});

test("every delivery is counted once, by what became of it", () => {
  const heardOf = [heard("processed"), heard("late"), heard("ignored"), heard("quarantined"), heard("late")];
  const run = given(...running(), ...heardOf.map((delivery) => [5, delivery] as const)).run();
  expect(run.deliveries).toEqual({ processed: 1, late: 2, ignored: 1, quarantined: 1 });
});

test("a failed agent that completes after all has completed", () => {
  const run = given(...running(), [5, agentFailed("geo_audit")], [9, agentCompleted("geo_audit")]).run();
  expect(run.agents.geo_audit).toMatchObject({ state: "completed", endedAt: at(9), late: false });
});

test("a completed agent does not fail afterwards", () => {
  const run = given(
    ...running(),
    [5, agentCompleted("geo_audit")],
    [9, agentFailed("geo_audit", { reportedAt: at(9) })],
  ).run();
  expect(run.agents.geo_audit).toMatchObject({ state: "completed", endedAt: at(5) });
});

test("a delivery without any report of its own is still recorded", () => {
  given(...running())
    .when(deliverFrom("opal-1", false))
    .at(5)
    .then([{ type: "delivery_recorded", verdict: "processed" }]);
});
