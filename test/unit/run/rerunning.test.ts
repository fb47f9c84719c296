// Agents that run once more: a call of its own, a workflow of its own, clocks of its own.
import { describe, expect, test } from "vitest";
import type { AgentId } from "../../../src/opal/agents.ts";
import type { FailureClass } from "../../../src/sync/run/events.ts";
import {
  agentFailed,
  at,
  BEGIN_ATTEMPT,
  bound,
  CANCEL,
  CANCEL_DURING_CALL,
  callAnswered,
  called,
  callFailed,
  callFell,
  deliver,
  deliverFrom,
  type Given,
  given,
  hadResult,
  knowing,
  means,
  only,
  PARALLEL,
  type Past,
  PLAN,
  requested,
  rerunAgents,
  running,
  says,
  saysOddly,
  saysRefused,
  WAKE,
  WAKE_DURING_CALL,
  workflowSays,
} from "../../support/node/given.ts";

const FIRST = "integration_health";

/** OPAL's workflow is opal-1; its first agent is over its limit. */
const waiting = given(...running(), [0, bound("opal-1")]).and([60, WAKE]);
const calling = waiting.and([60, BEGIN_ATTEMPT]);
const working = calling.and([61, callAnswered("opal-2")]);

/** Two agents run once more because somebody asked for it, one after the other. */
const TWO: readonly AgentId[] = ["experiment_blueprinter", "personalization_idea_generator"];
const chainOf = (order: "sequence" | "parallel") => {
  const some = only("geo_audit", ...TWO);
  const request = { ...some, workflow: { ...some.workflow, order } };
  const failures = TWO.map((id): Past => [20, agentFailed(id)]);
  return given(...running(request), [0, bound("opal-1")], ...failures).and(
    [30, rerunAgents(...TWO)],
    [30, BEGIN_ATTEMPT],
    [40, callAnswered("opal-2")],
  );
};

const clocks = (of: Given): Partial<Record<AgentId, number>> =>
  Object.fromEntries(
    of.deadlines().flatMap((due) => (due.what === "agent" ? [[due.agentId, (due.at - at(0)) / 1000] as const] : [])),
  );
const stateOf = (of: Given, id: AgentId) => of.run().agents[id]?.state;

describe("its call", () => {
  test.each<FailureClass>(["network_error", "timeout_error", "http_5xx", "http_408", "http_429", "interrupted"])(
    "is tried again after %s",
    (failure) => {
      calling
        .when(callFailed(failure, { jitter: 0.5 }))
        .at(70)
        .then([{ type: "attempt_failed", attempt: 2, failure, retryAt: at(71) }]);
    },
  );

  test.each<FailureClass>(["http_4xx", "not_configured", "redirected", "aborted"])(
    "is not tried again after %s, and the agent is as before",
    (failure) => {
      const run = calling
        .when(callFailed(failure))
        .at(70)
        .then([
          { type: "attempt_failed", attempt: 2, retryAt: null },
          { type: "rerun_over", rerun: 1, rule: "rerun_failed", causedBy: 8 },
        ]);
      expect(run).toMatchObject({ status: "running", agents: { [FIRST]: { state: "timed_out", endedAt: at(60) } } });
    },
  );

  test("has four attempts of its own, whatever the start needed", () => {
    const start: Past[] = [
      [0, requested()],
      [0, called(1)],
      [1, callFell(1, "http_5xx", 2)],
      [2, called(2)],
      [3, callFell(2, "http_5xx", 4)],
      [4, called(3)],
      [5, callFell(3, "http_5xx", 6)],
      [6, called(4)],
      [7, { type: "attempt_accepted", attempt: 4, httpStatus: 200 }],
    ];
    let again = given(...start).and([67, WAKE]);
    for (const [attempt, ceiling] of [
      [5, 2],
      [6, 4],
      [7, 8],
    ] as const) {
      const due = again.nextWakeUp() ?? 0;
      again = again.and([due, BEGIN_ATTEMPT]);
      again
        .when(callFailed("http_5xx", { jitter: 0.5 }))
        .at(due)
        .then([{ type: "attempt_failed", attempt, retryAt: at(due + ceiling / 2) }]);
      again = again.and([due, callFailed("http_5xx", { jitter: 0.5 })]);
    }
    again = again.and([again.nextWakeUp() ?? 0, BEGIN_ATTEMPT]);
    again
      .when(callFailed("http_5xx"))
      .at(90)
      .then([{ type: "attempt_failed", attempt: 8, retryAt: null }, "rerun_over"]);
  });

  test("heeds a Retry-After", () => {
    calling
      .when(callFailed("http_429", { retryAfterMs: 20_000 }))
      .at(70)
      .then([{ type: "attempt_failed", retryAt: at(90) }]);
  });

  test("that nobody makes any more was interrupted, and is made again", () => {
    const interrupted = calling.and([111, WAKE]);
    expect(interrupted.run().attempts.at(-1)).toMatchObject({ rerun: 1, failure: "interrupted", retryAt: at(112) });
    interrupted
      .when(BEGIN_ATTEMPT)
      .at(112)
      .then([{ type: "attempt_started", attempt: 3, rerun: 1 }]);
  });

  test("waits until the call before it has ended", () => {
    const both = given(...running(PARALLEL)).and([60, WAKE], [60, BEGIN_ATTEMPT], [120, WAKE_DURING_CALL]);
    expect(both.run().reruns.map(({ agents }) => agents)).toEqual([[FIRST], ["content_review"]]);
    both.when(BEGIN_ATTEMPT).at(120).then([]);
    both
      .and([121, callAnswered("opal-2")])
      .when(BEGIN_ATTEMPT)
      .at(121)
      .then([{ type: "attempt_started", attempt: 3, rerun: 2 }]);
  });

  test("that failed for good ends the run when nobody else is awaited", () => {
    const alone = given(...running(only(FIRST))).and([60, WAKE], [60, BEGIN_ATTEMPT]);
    alone
      .when(callFailed("http_4xx"))
      .at(61)
      .then(["attempt_failed", "rerun_over", { type: "ended", status: "failed", reason: "no_agent_completed" }]);
  });
});

describe("its acceptance", () => {
  test("by OPAL's answer binds the workflow id that it names, and is no double start", () => {
    const run = calling
      .when(callAnswered("opal-2"))
      .at(61)
      .then([
        { type: "attempt_accepted", attempt: 2 },
        { type: "remote_bound", remoteId: "opal-2", boundBy: "answer", rerun: 1 },
      ]);
    expect(run).toMatchObject({ remoteIds: ["opal-1", "opal-2"], doubleStarts: 0, acceptedAt: at(0) });
    expect(run.reruns).toMatchObject([{ acceptedAt: at(61), remoteId: "opal-2" }]);
  });

  test("by a delivery with our correlation id and a new workflow id, while the call is open", () => {
    const run = calling
      .when(deliverFrom("opal-2", true, says(FIRST, "started")))
      .at(61)
      .then([
        "delivery_recorded",
        { type: "remote_bound", remoteId: "opal-2", boundBy: "correlation", rerun: 1 },
        { type: "accepted_by_delivery", rerun: 1, rule: "delivery_proves_acceptance" },
        "agent_started",
      ]);
    expect(run).toMatchObject({ doubleStarts: 0, reruns: [{ acceptedAt: at(61), remoteId: "opal-2" }] });
  });

  test("by a delivery in the wait before another attempt makes that needless", () => {
    const taken = calling.and(
      [65, callFailed("timeout_error", { jitter: 0.5 })],
      [65.5, deliverFrom("opal-2", true, says(FIRST, "started"))],
    );
    taken.when(BEGIN_ATTEMPT).at(66).then([]);
    expect(taken.deadlines().map((deadline) => deadline.what)).not.toContain("attempt");
  });

  test("by a delivery makes a failure of its call no reason to call again", () => {
    calling
      .and([61, deliverFrom("opal-2", true, says(FIRST, "started"))])
      .when(callFailed("timeout_error"))
      .at(65)
      .then([{ type: "attempt_failed", attempt: 2, retryAt: null }]);
  });

  test("is not proved by a delivery of the workflow itself", () => {
    const run = calling
      .when(deliverFrom("opal-1", true, says("content_review", "started")))
      .at(61)
      .then(["delivery_recorded", "agent_started"]);
    expect(run.reruns).toMatchObject([{ acceptedAt: null }]);
  });

  test("is not proved by a delivery whose word is unknown and that names none of our ids", () => {
    const run = working
      .when(deliverFrom("opal-3", false, means("ignored", "unknown_status")))
      .at(62)
      .then(["delivery_recorded"]);
    expect(run.remoteIds).toEqual(["opal-1", "opal-2"]);
  });

  test("is not proved before it was called, by a delivery without a workflow id", () => {
    const told = waiting.and([60, deliver(says(FIRST, "started"))]);
    expect(told.run().reruns).toMatchObject([{ acceptedAt: null }]);
    told
      .when(BEGIN_ATTEMPT)
      .at(60)
      .then([{ type: "attempt_started", attempt: 2, rerun: 1 }]);
  });

  test("is dated by what came first", () => {
    const both = calling.and([61, deliverFrom("opal-2", true, says(FIRST, "started"))], [64, callAnswered("opal-2")]);
    expect(both.run()).toMatchObject({ doubleStarts: 0, reruns: [{ acceptedAt: at(61) }] });
  });

  test("is not taken for an earlier re-run's, which OPAL never took", () => {
    const second = calling.and([61, callFailed("http_4xx")], [62, rerunAgents(FIRST)], [62, BEGIN_ATTEMPT]);
    const run = second
      .when(deliverFrom("opal-2", true, says(FIRST, "started")))
      .at(63)
      .then([
        "delivery_recorded",
        { type: "remote_bound", remoteId: "opal-2", rerun: 2 },
        { type: "accepted_by_delivery", rerun: 2 },
        "agent_started",
      ]);
    expect(run.reruns).toMatchObject([{ remoteId: null }, { remoteId: "opal-2", acceptedAt: at(63) }]);
  });

  test("that comes for a re-run that is over still has its workflow, which is no double start", () => {
    const over = calling.and([61, callFailed("http_4xx")]);
    over
      .when(deliverFrom("opal-2", true, says(FIRST, "started")))
      .at(63)
      .then([
        "delivery_recorded",
        { type: "remote_bound", remoteId: "opal-2" },
        { type: "accepted_by_delivery" },
        "agent_started",
      ]);
  });
});

describe("a further workflow id that nobody called for", () => {
  test("in a delivery is a double start", () => {
    const run = working
      .when(deliverFrom("opal-3", true, says(FIRST, "started")))
      .at(62)
      .then([
        "delivery_recorded",
        { type: "remote_bound", remoteId: "opal-3", rerun: null },
        { type: "double_started", remoteId: "opal-3", rule: "one_workflow_per_call" },
        "agent_started",
      ]);
    expect(run).toMatchObject({ doubleStarts: 1, reruns: [{ remoteId: "opal-2" }] });
  });

  test("in the answer, after a delivery has named another one, is a double start", () => {
    const run = calling
      .and([61, deliverFrom("opal-2", true, says(FIRST, "started"))])
      .when(callAnswered("opal-3"))
      .at(62)
      .then(["attempt_accepted", { type: "remote_bound", remoteId: "opal-3", rerun: null }, "double_started"]);
    expect(run).toMatchObject({ doubleStarts: 1, reruns: [{ remoteId: "opal-2" }] });
  });

  test("that the start's own workflow gave first is not the re-run's", () => {
    const unnamed = given(...running()).and([60, WAKE], [60, BEGIN_ATTEMPT]);
    const run = unnamed
      .when(deliverFrom("opal-1", true, says("content_review", "started")))
      .at(61)
      .then(["delivery_recorded", { type: "remote_bound", remoteId: "opal-1", rerun: null }, "agent_started"]);
    expect(run).toMatchObject({ doubleStarts: 0, reruns: [{ remoteId: null, acceptedAt: null }] });
  });

  test("before the re-run was called is a double start", () => {
    waiting
      .when(deliverFrom("opal-3", true, says(FIRST, "started")))
      .at(60)
      .then(["delivery_recorded", { type: "remote_bound", rerun: null }, "double_started", "agent_started"]);
  });
});

describe("its results", () => {
  test("complete its agent, which is neither late nor as before", () => {
    const run = working
      .when(deliverFrom("opal-2", true, says(FIRST, "completed", { bodyId: "whd_5.result" })))
      .at(90)
      .then([{ type: "delivery_recorded", verdict: "processed", reason: null }, "agent_completed"]);
    expect(run.agents[FIRST]).toMatchObject({
      ...{ state: "completed", endedAt: at(90), late: false, rerun: 1, result: { bodyId: "whd_5.result" } },
    });
    expect(run.reruns).toMatchObject([{ isOver: true }]);
  });

  test("of agents that it did not ask for are marked, and replace nothing", () => {
    const before = working.and([62, deliverFrom("opal-1", true, says("geo_audit", "completed", { sha256: "0a" }))]);
    const run = before
      .when(
        deliverFrom(
          "opal-2",
          true,
          says("geo_audit", "completed", { sha256: "ff", reportedAt: at(999) }),
          says("content_review", "failed"),
          says("audience_suggester", "started"),
        ),
      )
      .at(90)
      .then([
        "delivery_recorded",
        { type: "unrequested_result", agentId: "geo_audit", rule: "nobody_asked" },
        { type: "unrequested_result", agentId: "content_review" },
      ]);
    expect(run.agents.geo_audit).toMatchObject({ state: "completed", result: { sha256: "0a" } });
    expect(run.agents).toMatchObject({
      content_review: { state: "waiting" },
      audience_suggester: { state: "waiting" },
    });
    expect(run).toMatchObject({ phase: 1, unrequested: [{ agentId: "geo_audit" }, { agentId: "content_review" }] });
    expect(run.reportedEnds).toEqual(["geo_audit"]);
  });

  test("count as its own without a workflow id, once OPAL has accepted it", () => {
    const run = working
      .when(deliver(says(FIRST, "completed")))
      .at(90)
      .then([{ type: "delivery_recorded", verdict: "processed", reason: null }, "agent_completed"]);
    expect(run.agents[FIRST]).toMatchObject({ state: "completed", late: false, rerun: 1 });
  });

  test("without a workflow id take nothing from the agents of the workflow itself", () => {
    working
      .when(deliver(says(FIRST, "completed"), says("content_review", "completed")))
      .at(90)
      .then(["delivery_recorded", "agent_completed", { type: "agent_completed", agentId: "content_review" }]);
  });

  test("may be failures: the agent has failed, with what it said, and nothing runs again by itself", () => {
    const run = working
      .when(deliverFrom("opal-2", true, says(FIRST, "failed", { family: "none" })))
      .at(90)
      .then(["delivery_recorded", { type: "agent_failed", reason: "reported_failure" }]);
    expect(run.agents[FIRST]).toMatchObject({ state: "failed", reason: "reported_failure", endedAt: at(90) });
    expect(run.reruns).toMatchObject([{ isOver: true }]);
  });

  test("complete the run when nobody else is awaited", () => {
    const alone = given(...running(only(FIRST)), [0, bound("opal-1")]).and(
      [60, WAKE],
      [60, BEGIN_ATTEMPT],
      [61, callAnswered("opal-2")],
    );
    alone
      .when(deliverFrom("opal-2", true, says(FIRST, "completed")))
      .at(90)
      .then(["delivery_recorded", "agent_completed", { type: "ended", status: "completed" }]);
  });

  test("come late after the re-run was given up, and complete the agent all the same", () => {
    const run = working
      .and([121, WAKE])
      .when(deliverFrom("opal-2", true, says(FIRST, "completed")))
      .at(125)
      .then([{ type: "delivery_recorded", verdict: "late", reason: "agent_given_up" }, "agent_completed"]);
    expect(run.agents[FIRST]).toMatchObject({ state: "completed", late: true, rerun: 1 });
  });
});

describe("its end", () => {
  test("is thirty seconds after OPAL says that its workflow is over", () => {
    const closing = working.and([70, deliverFrom("opal-2", true, workflowSays("completed"))]);
    expect(closing.deadlines()).toContainEqual({ what: "rerun_closing", at: at(100), rerun: 1 });
    closing.when(WAKE).at(99.999).then([]);
    const run = closing
      .when(WAKE)
      .at(100)
      .then([{ type: "rerun_over", rerun: 1, rule: "closing_time" }]);
    expect(run.agents[FIRST]).toMatchObject({ state: "timed_out", endedAt: at(60) });
  });

  test.each(["completed", "failed", "timed_out"] as const)("is not the end of the workflow itself: %s", (outcome) => {
    const run = working
      .when(deliverFrom("opal-2", true, workflowSays(outcome)))
      .at(70)
      .then(["delivery_recorded", { type: "rerun_closing", rerun: 1, rule: "sender_reported" }]);
    expect(run).toMatchObject({ status: "running", closingSince: null, reruns: [{ closingSince: at(70) }] });
  });

  test("does not come because it is under way", () => {
    working
      .when(deliverFrom("opal-2", true, workflowSays("under_way")))
      .at(70)
      .then(["delivery_recorded"]);
  });

  test("is dated by the first word of it", () => {
    const twice = working.and(
      [70, deliverFrom("opal-2", true, workflowSays("completed"))],
      [80, deliverFrom("opal-2", true, workflowSays("completed"))],
    );
    expect(twice.deadlines()).toContainEqual({ what: "rerun_closing", at: at(100), rerun: 1 });
  });

  test("needs no closing time when its agents have delivered", () => {
    const delivered = working.and(
      [70, deliverFrom("opal-2", true, workflowSays("completed"))],
      [71, deliverFrom("opal-2", true, says(FIRST, "completed"))],
    );
    expect(delivered.deadlines().map((deadline) => deadline.what)).not.toContain("rerun_closing");
  });

  test("leaves the agent as it was: given up, with the result that stands in for it", () => {
    const request = knowing(PLAN, hadResult("geo_audit", 2));
    const odd = given(...running(request), [0, bound("opal-1")]).and(
      [10, deliver(saysOddly("geo_audit"))],
      [10, BEGIN_ATTEMPT],
    );
    const before = odd.run().agents.geo_audit;
    if (before?.state !== "rerunning") throw new Error("it should run once more");
    const over = odd.and([11, callFailed("http_4xx")]);
    expect(over.run().agents.geo_audit).toEqual(before.before);
    expect(before.before).toMatchObject({ state: "failed", fallback: { method: "cached_data" } });
  });

  test("names the agents that still waited for it", () => {
    const closing = chainOf("sequence").and(
      [50, deliverFrom("opal-2", true, says("experiment_blueprinter", "completed"))],
      [60, deliverFrom("opal-2", true, workflowSays("completed"))],
    );
    closing
      .when(WAKE)
      .at(90)
      .then([
        { type: "agent_gave_no_result", agentId: "geo_audit" },
        { type: "rerun_over", rerun: 1, agents: ["personalization_idea_generator"] },
        { type: "ended", status: "partially_completed" },
      ]);
  });

  test("is written down once, though its last agent was over its limit before anybody noticed", () => {
    const closing = working.and([110, deliverFrom("opal-2", true, workflowSays("failed"))]);
    const types = closing.when(WAKE).at(150).types();
    expect(types.filter((type) => type === "rerun_over")).toEqual([]);
    expect(types).toContain("agent_timed_out");
  });

  test("by the limit of its only agent is the end of it", () => {
    const run = working
      .when(WAKE)
      .at(121)
      .then([{ type: "agent_timed_out", agentId: FIRST, rule: "rerun_failed" }]);
    expect(run.reruns).toMatchObject([{ isOver: true }]);
    expect(run.agents[FIRST]).toMatchObject({ state: "timed_out", endedAt: at(60), startedAt: null });
  });
});

describe("its agents' clocks", () => {
  test("do not run before OPAL has accepted it", () => {
    expect(clocks(waiting)).toEqual({ content_review: 180 });
    expect(clocks(calling)).toEqual({ content_review: 180 });
  });

  test("start with its acceptance", () => {
    expect(clocks(working)).toEqual({ content_review: 180, [FIRST]: 121 });
  });

  test("are not started anew by a sign of life", () => {
    expect(clocks(working.and([80, deliverFrom("opal-2", true, says(FIRST, "started"))]))).toMatchObject({
      [FIRST]: 121,
    });
  });

  test("start all at once where agents work all at once", () => {
    expect(clocks(chainOf("parallel"))).toMatchObject({
      experiment_blueprinter: 340,
      personalization_idea_generator: 280,
    });
  });

  test("follow each other in a chain", () => {
    const chain = chainOf("sequence");
    expect(clocks(chain)).toMatchObject({ experiment_blueprinter: 340 });
    expect(clocks(chain)).not.toHaveProperty("personalization_idea_generator");
    const first = deliverFrom("opal-2", true, says("experiment_blueprinter", "completed"));
    expect(clocks(chain.and([100, first]))).toMatchObject({ personalization_idea_generator: 340 });
    const failed = deliverFrom("opal-2", true, says("experiment_blueprinter", "failed"));
    expect(clocks(chain.and([100, failed]))).toMatchObject({ personalization_idea_generator: 340 });
  });

  test("follow each other in a chain after a time-out as well", () => {
    const heardOf = chainOf("sequence").and([300, deliver(says("geo_audit", "started"))]);
    const over = heardOf.and([340, WAKE]);
    expect(stateOf(over, "experiment_blueprinter")).toBe("failed");
    expect(clocks(over)).toMatchObject({ personalization_idea_generator: 580 });
  });

  test("start with its acceptance when the one before has repaired itself in the meantime", () => {
    const some = only("geo_audit", ...TWO);
    const failures = TWO.map((id): Past => [20, agentFailed(id)]);
    const early = given(...running(some), [0, bound("opal-1")], ...failures).and(
      [30, rerunAgents(...TWO)],
      [30, BEGIN_ATTEMPT],
      [35, deliverFrom("opal-1", true, says("experiment_blueprinter", "completed"))],
      [40, callAnswered("opal-2")],
    );
    expect(clocks(early)).toMatchObject({ personalization_idea_generator: 280 });
  });

  test("follow the order of the chain, in whatever order they were asked for", () => {
    const failures = TWO.map((id): Past => [20, agentFailed(id)]);
    const asked = given(...running(only("geo_audit", ...TWO)), [0, bound("opal-1")], ...failures).and(
      [30, rerunAgents(...TWO.toReversed())],
      [30, BEGIN_ATTEMPT],
      [40, callAnswered("opal-2")],
    );
    expect(clocks(asked)).toMatchObject({ experiment_blueprinter: 340 });
    expect(clocks(asked)).not.toHaveProperty("personalization_idea_generator");
  });

  test("go on for one agent when another one runs again in a re-run of its own", () => {
    const request = {
      ...only("geo_audit", ...TWO),
      limits: { ...PLAN.limits, inactivityMs: 3_000_000, runMs: 3_000_000 },
    };
    const failures = TWO.map((id): Past => [20, agentFailed(id)]);
    const twice = given(...running(request), [0, bound("opal-1")], ...failures).and(
      [30, rerunAgents(...TWO)],
      [30, BEGIN_ATTEMPT],
      [40, callAnswered("opal-2")],
      [340, WAKE],
      [350, rerunAgents("experiment_blueprinter")],
    );
    expect(clocks(twice)).toMatchObject({ personalization_idea_generator: 580 });
  });
});

describe("the run", () => {
  const alone = given(...running(only(FIRST)), [0, bound("opal-1")]).and(
    [60, WAKE],
    [60, BEGIN_ATTEMPT],
    [61, callAnswered("opal-2")],
  );

  test("does not end while an agent runs once more", () => {
    alone.when(WAKE).at(100).then([]);
    expect(waiting.run().status).toBe("running");
  });

  test("does not end with the closing time of its workflow, and waits for nothing that has passed", () => {
    const closed = working.and([62, deliverFrom("opal-1", true, workflowSays("failed"))]);
    const run = closed.when(WAKE).at(92).run();
    expect(run).toMatchObject({ status: "running", agents: { [FIRST]: { state: "rerunning" } } });
    expect(closed.and([92, WAKE]).nextWakeUp()).toBe(121);
  });

  test("ends when the last re-run brought nothing", () => {
    alone
      .when(WAKE)
      .at(121)
      .then(["agent_timed_out", { type: "ended", status: "failed", reason: "no_agent_completed", rule: "all_ended" }]);
    alone
      .and([70, deliverFrom("opal-2", true, workflowSays("failed"))])
      .when(WAKE)
      .at(100)
      .then(["rerun_over", { type: "ended", status: "failed", reason: "no_agent_completed" }]);
  });

  test("ends by inactivity all the same", () => {
    const request = { ...only(FIRST), limits: { ...PLAN.limits, inactivityMs: 70_000 } };
    const silent = given(...running(request), [0, bound("opal-1")]).and(
      [60, WAKE],
      [60, BEGIN_ATTEMPT],
      [61, callAnswered("opal-2")],
    );
    const run = silent
      .when(WAKE)
      .at(70)
      .then([
        { type: "agent_timed_out", agentId: FIRST, rule: "inactivity_limit" },
        { type: "ended", status: "timed_out", reason: "inactivity" },
      ]);
    expect(run.agents[FIRST]).toMatchObject({ state: "timed_out", endedAt: at(60) });
    expect(run.reruns).toMatchObject([{ isOver: true }]);
  });

  test("ends by its overall limit all the same", () => {
    const request = { ...only(FIRST), limits: { ...PLAN.limits, runMs: 70_000 } };
    given(...running(request))
      .and([60, WAKE])
      .when(WAKE)
      .at(70)
      .then(["agent_timed_out", { type: "ended", status: "timed_out", reason: "run_deadline" }]);
  });

  test("puts no second result in place of one that stands in already when a limit ends it", () => {
    const request = knowing({ ...PLAN, limits: { ...PLAN.limits, inactivityMs: 20_000 } }, hadResult("geo_audit", 2));
    const odd = given(...running(request)).and([10, deliver(saysOddly("geo_audit"))]);
    expect(odd.when(WAKE).at(30).types()).not.toContain("fallback_used");
  });

  test("that is cancelled makes no further call for it", () => {
    const cancelled = waiting.and([60, CANCEL]);
    expect(cancelled.run().status).toBe("cancelled");
    cancelled.when(BEGIN_ATTEMPT).at(61).then([]);
    expect(cancelled.nextWakeUp()).toBeUndefined();
    expect(stateOf(cancelled, FIRST)).toBe("timed_out");
  });

  test("that is cancelled during its call waits for that, and is cancelled then", () => {
    const cancelling = calling.and([61, CANCEL_DURING_CALL]);
    expect(cancelling.deadlines()).toEqual([{ what: "call", at: at(110), attempt: 2 }]);
    cancelling
      .when(callFailed("http_5xx"))
      .at(62)
      .then([
        { type: "attempt_failed", retryAt: null },
        { type: "ended", status: "cancelled" },
      ]);
    cancelling
      .when(callAnswered("opal-2"))
      .at(62)
      .then(["attempt_accepted", { type: "remote_bound", rerun: 1 }, { type: "ended", status: "cancelled" }]);
  });

  test("that ended while the call for it was open writes its outcome down, and stays as it ended", () => {
    const over = calling.and([61, deliverFrom("opal-1", true, saysRefused("geo_audit"))]);
    expect(over.run().status).toBe("failed");
    expect(over.deadlines()).toEqual([{ what: "call", at: at(110), attempt: 2 }]);
    over
      .when(callFailed("http_5xx"))
      .at(62)
      .then([{ type: "attempt_failed", retryAt: null }]);
    const answered = over
      .when(callAnswered("opal-2"))
      .at(62)
      .then(["attempt_accepted", { type: "remote_bound", remoteId: "opal-2", rerun: 1 }]);
    expect(answered).toMatchObject({ status: "failed", doubleStarts: 0 });
  });
});
