// When an agent's clock starts, and what its limit means. The chain, then all at once.
import { describe, expect, test } from "vitest";
import type { AgentId } from "../../../src/opal/agents.ts";
import {
  adopted,
  agentCompleted,
  agentFailed,
  agentStarted,
  agentTimedOut,
  at,
  deliver,
  given,
  heard,
  PARALLEL,
  type Past,
  requested,
  running,
  says,
  WAKE,
} from "../../support/node/given.ts";

/** Seconds after the request at which each agent's limit passes; an agent whose turn has not come is absent. */
function limits(...past: readonly Past[]): Partial<Record<AgentId, number>> {
  const agents = given(...past)
    .deadlines()
    .flatMap((deadline) => (deadline.what === "agent" ? [deadline] : []));
  return Object.fromEntries(agents.map(({ agentId, at: dueAt }) => [agentId, (dueAt - at(0)) / 1000]));
}

describe("in the chain", () => {
  test("no agent has a clock before OPAL accepted the run", () => {
    expect(limits([0, requested()])).toEqual({});
  });

  test("the first agent's clock starts with acceptance, and nobody else's does", () => {
    expect(limits(...running())).toEqual({ integration_health: 60 });
    expect(limits([5, adopted("opal-1")])).toEqual({ integration_health: 65 });
  });

  test("an agent times out at its limit and not before", () => {
    given(...running())
      .when(WAKE)
      .at(59.999)
      .then([]);
    const run = given(...running())
      .when(WAKE)
      .at(60)
      .then([
        { type: "agent_timed_out", agentId: "integration_health", limitMs: 60_000, rule: "agent_limit" },
        { type: "rerun_requested", agents: ["integration_health"] },
      ]);
    expect(run).toMatchObject({
      status: "running",
      agents: { integration_health: { state: "rerunning", before: { state: "timed_out", startedAt: null } } },
    });
  });

  test("the next agent's clock starts when the one before it has completed", () => {
    expect(limits(...running(), [40, agentCompleted("integration_health")])).toEqual({ content_review: 160 });
  });

  test("the next agent's clock starts when the one before it has failed", () => {
    expect(limits(...running(), [40, agentFailed("integration_health")])).toEqual({ content_review: 160 });
  });

  test("the next agent's clock starts when the one before it has timed out", () => {
    expect(limits(...running(), [60, agentTimedOut("integration_health", 60_000)])).toEqual({ content_review: 180 });
  });

  test("each agent has its own limit", () => {
    expect(limits(...running(), [10, agentCompleted("roadmap_generator")])).toMatchObject({ cmp_organizer: 190 });
    expect(limits(...running(), [10, agentCompleted("customer_journey")])).toMatchObject({ roadmap_generator: 370 });
  });

  test("an agent that gives a sign of life before its turn is on the clock from then on", () => {
    expect(limits(...running(), [10, agentStarted("geo_audit")])).toEqual({ integration_health: 60, geo_audit: 160 });
  });

  test("a sign of life after its turn came does not give an agent more time", () => {
    expect(limits(...running(), [50, agentStarted("integration_health")])).toEqual({ integration_health: 60 });
  });

  test("an early sign of life still counts when the agent before ends later", () => {
    const past: Past[] = [
      ...running(),
      [10, agentStarted("content_review")],
      [40, agentCompleted("integration_health")],
    ];
    expect(limits(...past)).toEqual({ content_review: 130 });
  });

  test("a result that skips agents leaves their clocks alone", () => {
    expect(limits(...running(), [20, agentCompleted("audience_suggester")])).toEqual({
      integration_health: 60,
      experiment_blueprinter: 320,
    });
  });

  test("a late result gives the next agent its full time from then on", () => {
    const past: Past[] = [...running(), [60, agentTimedOut("integration_health", 60_000)]];
    expect(limits(...past)).toEqual({ content_review: 180 });
    expect(limits(...past, [100, agentCompleted("integration_health")])).toEqual({ content_review: 220 });
    expect(limits(...past, [100, agentFailed("integration_health")])).toEqual({ content_review: 220 });
  });

  test("a late result gives nothing back to an agent that has timed out itself", () => {
    const past: Past[] = [
      ...running(),
      [60, agentTimedOut("integration_health", 60_000)],
      [180, agentTimedOut("content_review", 120_000)],
      [200, agentCompleted("integration_health")],
    ];
    expect(limits(...past)).toEqual({ geo_audit: 330 });
    expect(given(...past).run().agents.content_review).toMatchObject({ state: "timed_out" });
  });

  test("a repeated result moves no clock", () => {
    const past: Past[] = [...running(), [40, agentCompleted("integration_health")]];
    expect(limits(...past, [90, agentCompleted("integration_health", { reportedAt: at(80) })])).toEqual({
      content_review: 160,
    });
  });

  test("a limit that passes unnoticed starts the next agent's clock when it is noticed", () => {
    given(...running())
      .when(WAKE)
      .at(200)
      .then([{ type: "agent_timed_out", agentId: "integration_health" }, "rerun_requested"]);
    expect(limits(...running(), [200, agentTimedOut("integration_health", 60_000)])).toEqual({ content_review: 320 });
  });

  test("a result that arrives before anybody noticed the limit is in time", () => {
    const run = given(...running())
      .when(deliver(says("integration_health", "completed")))
      .at(61)
      .then([{ type: "delivery_recorded", verdict: "processed" }, "agent_completed"]);
    expect(run.agents.integration_health).toMatchObject({ state: "completed", late: false });
  });
});

describe("all at once", () => {
  test("every clock starts with acceptance", () => {
    expect(limits(...running(PARALLEL))).toEqual({
      integration_health: 60,
      content_review: 120,
      geo_audit: 150,
      audience_suggester: 180,
      experiment_blueprinter: 300,
      personalization_idea_generator: 240,
      customer_journey: 200,
      roadmap_generator: 360,
      cmp_organizer: 180,
    });
  });

  test("the end of one agent moves no other's clock", () => {
    expect(limits(...running(PARALLEL), [40, agentCompleted("integration_health")])).toMatchObject({
      content_review: 120,
    });
  });

  test("a sign of life gives an agent no more time", () => {
    expect(limits(...running(PARALLEL), [50, agentStarted("geo_audit")])).toMatchObject({ geo_audit: 150 });
  });

  test("agents whose limits have passed time out together", () => {
    given(...running(PARALLEL))
      .when(WAKE)
      .at(150)
      .then([
        { type: "agent_timed_out", agentId: "integration_health", limitMs: 60_000 },
        { type: "rerun_requested", rerun: 1, agents: ["integration_health"] },
        { type: "agent_timed_out", agentId: "content_review", limitMs: 120_000 },
        { type: "rerun_requested", rerun: 2, agents: ["content_review"] },
        { type: "agent_timed_out", agentId: "geo_audit", limitMs: 150_000 },
        { type: "rerun_requested", rerun: 3, agents: ["geo_audit"] },
      ]);
  });
});

// An agent that never reports.
test("an agent of the chain that never reports times out at its own limit, and the next one has its time", () => {
  const past: Past[] = [
    ...running(),
    [30, heard()],
    [30, agentCompleted("integration_health")],
    [150, agentTimedOut("content_review", 120_000)],
  ];
  expect(limits(...past)).toEqual({ geo_audit: 300 });
  expect(given(...past).run().status).toBe("running");
});
