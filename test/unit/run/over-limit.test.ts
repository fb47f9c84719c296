// An agent over its limit: an earlier result stands in for it, or it runs once more with less to look at.
import { describe, expect, test } from "vitest";
import type { RunRequest } from "../../../src/sync/run/request.ts";
import {
  adopted,
  agentCompleted,
  agentFailed,
  agentStarted,
  agentTimedOut,
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
  requested,
  rerunRequested,
  running,
  says,
  WAKE,
  workflowOver,
} from "../../support/node/given.ts";

const FIRST = "integration_health";
const timedOut = { type: "agent_timed_out", agentId: FIRST, limitMs: 60_000, rule: "agent_limit" } as const;

describe("the last valid result", () => {
  test("stands in for the missing one, its confidence lowered, its origin named", () => {
    const request = knowing(PLAN, hadResult(FIRST, 2, { confidence: 0.9 }));
    const run = given(...running(request))
      .when(WAKE)
      .at(60)
      .then([
        { ...timedOut, seq: 4, causedBy: 3 },
        {
          type: "fallback_used",
          agentId: FIRST,
          method: "cached_data",
          fromSessionId: "sync-1767600000000-zzzzz",
          result: expect.objectContaining({ bodyId: "whd_0.result", confidence: 0.72 }),
          resultAt: at(-7_200),
          rule: "cached_result_first",
          causedBy: 4,
        },
      ]);
    expect(run.agents[FIRST]).toMatchObject({
      state: "timed_out",
      fallback: { method: "cached_data", fromSessionId: "sync-1767600000000-zzzzz", result: { confidence: 0.72 } },
    });
  });

  test("makes no re-run necessary", () => {
    const standingIn = given(...running(knowing(PLAN, hadResult(FIRST, 2)))).and([60, WAKE]);
    expect(standingIn.run().reruns).toEqual([]);
    standingIn.when(BEGIN_ATTEMPT).at(60).then([]);
  });

  test.each([
    [1, 0.8],
    [0.85, 0.68],
    [0.7, 0.56],
    [0.333, 0.2664],
    [0, 0],
    [null, null],
  ])("of confidence %s is worth %s", (confidence, worth) => {
    const run = given(...running(knowing(PLAN, hadResult(FIRST, 2, { confidence }))))
      .when(WAKE)
      .at(60)
      .run();
    expect(run.agents[FIRST]).toMatchObject({ fallback: { result: { confidence: worth } } });
  });

  test("may be twenty-four hours old and not older", () => {
    // The agent is given up a minute after the request.
    const hours = 24 - 1 / 60;
    given(...running(knowing(PLAN, hadResult(FIRST, hours))))
      .when(WAKE)
      .at(60)
      .then([timedOut, "fallback_used"]);
    given(...running(knowing(PLAN, hadResult(FIRST, hours + 1 / 3_600_000))))
      .when(WAKE)
      .at(60)
      .then([timedOut, "rerun_requested"]);
  });

  test("of another agent is of no use", () => {
    given(...running(knowing(PLAN, hadResult("geo_audit", 2))))
      .when(WAKE)
      .at(60)
      .then([timedOut, "rerun_requested"]);
  });

  test("never completes the run: it is partial at best", () => {
    const request = knowing(only("geo_audit", FIRST), hadResult(FIRST, 2));
    const atOnce: RunRequest = { ...request, workflow: { ...request.workflow, order: "parallel" } };
    given(...running(atOnce), [30, agentCompleted("geo_audit")])
      .when(WAKE)
      .at(60)
      .then([timedOut, "fallback_used", { type: "ended", status: "partially_completed" }]);
    given(...running(knowing(only(FIRST), hadResult(FIRST, 2))))
      .when(WAKE)
      .at(60)
      .then([timedOut, "fallback_used", { type: "ended", status: "failed", reason: "no_agent_completed" }]);
  });

  test("gives way to the agent's own result, which is late", () => {
    const run = given(...running(knowing(PLAN, hadResult(FIRST, 2))))
      .and([60, WAKE])
      .when(deliver(says(FIRST, "completed", { bodyId: "whd_5.result" })))
      .at(70)
      .then([{ type: "delivery_recorded", verdict: "late", reason: "agent_given_up" }, "agent_completed"]);
    expect(run.agents[FIRST]).toMatchObject({ state: "completed", late: true, result: { bodyId: "whd_5.result" } });
    expect(run.agents[FIRST]).not.toHaveProperty("fallback");
  });

  test("stays when the agent reports its failure afterwards", () => {
    const run = given(...running(knowing(PLAN, hadResult(FIRST, 2))))
      .and([60, WAKE], [70, deliver(says(FIRST, "failed", { family: "none" }))])
      .run();
    expect(run.agents[FIRST]).toMatchObject({
      state: "failed",
      reason: "reported_failure",
      fallback: { fromSessionId: "sync-1767600000000-zzzzz" },
    });
  });

  test("stands in for an agent of a workflow that OPAL started by itself as well", () => {
    given([0, adopted("opal-1", knowing(PLAN, hadResult(FIRST, 2)))])
      .when(WAKE)
      .at(60)
      .then([timedOut, "fallback_used"]);
  });

  test("stands in for those that the closing time gives up, who are not run again", () => {
    const request = knowing(only(FIRST, "geo_audit", "cmp_organizer"), hadResult("geo_audit", 2));
    given(...running(request), [10, agentCompleted("cmp_organizer")])
      .when(WAKE)
      .at(40)
      .then([
        { type: "agent_gave_no_result", agentId: FIRST, rule: "closing_time" },
        { type: "agent_gave_no_result", agentId: "geo_audit" },
        { type: "fallback_used", agentId: "geo_audit" },
        { type: "ended", status: "partially_completed" },
      ]);
  });

  test("stands in for those that a limit of the run gives up", () => {
    const request = knowing(only("roadmap_generator", "geo_audit"), hadResult("geo_audit", 2));
    const past: Past[] = [...running(request), [10, agentStarted("geo_audit")]];
    given(...past)
      .when(WAKE)
      .at(160)
      .then([{ type: "agent_timed_out", agentId: "geo_audit" }, "fallback_used"]);
    const silent = given(...running({ ...request, limits: { ...request.limits, inactivityMs: 20_000 } }));
    silent
      .when(WAKE)
      .at(20)
      .then([
        { type: "agent_timed_out", agentId: "geo_audit", rule: "inactivity_limit" },
        { type: "fallback_used", agentId: "geo_audit" },
        { type: "agent_timed_out", agentId: "roadmap_generator" },
        { type: "ended", status: "timed_out", reason: "inactivity", rule: "inactivity_limit" },
      ]);
  });

  test("is not used for an agent that reports its own failure", () => {
    given(...running(knowing(PLAN, hadResult(FIRST, 2))))
      .when(deliver(says(FIRST, "failed")))
      .at(5)
      .then(["delivery_recorded", "agent_failed"]);
  });
});

describe("without a recent valid result", () => {
  test("the agent is run once more with a reduced scope", () => {
    const run = given(...running())
      .when(WAKE)
      .at(60)
      .then([
        timedOut,
        {
          type: "rerun_requested",
          rerun: 1,
          agents: [FIRST],
          because: "agent_timed_out",
          actor: null,
          isReduced: true,
          rule: "reduced_scope_retry",
          causedBy: 4,
        },
      ]);
    expect(run.agents[FIRST]).toMatchObject({ state: "rerunning", rerun: 1, before: { state: "timed_out" } });
    expect(run.reruns).toMatchObject([{ rerun: 1, agents: [FIRST], isReduced: true, acceptedAt: null, isOver: false }]);
  });

  test("it is called for at once, as a call of its own", () => {
    const waiting = given(...running()).and([60, WAKE]);
    expect(waiting.nextWakeUp()).toBe(60);
    waiting
      .when(BEGIN_ATTEMPT)
      .at(60)
      .then([{ type: "attempt_started", attempt: 2, rerun: 1, causedBy: 5 }]);
  });

  test("it is run once more by itself only once", () => {
    const again: Past[] = [
      ...running(PARALLEL),
      [60, agentTimedOut(FIRST, 60_000)],
      [60, rerunRequested(1, [FIRST])],
      [60, called(2, 1)],
      [60, { type: "attempt_accepted", attempt: 2, httpStatus: 200 }],
    ];
    const run = given(...again)
      .when(WAKE)
      .at(120)
      .then([
        { type: "agent_timed_out", agentId: FIRST, rule: "rerun_failed" },
        { type: "agent_timed_out", agentId: "content_review", rule: "agent_limit" },
        { type: "rerun_requested", rerun: 2, agents: ["content_review"] },
      ]);
    expect(run.agents[FIRST]).toMatchObject({ state: "timed_out", endedAt: at(60) });
  });

  test("an agent of a workflow that OPAL started by itself is never called", () => {
    given([0, adopted("opal-1")])
      .when(WAKE)
      .at(60)
      .then([timedOut]);
  });

  test("a run that is being cancelled calls nobody", () => {
    const cancelling: Past[] = [
      [0, requested()],
      [0, called(1)],
      [0, provedAccepted()],
      [10, cancelAsked()],
    ];
    expect(
      given(...cancelling)
        .and([40, WAKE])
        .run().reruns,
    ).toEqual([]);
  });

  test("a limit of the run starts no re-run any more", () => {
    const silent = { ...PLAN, limits: { ...PLAN.limits, inactivityMs: 20_000 } };
    expect(
      given(...running(silent))
        .when(WAKE)
        .at(20)
        .types(),
    ).toEqual([...Array(9).fill("agent_timed_out"), "ended"]);
  });
});

describe("the next agent of the chain", () => {
  const clockOf = (agentId: string, of: ReturnType<typeof given>) =>
    of.deadlines().flatMap((due) => (due.what === "agent" && due.agentId === agentId ? [(due.at - at(0)) / 1000] : []));
  const overLimit = given(...running(), [0, bound("opal-1")]).and([60, WAKE]);

  test("has its time from the time-out on", () => {
    expect(clockOf("content_review", overLimit)).toEqual([180]);
  });

  test("has no more time because the re-run ends later", () => {
    const again = overLimit.and([60, BEGIN_ATTEMPT], [61, callAnswered("opal-2")]);
    expect(clockOf("content_review", again)).toEqual([180]);
    const delivered = again.and([90, deliverFrom("opal-2", true, says(FIRST, "completed"))]);
    expect(delivered.run().agents[FIRST]).toMatchObject({ state: "completed", endedAt: at(90), handedOverAt: at(60) });
    expect(clockOf("content_review", delivered)).toEqual([180]);
    const failed = again.and([90, deliverFrom("opal-2", true, says(FIRST, "failed"))]);
    expect(failed.run().agents[FIRST]).toMatchObject({ state: "failed", endedAt: at(90), handedOverAt: at(60) });
    expect(clockOf("content_review", failed)).toEqual([180]);
    const overAgain = again.and([121, WAKE]);
    expect(overAgain.run().agents[FIRST]).toMatchObject({ state: "timed_out", handedOverAt: at(60) });
    expect(clockOf("content_review", overAgain)).toEqual([180]);
  });
});

describe("a late result of the first try", () => {
  const waiting = given(...running(), [0, bound("opal-1")]).and([60, WAKE]);
  const late = deliverFrom("opal-1", false, says(FIRST, "completed", { bodyId: "whd_5.result" }));

  test("repairs the agent, and is marked late", () => {
    const run = waiting
      .when(late)
      .at(70)
      .then([{ type: "delivery_recorded", verdict: "late", reason: "agent_given_up" }, "agent_completed"]);
    expect(run.agents[FIRST]).toMatchObject({ state: "completed", late: true, rerun: null });
  });

  test("is known for one without a workflow id, as long as OPAL has not accepted the re-run", () => {
    const calling = waiting.and([60, BEGIN_ATTEMPT]);
    const run = calling
      .when(deliver(says(FIRST, "completed")))
      .at(70)
      .then([{ type: "delivery_recorded", verdict: "late" }, "agent_completed"]);
    expect(run.agents[FIRST]).toMatchObject({ state: "completed", late: true, rerun: null });
  });

  test("makes the re-run needless: it is not called any more", () => {
    const repaired = waiting.and([70, late]);
    expect(repaired.run().agents[FIRST]).toMatchObject({ state: "completed", result: { bodyId: "whd_5.result" } });
    expect(repaired.run().reruns).toMatchObject([{ rerun: 1, isOver: true }]);
    repaired.when(BEGIN_ATTEMPT).at(70).then([]);
    expect(repaired.deadlines().map((deadline) => deadline.what)).not.toContain("attempt");
  });

  test("makes a re-run needless that waits for its next attempt", () => {
    const failing = waiting.and([60, BEGIN_ATTEMPT], [61, callFailed("http_5xx")]);
    expect(failing.deadlines()).toContainEqual({ what: "attempt", at: at(62), rerun: 1 });
    failing.and([61.5, late]).when(BEGIN_ATTEMPT).at(62).then([]);
  });

  test("makes a call for the re-run that is under way the last one", () => {
    const calling = waiting.and([60, BEGIN_ATTEMPT], [61, late]);
    calling
      .when({
        type: "call_failed",
        failure: "http_5xx",
        httpStatus: 503,
        retryAfterMs: 0,
        credential: null,
        jitter: 0.5,
      })
      .at(62)
      .then([{ type: "attempt_failed", attempt: 2, retryAt: null }]);
    calling
      .when(callAnswered("opal-2"))
      .at(62)
      .then(["attempt_accepted", { type: "remote_bound", remoteId: "opal-2", rerun: 1 }]);
  });

  test("does not need the re-run's result, which only counts when it is newer", () => {
    const both = waiting.and(
      [60, BEGIN_ATTEMPT],
      [61, callAnswered("opal-2")],
      [70, deliverFrom("opal-1", false, says(FIRST, "completed", { sha256: "0a", reportedAt: at(70) }))],
    );
    const older = both.and([
      80,
      deliverFrom("opal-2", true, says(FIRST, "completed", { sha256: "0b", reportedAt: at(69) })),
    ]);
    expect(older.run().agents[FIRST]).toMatchObject({ result: { sha256: "0a" } });
    const newer = both.and([
      80,
      deliverFrom("opal-2", true, says(FIRST, "completed", { sha256: "0b", reportedAt: at(79) })),
    ]);
    expect(newer.run().agents[FIRST]).toMatchObject({ result: { sha256: "0b" } });
  });
});

describe("a late failure of the first try", () => {
  const waiting = given(...running(only(FIRST)), [0, bound("opal-1")]).and([60, WAKE]);

  test.each(["failed", "timed_out"] as const)("does not stop the re-run: %s", (outcome) => {
    const told = waiting.and([62, deliverFrom("opal-1", false, says(FIRST, outcome, { family: "none" }))]);
    expect(told.run()).toMatchObject({ status: "running", agents: { [FIRST]: { state: "rerunning", rerun: 1 } } });
    told
      .when(BEGIN_ATTEMPT)
      .at(62)
      .then([{ type: "attempt_started", attempt: 2, rerun: 1 }]);
  });

  test("does not stop a re-run that OPAL works on", () => {
    const working = waiting.and([60, BEGIN_ATTEMPT], [61, callAnswered("opal-2")]);
    const told = working.and([62, deliverFrom("opal-1", false, says(FIRST, "timed_out", { family: "none" }))]);
    expect(told.run()).toMatchObject({ status: "running", agents: { [FIRST]: { state: "rerunning", rerun: 1 } } });
  });
});

describe("people have to look at it", () => {
  const inARow = (timeoutsInARow: number) =>
    given(...running(knowing(PLAN, { agentId: FIRST, lastValid: null, timeoutsInARow })));

  test("when an agent is over its limit in the third run in a row", () => {
    const run = inARow(2)
      .when(WAKE)
      .at(60)
      .then([
        timedOut,
        {
          type: "escalated",
          because: "agent_timeouts_in_a_row",
          agentId: FIRST,
          count: 3,
          rule: "three_timeouts_in_a_row",
          causedBy: 4,
        },
        "rerun_requested",
      ]);
    expect(run.escalations).toEqual([{ because: "agent_timeouts_in_a_row", agentId: FIRST, count: 3, at: at(60) }]);
  });

  test("and in every further one", () => {
    inARow(7)
      .when(WAKE)
      .at(60)
      .then([timedOut, { type: "escalated", count: 8 }, "rerun_requested"]);
  });

  test("though an earlier result stands in for it", () => {
    const request = knowing(PLAN, { ...hadResult(FIRST, 2), timeoutsInARow: 2 });
    given(...running(request))
      .when(WAKE)
      .at(60)
      .then([timedOut, "escalated", "fallback_used"]);
  });

  test("but not in the second", () => {
    inARow(1).when(WAKE).at(60).then([timedOut, "rerun_requested"]);
  });

  test("but once in a run: a re-run over the limit is no further run", () => {
    const again = inARow(2).and([60, WAKE], [60, BEGIN_ATTEMPT], [61, callAnswered()], [121, WAKE]);
    expect(again.run().escalations).toHaveLength(1);
  });

  test("also for an agent of a workflow that OPAL started by itself", () => {
    given([0, adopted("opal-1", knowing(PLAN, { agentId: FIRST, lastValid: null, timeoutsInARow: 2 }))])
      .when(WAKE)
      .at(60)
      .then([timedOut, "escalated"]);
  });
});

test("an agent that failed by its own word is given up without a re-run", () => {
  const run = given(...running(), [10, agentFailed(FIRST)])
    .and([60, WAKE])
    .run();
  expect(run.reruns).toEqual([]);
});

test("closing time of the workflow ends no re-run, and the run waits for that", () => {
  const closing = given(...running(only(FIRST, "geo_audit")), [0, bound("opal-1")])
    .and([60, WAKE])
    .and([61, BEGIN_ATTEMPT], [62, callAnswered("opal-2")]);
  const over = given(...running(only(FIRST, "geo_audit")), [0, bound("opal-1")], [70, workflowOver()]);
  expect(over.deadlines()).toContainEqual({ what: "closing", at: at(100) });
  const closed = closing.and(
    [70, deliverFrom("opal-1", false, { about: "workflow", outcome: "completed" })],
    [100, WAKE],
  );
  expect(closed.run()).toMatchObject({
    status: "running",
    agents: { geo_audit: { state: "failed", reason: "no_result" }, [FIRST]: { state: "rerunning" } },
  });
  // What has passed is not waited for again.
  expect(closed.nextWakeUp()).toBe(122);
});
