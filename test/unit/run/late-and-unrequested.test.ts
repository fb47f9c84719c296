// Late is not lost, and neither is what nobody asked for.
import { describe, expect, test } from "vitest";
import {
  agentCompleted,
  agentTimedOut,
  at,
  deliver,
  ended,
  given,
  only,
  type Past,
  running,
  says,
  workflowSays,
} from "../../support/node/given.ts";

describe("an agent that was given up", () => {
  const timedOut: Past[] = [...running(), [60, agentTimedOut("integration_health", 60_000)]];

  test("a result after the agent timed out repairs its state and is marked late", () => {
    const run = given(...timedOut)
      .when(deliver(says("integration_health", "completed")))
      .at(70)
      .then([{ type: "delivery_recorded", verdict: "late", reason: "agent_given_up" }, "agent_completed"]);
    expect(run.agents.integration_health).toMatchObject({ state: "completed", endedAt: at(70), late: true });
  });

  test("a failure after the agent timed out tells why there is no result", () => {
    const run = given(...timedOut)
      .when(deliver(says("integration_health", "failed")))
      .at(70)
      .then([{ type: "delivery_recorded", verdict: "late" }, "agent_failed"]);
    expect(run.agents.integration_health).toMatchObject({ state: "failed", reason: "reported_failure" });
  });

  test("a start after the agent timed out is in time for nothing and repairs nothing", () => {
    const run = given(...timedOut)
      .when(deliver(says("integration_health", "started")))
      .at(70)
      .then([{ type: "delivery_recorded", verdict: "processed" }, "agent_started"]);
    expect(run.agents.integration_health).toMatchObject({ state: "timed_out" });
  });

  test("a result of an agent that was given up in the closing window is late", () => {
    const run = given(...running(), [40, { type: "agent_gave_no_result", agentId: "geo_audit" }])
      .when(deliver(says("geo_audit", "completed")))
      .at(41)
      .then([{ type: "delivery_recorded", verdict: "late", reason: "agent_given_up" }, "agent_completed"]);
    expect(run.agents.geo_audit).toMatchObject({ state: "completed", late: true });
  });
});

describe("after the end", () => {
  const over: Past[] = [
    ...running(),
    [30, agentCompleted("geo_audit")],
    [600, ended("partially_completed", "inactivity")],
  ];

  test("a result is attached and marked, and changes neither agent nor run", () => {
    const run = given(...over)
      .when(deliver(says("content_review", "completed", { bodyId: "whd_9.result" })))
      .at(700)
      .then([
        { type: "delivery_recorded", verdict: "late", reason: "run_ended" },
        { type: "result_attached", agentId: "content_review" },
      ]);
    expect(run).toMatchObject({
      status: "partially_completed",
      endedAt: at(600),
      attached: [{ agentId: "content_review", at: at(700) }],
    });
    expect(run.agents.content_review).toEqual({ state: "waiting" });
  });

  test("a start is recorded and nothing is attached", () => {
    given(...over)
      .when(deliver(says("content_review", "started")))
      .at(700)
      .then([{ type: "delivery_recorded", verdict: "late" }]);
  });

  test("the workflow's own completion changes nothing", () => {
    given(...over)
      .when(deliver(workflowSays("completed")))
      .at(700)
      .then([{ type: "delivery_recorded", verdict: "late" }]);
  });
});

describe("an agent that this run did not ask for", () => {
  const narrow = running(only("geo_audit", "cmp_organizer"));

  test("has its result kept and marked, without effect on progress, phase or end", () => {
    const run = given(...narrow)
      .when(deliver(says("roadmap_generator", "completed")))
      .at(5)
      .then([
        { type: "delivery_recorded", verdict: "processed", reason: "unrequested" },
        { type: "unrequested_result", agentId: "roadmap_generator" },
      ]);
    expect(run).toMatchObject({
      status: "running",
      phase: 0,
      reportedEnds: [],
      unrequested: [{ agentId: "roadmap_generator" }],
    });
    expect(run.agents.roadmap_generator).toBeUndefined();
  });

  test("has its failure kept as well, and its start only recorded", () => {
    given(...narrow)
      .when(deliver(says("roadmap_generator", "failed")))
      .at(5)
      .then(["delivery_recorded", "unrequested_result"]);
    given(...narrow)
      .when(deliver(says("roadmap_generator", "started")))
      .at(5)
      .then([{ type: "delivery_recorded", reason: "unrequested" }]);
  });
});
