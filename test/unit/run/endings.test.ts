// How a run ends by its agents, and what the closing window is for.
import { describe, expect, test } from "vitest";
import { AGENT_IDS, type AgentId } from "../../../src/opal/agents.ts";
import {
  adopted,
  agentCompleted,
  agentFailed,
  agentStarted,
  agentTimedOut,
  at,
  deliver,
  given,
  hadResult,
  knowing,
  only,
  PARALLEL,
  type Past,
  PLAN,
  running,
  says,
  WAKE,
  workflowSays,
} from "../../support/node/given.ts";

const LAST: AgentId = "cmp_organizer";
const EIGHT = AGENT_IDS.filter((id) => id !== LAST);
const eightCompleted: readonly Past[] = EIGHT.map((id, index): Past => [index + 1, agentCompleted(id)]);
const eightFailed: readonly Past[] = EIGHT.map((id, index): Past => [index + 1, agentFailed(id)]);

describe("when every agent has ended", () => {
  test("all completed is completed", () => {
    const run = given(...running(), ...eightCompleted)
      .when(deliver(says(LAST, "completed")))
      .at(20)
      .then([
        "delivery_recorded",
        "agent_completed",
        { type: "ended", status: "completed", reason: "all_agents_completed" },
      ]);
    expect(run).toMatchObject({ status: "completed", acceptedAt: at(0), endedAt: at(20) });
  });

  test("some completed is partially completed", () => {
    given(...running(), ...eightCompleted)
      .when(deliver(says(LAST, "failed")))
      .at(20)
      .then([
        "delivery_recorded",
        "agent_failed",
        { type: "ended", status: "partially_completed", reason: "some_agents_completed" },
      ]);
    given(...running(), ...eightFailed)
      .when(deliver(says(LAST, "completed")))
      .at(20)
      .then(["delivery_recorded", "agent_completed", { type: "ended", status: "partially_completed" }]);
  });

  test("none completed is failed", () => {
    given(...running(), ...eightFailed)
      .when(deliver(says(LAST, "failed")))
      .at(20)
      .then(["delivery_recorded", "agent_failed", { type: "ended", status: "failed", reason: "no_agent_completed" }]);
  });

  test("a time-out that an agent reports of itself is a failure of that agent", () => {
    given(...running(), ...eightCompleted)
      .when(deliver(says(LAST, "timed_out")))
      .at(20)
      .then([
        "delivery_recorded",
        { type: "agent_failed", reason: "reported_timeout" },
        { type: "ended", status: "partially_completed" },
      ]);
  });

  test("the order of the reports does not matter", () => {
    const backwards = AGENT_IDS.toReversed()
      .slice(0, 8)
      .map((id, index): Past => [index + 1, agentCompleted(id)]);
    given(...running(), ...backwards)
      .when(deliver(says("integration_health", "completed")))
      .at(20)
      .then(["delivery_recorded", "agent_completed", { type: "ended", status: "completed" }]);
  });

  test("only the agents that were asked for are waited for", () => {
    given(...running(only("geo_audit", "cmp_organizer")), [1, agentCompleted("geo_audit")])
      .when(deliver(says("cmp_organizer", "completed")))
      .at(20)
      .then(["delivery_recorded", "agent_completed", { type: "ended", status: "completed" }]);
  });

  test("the last agent's own time-out ends the run when an earlier result stands in for it", () => {
    given(...running(knowing(PLAN, hadResult(LAST, 2))), ...eightCompleted)
      .when(WAKE)
      .at(8 + 180)
      .then([
        { type: "agent_timed_out", agentId: LAST },
        "fallback_used",
        { type: "ended", status: "partially_completed" },
      ]);
  });

  test("the last agent's own time-out does not end the run while that agent runs once more", () => {
    const run = given(...running(), ...eightCompleted)
      .when(WAKE)
      .at(8 + 180)
      .then([{ type: "agent_timed_out", agentId: LAST }, "rerun_requested"]);
    expect(run.status).toBe("running");
  });

  test("time-outs of all agents, without any limit of the run, are a failure", () => {
    const timedOut = AGENT_IDS.filter((id) => id !== "roadmap_generator").map(
      (id): Past => [300, agentTimedOut(id, 1)],
    );
    given([0, adopted("opal-1", PARALLEL)], ...timedOut)
      .when(WAKE)
      .at(360)
      .then([
        { type: "agent_timed_out", agentId: "roadmap_generator" },
        { type: "ended", status: "failed", reason: "no_agent_completed" },
      ]);
  });

  test("nobody's word but the agents' completes a run", () => {
    const run = given(...running(), ...eightCompleted)
      .when(deliver(workflowSays("completed")))
      .at(20)
      .then(["delivery_recorded", { type: "workflow_over", outcome: "completed" }]);
    expect(run.status).toBe("running");
  });
});

describe("the closing window", () => {
  const lastReported: Past[] = [...running(), [1, agentCompleted("geo_audit")], [10, agentCompleted(LAST)]];

  test("opens with the report of the chain's last agent, a failure as well", () => {
    expect(given(...lastReported).deadlines()).toContainEqual({ what: "closing", at: at(40) });
    expect(given(...running(), [10, agentFailed(LAST)]).deadlines()).toContainEqual({ what: "closing", at: at(40) });
  });

  test.each(["completed", "failed", "timed_out"] as const)(
    "opens when OPAL says that the workflow is over: %s",
    (outcome) => {
      const over: Past = [10, { type: "workflow_over", outcome }];
      expect(given(...running(), over).deadlines()).toContainEqual({ what: "closing", at: at(40) });
    },
  );

  test("does not open when OPAL says that the workflow is under way", () => {
    given(...running())
      .when(deliver(workflowSays("under_way")))
      .at(10)
      .then([{ type: "delivery_recorded", verdict: "processed", reason: null }]);
  });

  test("does not open with the last agent's start, nor with its time-out by our clock", () => {
    const open = given(...running(), [10, agentStarted(LAST)], [190, agentTimedOut(LAST, 180_000)]).run();
    expect(open).toMatchObject({ status: "running", closingSince: null });
  });

  test("has no meaning for agents that work all at once", () => {
    expect(given(...running(PARALLEL), [10, agentCompleted(LAST)]).run()).toMatchObject({ closingSince: null });
  });

  test("gives the others thirty seconds, then they have failed without a result", () => {
    given(...lastReported)
      .when(WAKE)
      .at(39.999)
      .then([]);
    const run = given(...lastReported)
      .when(WAKE)
      .at(40)
      .then([
        { type: "agent_gave_no_result", agentId: "integration_health" },
        { type: "agent_gave_no_result", agentId: "content_review" },
        { type: "agent_gave_no_result", agentId: "audience_suggester" },
        { type: "agent_gave_no_result", agentId: "experiment_blueprinter" },
        { type: "agent_gave_no_result", agentId: "personalization_idea_generator" },
        { type: "agent_gave_no_result", agentId: "customer_journey" },
        { type: "agent_gave_no_result", agentId: "roadmap_generator" },
        { type: "ended", status: "partially_completed", reason: "some_agents_completed" },
      ]);
    expect(run.agents.content_review).toMatchObject({ state: "failed", reason: "no_result", result: null });
  });

  test("gives nobody up twice, however late it is noticed", () => {
    const onTime = given(...lastReported)
      .when(WAKE)
      .at(40)
      .run();
    const late = given(...lastReported)
      .when(WAKE)
      .at(400)
      .run();
    expect(late.seq).toBe(onTime.seq);
  });

  test("without any result ends in failure", () => {
    const run = given(...running(), [10, { type: "workflow_over", outcome: "completed" }])
      .when(WAKE)
      .at(40)
      .run();
    expect(run).toMatchObject({ status: "failed", reason: "no_agent_completed" });
  });

  test("is not opened anew by a second report", () => {
    const again = given(
      ...lastReported,
      [30, { type: "workflow_over", outcome: "completed" }],
      [31, agentCompleted(LAST)],
    );
    expect(again.deadlines()).toContainEqual({ what: "closing", at: at(40) });
  });

  test("takes in results that are still on their way", () => {
    given(...running(), ...eightCompleted.slice(1), [10, agentCompleted(LAST)])
      .when(deliver(says("integration_health", "completed")))
      .at(39)
      .then(["delivery_recorded", "agent_completed", { type: "ended", status: "completed" }]);
  });
});
