// Inactivity and the overall deadline, and what neither of them does.
import { describe, expect, test } from "vitest";
import { AGENT_IDS } from "../../../src/opal/agents.ts";
import {
  adopted,
  agentCompleted,
  agentTimedOut,
  at,
  deliver,
  given,
  heard,
  means,
  minutes,
  PARALLEL,
  type Past,
  running,
  WAKE,
} from "../../support/node/given.ts";

describe("inactivity", () => {
  test("ends a run that OPAL accepted and then never spoke of, after ten minutes", () => {
    const silent: Past[] = [
      ...running(),
      [60, agentTimedOut("integration_health", 60_000)],
      [180, agentTimedOut("content_review", 120_000)],
      [330, agentTimedOut("geo_audit", 150_000)],
      [510, agentTimedOut("audience_suggester", 180_000)],
    ];
    given(...silent)
      .when(WAKE)
      .at(599.999)
      .then([]);
    const run = given(...silent)
      .when(WAKE)
      .at(600)
      .then([
        { type: "agent_timed_out", agentId: "experiment_blueprinter" },
        { type: "agent_timed_out", agentId: "personalization_idea_generator" },
        { type: "agent_timed_out", agentId: "customer_journey" },
        { type: "agent_timed_out", agentId: "roadmap_generator" },
        { type: "agent_timed_out", agentId: "cmp_organizer" },
        { type: "ended", status: "timed_out", reason: "inactivity" },
      ]);
    expect(run).toMatchObject({ status: "timed_out", endedAt: at(600) });
  });

  test("counts from the last delivery", () => {
    expect(given(...running(), [100, heard()]).deadlines()).toContainEqual({ what: "inactivity", at: at(700) });
  });

  test("counts from acceptance while nothing has come", () => {
    expect(given(...running()).deadlines()).toContainEqual({ what: "inactivity", at: at(600) });
    expect(given([30, adopted("opal-1")]).deadlines()).toContainEqual({ what: "inactivity", at: at(630) });
  });

  test("is not interrupted by our own time-outs", () => {
    const past: Past[] = [...running(), [60, agentTimedOut("integration_health", 60_000)]];
    expect(given(...past).deadlines()).toContainEqual({ what: "inactivity", at: at(600) });
  });

  test("is interrupted by any delivery, whatever it says", () => {
    const run = given(...running())
      .when(deliver(means("ignored", "unknown_status")))
      .at(100)
      .run();
    expect(run.lastDeliveryAt).toBe(at(100));
  });

  test("keeps what there is: with a result the run is partially completed", () => {
    const run = given(...running(), [30, heard()], [30, agentCompleted("geo_audit")])
      .when(WAKE)
      .at(630)
      .run();
    expect(run).toMatchObject({ status: "partially_completed", reason: "inactivity" });
    expect(run.agents.geo_audit).toMatchObject({ state: "completed" });
    expect(run.agents.cmp_organizer).toMatchObject({ state: "timed_out", limitMs: 180_000 });
  });
});

describe("the overall deadline", () => {
  const stillTalking: Past[] = [...running(), [minutes(25), heard()]];

  test("ends a run thirty minutes after acceptance, however much is still going on", () => {
    expect(given(...stillTalking).deadlines()).toContainEqual({ what: "run", at: at(minutes(30)) });
    const run = given(...stillTalking)
      .when(WAKE)
      .at(minutes(30))
      .run();
    expect(run).toMatchObject({ status: "timed_out", reason: "run_deadline", endedAt: at(minutes(30)) });
  });

  test("counts from acceptance and not from the request", () => {
    const [requested, ...rest] = running();
    const slowly = rest.map(([, body]): Past => [80, body]);
    expect(given(requested ?? [0, heard()], ...slowly).deadlines()).toContainEqual({
      what: "run",
      at: at(80 + minutes(30)),
    });
  });

  test("keeps what there is: with a result the run is partially completed", () => {
    const run = given(...stillTalking, [minutes(25), agentCompleted("integration_health")])
      .when(WAKE)
      .at(minutes(30))
      .run();
    expect(run).toMatchObject({ status: "partially_completed", reason: "run_deadline" });
  });

  test("leaves no agent open", () => {
    const run = given(...stillTalking)
      .when(WAKE)
      .at(minutes(30))
      .run();
    expect(AGENT_IDS.map((id) => run.agents[id]?.state)).toEqual(Array(9).fill("timed_out"));
  });
});

describe("time by itself", () => {
  test("completes nothing: after 61 seconds without a webhook the run is still running", () => {
    const run = given(...running())
      .when(WAKE)
      .at(61)
      .then([{ type: "agent_timed_out", agentId: "integration_health" }, "rerun_requested"]);
    expect(run.status).toBe("running");
  });

  test("never completes a run: at any limit it is timed out, not completed", () => {
    const run = given(...running())
      .when(WAKE)
      .at(minutes(40))
      .run();
    expect(run.status).toBe("timed_out");
  });

  test("gives a run that OPAL has not accepted no limit but the one for its start", () => {
    const waiting = given(...running().slice(0, 1));
    expect(waiting.deadlines()).toEqual([
      { what: "attempt", at: at(0), rerun: null },
      { what: "start", at: at(minutes(35)) },
    ]);
  });
});

// An alarm may come late: by a minute on failover, by hours after an outage. What it then decides must be what one on
// time would have decided, so the limits count in the order in which they passed.
describe("a wake-up that comes late", () => {
  test("ends a silent run for the limit that passed first", () => {
    const run = given(...running())
      .when(WAKE)
      .at(minutes(31))
      .run();
    expect(run).toMatchObject({ status: "timed_out", reason: "inactivity" });
  });

  test("ends a run in its closing window by that window", () => {
    const run = given(...running(), [10, heard()], [10, { type: "workflow_over", outcome: "failed" }])
      .when(WAKE)
      .at(minutes(31))
      .run();
    expect(run).toMatchObject({ status: "failed", reason: "no_agent_completed" });
  });

  test("ends a run by its agents when all of them ran out of time before the run did", () => {
    const run = given([0, adopted("opal-1", PARALLEL)])
      .when(WAKE)
      .at(minutes(31))
      .run();
    expect(run).toMatchObject({ status: "failed", reason: "no_agent_completed" });
  });
});
