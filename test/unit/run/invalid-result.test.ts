// A result of a shape nobody knows: kept, and worth nothing. Its agent has not delivered.
import { describe, expect, test } from "vitest";
import { AGENT_IDS, type AgentId } from "../../../src/opal/agents.ts";
import {
  adopted,
  agentCompleted,
  agentFailed,
  at,
  BEGIN_ATTEMPT,
  bound,
  callAnswered,
  called,
  callFailed,
  cancelAsked,
  deliver,
  deliverFrom,
  given,
  hadResult,
  knowing,
  only,
  PARALLEL,
  type Past,
  PLAN,
  provedAccepted,
  quarantined,
  requested,
  rerunRequested,
  running,
  says,
  saysOddly,
} from "../../support/node/given.ts";

const odd = deliver(saysOddly("geo_audit", { bodyId: "whd_7.result" }));
const quarantinedNow = { type: "result_quarantined", agentId: "geo_audit", rule: "result_shape_unknown" } as const;

describe("an agent that completes with it", () => {
  test("has failed, and is run once more with its whole scope", () => {
    const run = given(...running())
      .when(odd)
      .at(5)
      .then([
        { type: "delivery_recorded", verdict: "quarantined", reason: "unrecognised_result" },
        { ...quarantinedNow, seq: 5, causedBy: 4, result: expect.objectContaining({ bodyId: "whd_7.result" }) },
        {
          type: "rerun_requested",
          rerun: 1,
          agents: ["geo_audit"],
          because: "invalid_result",
          actor: null,
          isReduced: false,
          rule: "rerun_after_invalid",
          causedBy: 5,
        },
      ]);
    expect(run.agents.geo_audit).toMatchObject({
      state: "rerunning",
      before: { state: "failed", reason: "invalid_result", result: { bodyId: "whd_7.result" }, fallback: null },
    });
    expect(run.reportedEnds).toEqual(["geo_audit"]);
  });

  test("has the last valid result stand in for it, and is run once more all the same", () => {
    const run = given(...running(knowing(PLAN, hadResult("geo_audit", 2, { confidence: 0.9 }))))
      .when(odd)
      .at(5)
      .then([
        "delivery_recorded",
        quarantinedNow,
        { type: "fallback_used", agentId: "geo_audit", rule: "cached_result_first", causedBy: 5 },
        { type: "rerun_requested", agents: ["geo_audit"], isReduced: false },
      ]);
    expect(run.agents.geo_audit).toMatchObject({
      before: { reason: "invalid_result", fallback: { result: { confidence: 0.72 } } },
    });
  });

  test("hands over to the next one of the chain like any that has ended", () => {
    const first = given(...running()).and([30, deliver(saysOddly("integration_health"))]);
    expect(first.deadlines()).toContainEqual({
      what: "agent",
      at: at(150),
      agentId: "content_review",
      limitMs: 120_000,
    });
  });

  test("opens the closing time when it is the chain's last", () => {
    const last = given(...running()).and([30, deliver(saysOddly("cmp_organizer"))]);
    expect(last.deadlines()).toContainEqual({ what: "closing", at: at(60) });
  });

  test("keeps its run from being completed", () => {
    const alone = given(
      ...running(only("geo_audit", "cmp_organizer")),
      [0, bound("opal-1")],
      [1, agentCompleted("cmp_organizer")],
    );
    alone
      .and([5, odd], [5, BEGIN_ATTEMPT])
      .when(callFailed("http_4xx"))
      .at(6)
      .then(["attempt_failed", "rerun_over", { type: "ended", status: "partially_completed" }]);
  });

  test("is not called for when OPAL started the workflow by itself, or the run is being cancelled", () => {
    given([0, adopted("opal-1")])
      .when(odd)
      .at(5)
      .then(["delivery_recorded", quarantinedNow]);
    given([0, requested()], [0, called(1)], [1, provedAccepted()], [2, cancelAsked()])
      .when(odd)
      .at(5)
      .then(["delivery_recorded", quarantinedNow]);
  });

  test("is marked and no more when nobody asked for it", () => {
    given(...running(only("cmp_organizer")))
      .when(odd)
      .at(5)
      .then([{ type: "delivery_recorded", verdict: "quarantined" }, "unrequested_result"]);
  });
});

describe("a second one", () => {
  const first = given(...running(knowing(PLAN, hadResult("geo_audit", 2))), [0, bound("opal-1")]).and([5, odd]);

  test("from the re-run leaves the agent failed, and starts no third try", () => {
    const again = first.and([5, BEGIN_ATTEMPT], [6, callAnswered("opal-2")]);
    const run = again
      .when(deliverFrom("opal-2", true, saysOddly("geo_audit", { bodyId: "whd_8.result" })))
      .at(20)
      .then([{ type: "delivery_recorded", verdict: "quarantined" }, quarantinedNow]);
    expect(run.agents.geo_audit).toMatchObject({
      ...{ state: "failed", reason: "invalid_result", endedAt: at(20), handedOverAt: at(5) },
      ...{ result: { bodyId: "whd_8.result" }, fallback: { method: "cached_data" } },
    });
    expect(run.reruns).toMatchObject([{ isOver: true }]);
  });

  test("from the workflow itself does not stop the re-run", () => {
    const run = first.and([7, deliverFrom("opal-1", true, saysOddly("geo_audit", { sha256: "a0" }))]).run();
    expect(run.agents.geo_audit).toMatchObject({ state: "rerunning", rerun: 1 });
    expect(run.reruns).toMatchObject([{ isOver: false }]);
  });

  test("has nothing stand in for it a second time", () => {
    const again = first.and([5, BEGIN_ATTEMPT], [6, callFailed("http_4xx")]);
    expect(
      again
        .when(deliver(saysOddly("geo_audit")))
        .at(20)
        .types(),
    ).not.toContain("fallback_used");
  });
});

describe("a valid result that comes later", () => {
  test("completes the agent, which is not late", () => {
    const run = given(...running(), [0, bound("opal-1")], [5, quarantined("geo_audit")])
      .when(deliver(says("geo_audit", "completed", { bodyId: "whd_9.result" })))
      .at(9)
      .then([{ type: "delivery_recorded", verdict: "processed" }, "agent_completed"]);
    expect(run.agents.geo_audit).toMatchObject({ state: "completed", late: false, result: { bodyId: "whd_9.result" } });
    expect(run.agents.geo_audit).not.toHaveProperty("fallback");
  });

  test("completes it though the sender says that it is older", () => {
    const run = given(
      ...running(),
      [5, quarantined("geo_audit", { reportedAt: at(5) })],
      [9, agentCompleted("geo_audit", { reportedAt: at(1) })],
    ).run();
    expect(run.agents.geo_audit).toMatchObject({ state: "completed" });
  });

  test("makes the re-run needless", () => {
    const repaired = given(...running(), [0, bound("opal-1")]).and(
      [5, odd],
      [9, deliverFrom("opal-1", true, says("geo_audit", "completed"))],
    );
    expect(repaired.run().reruns).toMatchObject([{ isOver: true }]);
    expect(repaired.run().agents.geo_audit).toMatchObject({ state: "completed", late: false, rerun: null });
    repaired.when(BEGIN_ATTEMPT).at(9).then([]);
  });

  test("may come from the re-run, and completes the run", () => {
    const alone = given(...running(only("geo_audit")), [0, bound("opal-1")]).and(
      [5, odd],
      [5, BEGIN_ATTEMPT],
      [6, callAnswered("opal-2")],
    );
    alone
      .when(deliverFrom("opal-2", true, says("geo_audit", "completed")))
      .at(20)
      .then(["delivery_recorded", "agent_completed", { type: "ended", status: "completed" }]);
  });
});

describe("it never replaces", () => {
  test("a valid result, however new it is, and nothing is done about it", () => {
    const run = given(...running(), [5, agentCompleted("geo_audit", { sha256: "0a", reportedAt: at(1) })])
      .when(deliver(saysOddly("geo_audit", { sha256: "ff", reportedAt: at(9) })))
      .at(9)
      .then([{ type: "delivery_recorded", verdict: "quarantined" }, quarantinedNow]);
    expect(run.agents.geo_audit).toMatchObject({ state: "completed", endedAt: at(5), result: { sha256: "0a" } });
    expect(run).toMatchObject({ reruns: [], escalations: [] });
  });

  test("and is itself not replaced by a failure without any result, in whatever order they come", () => {
    const failure = agentFailed("geo_audit", { reportedAt: at(99) });
    const inOrder = given([0, adopted("opal-1")], [5, quarantined("geo_audit")], [9, failure]).run();
    const reversed = given([0, adopted("opal-1")], [5, failure], [9, quarantined("geo_audit")]).run();
    expect(inOrder.agents.geo_audit).toMatchObject({ reason: "invalid_result", result: { family: "unrecognised" } });
    expect(reversed.agents.geo_audit).toMatchObject({ reason: "invalid_result", result: { family: "unrecognised" } });
  });

  test("not by one of the first try either, while the agent runs once more", () => {
    const failure = deliverFrom("opal-1", true, says("geo_audit", "failed", { family: "none" }));
    const run = given(...running(), [0, bound("opal-1")])
      .and([5, odd], [9, failure])
      .run();
    expect(run.agents.geo_audit).toMatchObject({ state: "rerunning", before: { reason: "invalid_result" } });
  });
});

describe("people have to look at it", () => {
  const FOUR: readonly AgentId[] = ["integration_health", "content_review", "geo_audit", "audience_suggester"];
  const oddOnes = (ids: readonly AgentId[]): Past[] => ids.map((id): Past => [5, quarantined(id)]);

  test("when more than half of the run's agents handed over such results", () => {
    const run = given([0, adopted("opal-1")], ...oddOnes(FOUR))
      .when(deliver(saysOddly("cmp_organizer")))
      .at(9)
      .then([
        "delivery_recorded",
        "result_quarantined",
        {
          type: "escalated",
          because: "invalid_results",
          agentId: null,
          count: 5,
          rule: "most_results_invalid",
          causedBy: 7,
        },
      ]);
    expect(run.escalations).toMatchObject([{ because: "invalid_results", count: 5, at: at(9) }]);
  });

  test("but not for half of them", () => {
    const half = only("geo_audit", "cmp_organizer");
    given(...running(half))
      .when(odd)
      .at(5)
      .then(["delivery_recorded", quarantinedNow, "rerun_requested"]);
    given(...running(half), [5, quarantined("geo_audit")])
      .when(deliver(saysOddly("cmp_organizer")))
      .at(9)
      .then(["delivery_recorded", "result_quarantined", "escalated", "rerun_requested"]);
  });

  test("when it is the only agent that was asked for", () => {
    given(...running(only("geo_audit")))
      .when(odd)
      .at(5)
      .then(["delivery_recorded", quarantinedNow, { type: "escalated", count: 1 }, "rerun_requested"]);
  });

  test("once in a run", () => {
    const told = given([0, adopted("opal-1")], ...oddOnes(FOUR)).and([9, deliver(saysOddly("cmp_organizer"))]);
    told
      .when(deliver(saysOddly("roadmap_generator")))
      .at(10)
      .then(["delivery_recorded", "result_quarantined"]);
  });

  test("counting those that run once more because of it", () => {
    const again = FOUR.map((id, index): Past => [6, rerunRequested(index + 1, [id], "invalid_result")]);
    given(...running(PARALLEL), ...oddOnes(FOUR), ...again)
      .when(deliver(saysOddly("cmp_organizer")))
      .at(9)
      .then(["delivery_recorded", "result_quarantined", { type: "escalated", count: 5 }, "rerun_requested"]);
  });

  test("not counting those that have delivered since, nor those that failed otherwise", () => {
    given(
      [0, adopted("opal-1")],
      ...oddOnes(FOUR),
      [6, agentCompleted("geo_audit")],
      [6, agentFailed("roadmap_generator")],
    )
      .when(deliver(saysOddly("cmp_organizer")))
      .at(9)
      .then(["delivery_recorded", "result_quarantined"]);
  });

  test("of all nine it is told at the fifth", () => {
    let all = given([0, adopted("opal-1")]);
    for (const id of AGENT_IDS.slice(0, 8)) all = all.and([5, deliver(saysOddly(id))]);
    const told = all.log.filter((event) => event.type === "escalated");
    expect(told).toMatchObject([{ count: 5 }]);
  });
});
