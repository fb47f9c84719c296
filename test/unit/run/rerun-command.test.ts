// Somebody wants agents to run once more while the run is under way.
import { describe, expect, test } from "vitest";
import type { EndReason, EndStatus } from "../../../src/sync/run/events.ts";
import {
  adopted,
  agentCompleted,
  agentFailed,
  agentStarted,
  agentTimedOut,
  BEGIN_ATTEMPT,
  bound,
  callAnswered,
  called,
  callFailed,
  cancelAsked,
  deliverFrom,
  ended,
  fallbackUsed,
  given,
  only,
  PARALLEL,
  type Past,
  provedAccepted,
  RERUN_ALL,
  requested,
  rerunAgents,
  rerunRequested,
  running,
  saysOddly,
  WAKE,
} from "../../support/node/given.ts";

const failedTwo: Past[] = [
  ...running(PARALLEL),
  [0, bound("opal-1")],
  [20, agentFailed("geo_audit")],
  [21, agentCompleted("customer_journey")],
  [22, agentStarted("roadmap_generator")],
  [23, agentFailed("content_review")],
];
const askedFor = { type: "rerun_requested", because: "asked_for", actor: "operator", isReduced: false } as const;

describe("without a list", () => {
  test("all agents that were given up run once more, in one re-run, in the workflow's order", () => {
    const run = given(...failedTwo)
      .when(RERUN_ALL)
      .at(30)
      .then([{ ...askedFor, rerun: 1, agents: ["content_review", "geo_audit"], rule: "asked_for", causedBy: null }]);
    expect(run.agents).toMatchObject({
      content_review: { state: "rerunning", rerun: 1, before: { state: "failed", reason: "reported_failure" } },
      geo_audit: { state: "rerunning", rerun: 1 },
      customer_journey: { state: "completed" },
      roadmap_generator: { state: "running" },
    });
  });

  test("those that timed out and those that gave no result are among them", () => {
    const givenUp: Past[] = [
      ...running(),
      [40, { type: "agent_gave_no_result", agentId: "geo_audit" }],
      [60, agentTimedOut("integration_health", 60_000)],
    ];
    given(...givenUp)
      .when(RERUN_ALL)
      .at(61)
      .then([{ ...askedFor, agents: ["integration_health", "geo_audit"] }]);
  });

  test("one for which an earlier result stands in is among them, and keeps that until it has delivered", () => {
    const run = given(...running(), [20, agentFailed("geo_audit")], [20, fallbackUsed("geo_audit")])
      .when(RERUN_ALL)
      .at(30)
      .then([{ ...askedFor, agents: ["geo_audit"] }]);
    expect(run.agents.geo_audit).toMatchObject({ before: { fallback: { method: "cached_data" } } });
  });

  test("those that are running once more are left alone", () => {
    given(...failedTwo, [25, rerunRequested(1, ["geo_audit"], "asked_for")])
      .when(RERUN_ALL)
      .at(30)
      .then([{ ...askedFor, rerun: 2, agents: ["content_review"] }]);
  });

  test("those that have been run again twice are left out", () => {
    const twice: Past[] = [
      ...failedTwo,
      [25, rerunRequested(1, ["geo_audit"], "asked_for")],
      [26, { type: "rerun_over", rerun: 1 }],
      [27, rerunRequested(2, ["geo_audit"], "asked_for")],
      [28, { type: "rerun_over", rerun: 2 }],
    ];
    given(...twice)
      .when(RERUN_ALL)
      .at(30)
      .then([{ ...askedFor, rerun: 3, agents: ["content_review"] }]);
  });

  test("when none was given up there is nothing to run again", () => {
    given(...running(), [20, agentCompleted("geo_audit")])
      .when(RERUN_ALL)
      .at(30)
      .thenRefused("nothing_to_retry", { detail: "No agent of this run has failed so far." });
  });
});

test("the call for it is due at once", () => {
  const asked = given(...failedTwo).and([30, RERUN_ALL]);
  expect(asked.nextWakeUp()).toBe(30);
  asked
    .when(BEGIN_ATTEMPT)
    .at(30)
    .then([{ type: "attempt_started", attempt: 2, rerun: 1, rule: "call_due", causedBy: 9 }]);
});

describe("with a list", () => {
  test("only these run once more", () => {
    const run = given(...failedTwo)
      .when(rerunAgents("geo_audit"))
      .at(30)
      .then([{ ...askedFor, agents: ["geo_audit"] }]);
    expect(run.agents.content_review).toMatchObject({ state: "failed" });
  });

  test("one that is named twice runs once", () => {
    const run = given(...failedTwo)
      .when(rerunAgents("geo_audit", "geo_audit"))
      .at(30)
      .run();
    expect(run.reruns).toMatchObject([{ agents: ["geo_audit"] }]);
  });

  test("an empty one asks for nothing", () => {
    given(...failedTwo)
      .when(rerunAgents())
      .at(30)
      .thenRefused("nothing_to_retry");
  });

  test("every agent that cannot run once more is pointed at, with the reason", () => {
    const narrow = only("geo_audit", "content_review", "customer_journey", "roadmap_generator");
    const past: Past[] = [
      ...running(narrow),
      [20, agentFailed("geo_audit")],
      [21, agentCompleted("customer_journey")],
      [22, agentStarted("roadmap_generator")],
    ];
    given(...past)
      .when(rerunAgents("geo_audit", "customer_journey", "roadmap_generator", "content_review", "cmp_organizer"))
      .at(30)
      .thenRefused("validation_failed", {
        errors: [
          { pointer: "/agents/1", detail: "is completed, not failed" },
          { pointer: "/agents/2", detail: "is running, not failed" },
          { pointer: "/agents/3", detail: "is waiting, not failed" },
          { pointer: "/agents/4", detail: "is not one of this run's agents" },
        ],
      });
  });

  test("one that is running once more cannot do so again", () => {
    given(...failedTwo, [25, rerunRequested(1, ["geo_audit"], "asked_for")])
      .when(rerunAgents("geo_audit"))
      .at(30)
      .thenRefused("validation_failed", { errors: [{ pointer: "/agents/0", detail: "is rerunning, not failed" }] });
  });
});

describe("twice in all", () => {
  const once = given(...running(PARALLEL), [0, bound("opal-1")]).and(
    [60, WAKE],
    [60, BEGIN_ATTEMPT],
    [61, callFailed("http_4xx")],
  );
  const FIRST = "integration_health";

  test("an agent may run once more, the automatic re-run included", () => {
    expect(once.run().reruns).toMatchObject([{ agents: [FIRST], because: "agent_timed_out", isOver: true }]);
    const twice = once.and([62, rerunAgents(FIRST)], [62, BEGIN_ATTEMPT], [63, callFailed("http_4xx")]);
    expect(twice.run().reruns).toHaveLength(2);
    twice
      .when(rerunAgents(FIRST))
      .at(64)
      .thenRefused("validation_failed", {
        errors: [{ pointer: "/agents/0", detail: "has been run again 2 times already" }],
      });
    twice.when(RERUN_ALL).at(64).thenRefused("nothing_to_retry");
  });

  test("and it gets no automatic re-run after one that was asked for", () => {
    const asked = given(...failedTwo).and(
      [30, rerunAgents("geo_audit")],
      [30, BEGIN_ATTEMPT],
      [31, callAnswered("opal-2")],
      [40, deliverFrom("opal-2", true, saysOddly("geo_audit"))],
    );
    expect(asked.run().reruns).toHaveLength(1);
    expect(asked.run().agents.geo_audit).toMatchObject({ state: "failed", reason: "invalid_result" });
  });
});

describe("it is refused", () => {
  test.each<[EndStatus, EndReason]>([
    ["completed", "all_agents_completed"],
    ["partially_completed", "some_agents_completed"],
    ["failed", "no_agent_completed"],
    ["cancelled", "cancelled_by_operator"],
    ["timed_out", "inactivity"],
  ])("when the run has ended: %s", (status, reason) => {
    given(...failedTwo, [50, ended(status, reason)])
      .when(RERUN_ALL)
      .at(60)
      .thenRefused("run_ended", { members: { state: status } });
  });

  const detail = "Agents can be run once more while OPAL is working on a run of ours.";

  test("when OPAL started the workflow by itself", () => {
    given([0, adopted("opal-1")], [20, agentFailed("geo_audit")])
      .when(rerunAgents("geo_audit"))
      .at(30)
      .thenRefused("nothing_to_retry", { detail });
  });

  test("when OPAL has not accepted the run", () => {
    given([0, requested()]).when(RERUN_ALL).at(30).thenRefused("nothing_to_retry", { detail });
  });

  test("when the run is being cancelled", () => {
    const cancelling: Past[] = [
      [0, requested()],
      [0, called(1)],
      [1, provedAccepted()],
      [2, agentFailed("geo_audit")],
      [3, cancelAsked()],
    ];
    given(...cancelling)
      .when(RERUN_ALL)
      .at(4)
      .thenRefused("nothing_to_retry", { detail });
  });
});
