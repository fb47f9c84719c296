// A refused credential is for people to look at, at once: nothing is tried again with it.
import { describe, expect, test } from "vitest";
import { viewRun } from "../../../src/sync/run/view.ts";
import {
  agentCompleted,
  agentStarted,
  agentTimedOut,
  at,
  BEGIN_ATTEMPT,
  bound,
  CREDENTIAL,
  callAnswered,
  called,
  callFailed,
  callFell,
  cancelAsked,
  credentialRefused,
  deliver,
  ended,
  given,
  minutes,
  only,
  PARALLEL,
  type Past,
  provedAccepted,
  RERUN_ALL,
  requested,
  rerunAgents,
  rerunRequested,
  running,
  says,
  saysOddly,
  saysRefused,
  WAKE,
} from "../../support/node/given.ts";

const calling: Past[] = [
  [0, requested()],
  [0, called(1)],
];
const refusedBy = (httpStatus: number) => callFailed("http_auth", { httpStatus });

describe("when OPAL refuses our credential at the start", () => {
  test.each([401, 403])("the run fails at once, and the log names the credential: HTTP %i", (httpStatus) => {
    const run = given(...calling)
      .when(refusedBy(httpStatus))
      .at(3)
      .then([
        { type: "attempt_failed", failure: "http_auth", httpStatus, retryAt: null, rule: "call_outcome" },
        {
          type: "credential_refused",
          credential: CREDENTIAL.name,
          fingerprint: CREDENTIAL.fingerprint,
          httpStatus,
          agentId: null,
          causedBy: 3,
        },
        { type: "escalated", because: "credential_refused", agentId: null, causedBy: 4 },
        { type: "ended", status: "failed", reason: "credential_refused", rule: "credential_refused", causedBy: 3 },
      ]);
    expect(run).toMatchObject({
      status: "failed",
      reason: "credential_refused",
      credential: { credential: CREDENTIAL.name, fingerprint: CREDENTIAL.fingerprint, httpStatus, at: at(3) },
      escalations: [{ because: "credential_refused", agentId: null, count: 1, at: at(3) }],
    });
  });

  test("a Retry-After buys it no other attempt", () => {
    const over = given(...calling).and([3, callFailed("http_auth", { httpStatus: 401, retryAfterMs: 5_000 })]);
    expect(over.nextWakeUp()).toBeUndefined();
    over.when(BEGIN_ATTEMPT).at(10).then([]);
  });

  test("at a later attempt it is as final as at the first", () => {
    const later: Past[] = [...calling, [1, callFell(1, "http_5xx", 2)], [2, called(2)]];
    expect(
      given(...later)
        .when(refusedBy(401))
        .at(3)
        .types(),
    ).toEqual(["attempt_failed", "credential_refused", "escalated", "ended"]);
  });

  test("the run can be resumed, and says what to check", () => {
    const view = viewRun(
      given(...calling)
        .and([3, refusedBy(401)])
        .run(),
    );
    expect(view).toMatchObject({ isResumable: true, isRetriable: true, nextAttemptAt: null });
    expect(view.message).toBe(
      `A credential was refused; the run was stopped. ${CREDENTIAL.name} was not accepted (HTTP 401). Check it, then resume the run.`,
    );
  });

  test("a credential that nobody named is told as OPAL's", () => {
    given(...calling)
      .when(callFailed("http_auth", { httpStatus: 401, credential: null }))
      .at(3)
      .then([
        "attempt_failed",
        { type: "credential_refused", credential: "OPAL", fingerprint: null },
        "escalated",
        "ended",
      ]);
  });

  test("other refusals name no credential and cannot be resumed", () => {
    const run = given(...calling)
      .when(callFailed("http_4xx", { httpStatus: 422 }))
      .at(3)
      .then(["attempt_failed", { type: "ended", reason: "opal_refused" }]);
    expect(viewRun(run)).toMatchObject({ credential: null, isResumable: false, isRetriable: true });
  });

  test("a run that is being cancelled is cancelled", () => {
    given(...calling, [2, cancelAsked()])
      .when(refusedBy(401))
      .at(3)
      .then(["attempt_failed", { type: "ended", status: "cancelled" }]);
  });

  test("a run that a delivery has shown to be accepted goes on, and can be resumed when it ends without all", () => {
    const run = given(...calling, [1, provedAccepted()])
      .when(refusedBy(401))
      .at(3)
      .then(["attempt_failed", "credential_refused", "escalated"]);
    expect(run.status).toBe("running");
    const over = given(...calling, [1, provedAccepted()]).and([3, refusedBy(401)], [minutes(11), WAKE]);
    expect(viewRun(over.run())).toMatchObject({ status: "timed_out", isResumable: true });
  });
});

describe("when OPAL refuses our credential at a re-run", () => {
  const again: Past[] = [
    ...running(only("geo_audit", "cmp_organizer")),
    [0, bound("opal-1")],
    [20, agentCompleted("cmp_organizer")],
    [30, agentTimedOut("geo_audit", 1)],
    [30, rerunRequested(1, ["geo_audit"])],
    [30, called(2, 1)],
  ];

  test("the agent is as before, the credential is written down, and what is left of the run ends it", () => {
    const run = given(...again)
      .when(refusedBy(403))
      .at(31)
      .then([
        { type: "attempt_failed", attempt: 2, retryAt: null },
        { type: "credential_refused", credential: CREDENTIAL.name, httpStatus: 403, agentId: null },
        "escalated",
        { type: "rerun_over", rerun: 1, rule: "rerun_failed" },
        { type: "ended", status: "partially_completed", reason: "some_agents_completed" },
      ]);
    expect(run.agents.geo_audit).toMatchObject({ state: "timed_out" });
    expect(viewRun(run)).toMatchObject({ isResumable: true });
  });

  const alongside: Past[] = [
    ...running(PARALLEL),
    [0, bound("opal-1")],
    [60, agentTimedOut("integration_health", 60_000)],
    [60, rerunRequested(1, ["integration_health"])],
    [60, called(2, 1)],
  ];

  test("the run goes on for its other agents", () => {
    const run = given(...alongside)
      .when(refusedBy(401))
      .at(61)
      .then(["attempt_failed", "credential_refused", "escalated", "rerun_over"]);
    expect(run).toMatchObject({ status: "running", credential: { credential: CREDENTIAL.name } });
    expect(run.agents.integration_health).toMatchObject({ state: "timed_out" });
    expect(viewRun(run)).toMatchObject({ isResumable: false });
  });

  test("no other agent is run again: not after a time-out, and not after an invalid result", () => {
    const refused = given(...alongside).and([61, refusedBy(401)]);
    refused
      .when(WAKE)
      .at(120)
      .then([{ type: "agent_timed_out", agentId: "content_review" }]);
    refused
      .when(deliver(saysOddly("geo_audit")))
      .at(70)
      .then(["delivery_recorded", "result_quarantined"]);
  });

  test("nobody can ask for another re-run", () => {
    const refused = given(...alongside).and([61, refusedBy(401)]);
    refused.when(RERUN_ALL).at(70).thenRefused("nothing_to_retry");
    refused.when(rerunAgents("integration_health")).at(70).thenRefused("nothing_to_retry");
  });

  test("a re-run that waits for its turn is not called either", () => {
    const two: Past[] = [
      ...alongside,
      [61, agentTimedOut("content_review", 61_000)],
      [61, rerunRequested(2, ["content_review"])],
    ];
    const refused = given(...two).and([62, refusedBy(401)]);
    refused.when(BEGIN_ATTEMPT).at(62).then([]);
    expect(refused.run().agents.content_review).toMatchObject({ state: "timed_out" });
    expect(refused.deadlines().map((deadline) => deadline.what)).not.toContain("attempt");
  });

  test("a re-run that OPAL has taken already may still deliver", () => {
    const two: Past[] = [
      ...running(PARALLEL),
      [0, bound("opal-1")],
      [60, agentTimedOut("integration_health", 60_000)],
      [60, rerunRequested(1, ["integration_health"])],
      [60, called(2, 1)],
      [61, { type: "attempt_accepted", attempt: 2, httpStatus: 200 }],
      [61, bound("opal-2", 1)],
      [62, agentTimedOut("content_review", 62_000)],
      [62, rerunRequested(2, ["content_review"])],
      [62, called(3, 2)],
    ];
    const run = given(...two)
      .when(refusedBy(401))
      .at(63)
      .run();
    expect(run.agents.integration_health).toMatchObject({ state: "rerunning", rerun: 1 });
  });

  test("the run can be resumed when it has ended without all of its agents", () => {
    const stopped: Past = [90, ended("partially_completed", "run_deadline")];
    expect(viewRun(given(...alongside, [61, credentialRefused(401)], stopped).run())).toMatchObject({
      isResumable: true,
    });
    const complete: Past = [90, ended("completed", "all_agents_completed")];
    expect(viewRun(given(...alongside, [61, credentialRefused(401)], complete).run())).toMatchObject({
      isResumable: false,
      isRetriable: false,
    });
  });
});

describe("when an agent reports that a credential was refused to it", () => {
  const credential = "OPAL agent geo_audit";

  test("the run is stopped at once and has failed", () => {
    const run = given(...running(), [20, agentStarted("integration_health")])
      .when(deliver(saysRefused("geo_audit")))
      .at(30)
      .then([
        { type: "delivery_recorded", verdict: "processed" },
        { type: "agent_failed", agentId: "geo_audit", reason: "credential_refused", causedBy: 5 },
        { type: "credential_refused", credential, fingerprint: null, httpStatus: null, agentId: "geo_audit" },
        { type: "escalated", because: "credential_refused", agentId: "geo_audit" },
        { type: "ended", status: "failed", reason: "credential_refused", rule: "credential_refused" },
      ]);
    expect(run.agents.geo_audit).toMatchObject({ state: "failed", reason: "credential_refused" });
    expect(run.agents.integration_health).toMatchObject({ state: "running" });
  });

  test("what was completed before makes it partial", () => {
    given(...running(), [20, agentCompleted("integration_health")])
      .when(deliver(saysRefused("geo_audit")))
      .at(30)
      .then([
        "delivery_recorded",
        "agent_failed",
        "credential_refused",
        "escalated",
        { type: "ended", status: "partially_completed", reason: "credential_refused" },
      ]);
  });

  test("the run can be resumed, and names the agent", () => {
    const view = viewRun(
      given(...running())
        .and([30, deliver(saysRefused("geo_audit"))])
        .run(),
    );
    expect(view).toMatchObject({ isResumable: true, credential: { credential, agentId: "geo_audit" } });
    expect(view.message).toContain(`${credential} was not accepted. Check it, then resume the run.`);
  });

  test("nothing of it is run again, and no call of ours follows", () => {
    const again: Past[] = [
      ...running(),
      [60, agentTimedOut("integration_health", 60_000)],
      [60, rerunRequested(1, ["integration_health"])],
    ];
    const over = given(...again).and([60, deliver(saysRefused("content_review"))]);
    expect(over.nextWakeUp()).toBeUndefined();
    over.when(BEGIN_ATTEMPT).at(61).then([]);
    expect(over.run().agents.integration_health).toMatchObject({ state: "timed_out" });
  });

  test("an agent that nobody asked for stops nothing", () => {
    const run = given(...running(only("geo_audit")))
      .when(deliver(saysRefused("cmp_organizer")))
      .at(30)
      .then(["delivery_recorded", "unrequested_result"]);
    expect(run).toMatchObject({ status: "running", credential: null });
  });

  test("an ordinary failure stops nothing", () => {
    given(...running())
      .when(deliver(says("geo_audit", "failed")))
      .at(30)
      .then(["delivery_recorded", { type: "agent_failed", reason: "reported_failure" }]);
  });

  test("other results in the same delivery are not thrown away", () => {
    const run = given(...running())
      .when(deliver(saysRefused("geo_audit"), says("content_review", "completed", { bodyId: "whd_9.result" })))
      .at(30)
      .run();
    const kept = [...("attached" in run ? run.attached : []).map(({ result }) => result.bodyId)];
    const agent = run.agents.content_review;
    if (agent?.state === "completed") kept.push(agent.result.bodyId);
    expect(kept).toEqual(["whd_9.result"]);
  });

  test("a run that is being cancelled ends as cancelled, when its call has ended", () => {
    const cancelling = given(...calling, [1, provedAccepted()], [2, cancelAsked()]).and([
      3,
      deliver(saysRefused("geo_audit")),
    ]);
    expect(cancelling.run()).toMatchObject({ status: "running", credential: { credential } });
    cancelling
      .when(callFailed("aborted"))
      .at(4)
      .then(["attempt_failed", { type: "ended", status: "cancelled" }]);
  });

  test("the answer to a call that was still open is written down afterwards", () => {
    const over = given(...calling, [1, provedAccepted()]).and([3, deliver(saysRefused("geo_audit"))]);
    expect(over.run().status).toBe("failed");
    over.when(callAnswered("opal-1")).at(4).then(["attempt_accepted", "remote_bound"]);
  });
});
