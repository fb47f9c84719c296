// Why a run or an agent is as it is: cause by cause, back to what came from outside.
import { describe, expect, test } from "vitest";
import { explainAgent, explainRun } from "../../../src/sync/run/explain.ts";
import { RULES } from "../../../src/sync/run/rules.ts";
import {
  at,
  BEGIN_ATTEMPT,
  CANCEL,
  CANCEL_DURING_CALL,
  callAnswered,
  callFailed,
  deliver,
  deliverFrom,
  given,
  hadResult,
  knowing,
  PLAN,
  postpone,
  readAgain,
  rerunAgents,
  START,
  says,
  saysRefused,
  WAKE,
  workflowSays,
} from "../../support/node/given.ts";

const FIRST = "integration_health";
const types = (steps: ReturnType<typeof explainRun>) => steps.map(({ type }) => type);

/** Everything as the rules decide it, from the request on. */
const accepted = given().and([0, START], [0, BEGIN_ATTEMPT], [1, callAnswered("opal-1")]);
const again = accepted.and([61, WAKE], [61, BEGIN_ATTEMPT], [62, callAnswered("opal-2")]);

describe("a run", () => {
  test("that is running leads back over its call to its request", () => {
    const steps = explainRun(accepted.log);
    expect(types(steps)).toEqual(["attempt_accepted", "attempt_started", "requested"]);
    expect(steps[1]).toMatchObject({ seq: 2, at: at(0), rule: "call_due", explanation: RULES.call_due });
  });

  test("that waited and failed to call leads back over all of it", () => {
    const slowly = given().and(
      [0, START],
      [0, postpone(30)],
      [30, BEGIN_ATTEMPT],
      [31, callFailed("http_5xx", { jitter: 0.5 })],
      [32, BEGIN_ATTEMPT],
      [33, callAnswered()],
    );
    expect(types(explainRun(slowly.log))).toEqual([
      ...["attempt_accepted", "attempt_started", "attempt_failed", "attempt_started", "attempt_postponed", "requested"],
    ]);
  });

  test("whose wait was ended before its time leads back over that", () => {
    const switchedOn = given().and(
      [0, START],
      [0, postpone(600, "switched_off")],
      [30, { type: "end_wait" }],
      [30, BEGIN_ATTEMPT],
      [31, callAnswered()],
    );
    expect(types(explainRun(switchedOn.log))).toEqual([
      ...["attempt_accepted", "attempt_started", "wait_ended", "attempt_postponed", "requested"],
    ]);
  });

  test("whose credential was refused leads back to the call", () => {
    const refused = given().and([0, START], [0, BEGIN_ATTEMPT], [1, callFailed("http_auth", { httpStatus: 401 })]);
    const steps = explainRun(refused.log);
    expect(types(steps)).toEqual(["ended", "attempt_failed", "attempt_started", "requested"]);
    expect(steps[0]).toMatchObject({ rule: "credential_refused" });
  });

  test("that an agent's refused credential stopped leads back to the delivery", () => {
    const refused = accepted.and([20, deliver(saysRefused("geo_audit"))]);
    expect(types(explainRun(refused.log))).toEqual([
      ...["ended", "credential_refused", "agent_failed", "delivery_recorded"],
    ]);
  });

  test("that was cancelled leads back to who asked for it", () => {
    const cancelled = accepted.and([20, CANCEL]);
    expect(types(explainRun(cancelled.log))).toEqual(["ended", "cancel_requested"]);
  });

  test("that is being cancelled leads back to who asked for it", () => {
    const cancelling = given().and([0, START], [0, BEGIN_ATTEMPT], [5, CANCEL_DURING_CALL]);
    expect(types(explainRun(cancelling.log))).toEqual(["cancel_requested"]);
  });

  test("that ended by silence leads back to the last that was heard", () => {
    const silent = accepted.and([20, deliver(says(FIRST, "started"))], [620, WAKE]);
    expect(types(explainRun(silent.log))).toEqual(["ended", "delivery_recorded"]);
    expect(explainRun(silent.log)[0]).toMatchObject({ rule: "inactivity_limit" });
  });

  test("that reached its limit leads back to its own acceptance, not to a re-run's", () => {
    const request = { ...PLAN, limits: { ...PLAN.limits, inactivityMs: 3_600_000 } };
    const long = given().and([0, { ...START, request }], [0, BEGIN_ATTEMPT], [1, callAnswered("opal-1")]);
    const over = long.and([61, WAKE], [61, BEGIN_ATTEMPT], [62, callAnswered("opal-2")], [1_801, WAKE]);
    const steps = explainRun(over.log);
    expect(types(steps)).toEqual(["ended", "attempt_accepted", "attempt_started", "requested"]);
    expect(steps[1]).toMatchObject({ seq: 3 });
  });

  test("that ended is explained by its end, though a call had its outcome afterwards", () => {
    const over = given().and(
      [0, START],
      [0, BEGIN_ATTEMPT],
      [1, deliverFrom("opal-1", true, saysRefused("geo_audit"))],
      [2, callAnswered("opal-1")],
    );
    expect(types(explainRun(over.log))[0]).toBe("ended");
  });

  test("that runs is explained by its own acceptance, not by a re-run's", () => {
    expect(explainRun(again.log)[0]).toMatchObject({ type: "attempt_accepted", seq: 3 });
  });

  test("that is not there yet has no explanation", () => {
    expect(explainRun([])).toEqual([]);
  });
});

describe("an agent", () => {
  test("to which nothing has happened is explained by the request", () => {
    expect(explainAgent(accepted.log, "cmp_organizer")).toMatchObject([{ seq: 1, type: "requested", rule: "granted" }]);
  });

  test("that completed leads back to the delivery", () => {
    const done = accepted.and([20, deliver(says(FIRST, "completed"))]);
    expect(types(explainAgent(done.log, FIRST))).toEqual(["agent_completed", "delivery_recorded"]);
  });

  test("that runs once more leads back over its limit to the start of its clock", () => {
    const steps = explainAgent(again.log, FIRST);
    expect(types(steps)).toEqual([
      "rerun_requested",
      "agent_timed_out",
      "attempt_accepted",
      "attempt_started",
      "requested",
    ]);
    expect(steps.map(({ rule }) => rule).slice(0, 2)).toEqual(["reduced_scope_retry", "agent_limit"]);
  });

  test("for which an earlier result stands in leads back to its limit", () => {
    const request = knowing(PLAN, hadResult(FIRST, 2));
    const standing = given().and([0, { ...START, request }], [0, BEGIN_ATTEMPT], [1, callAnswered()], [61, WAKE]);
    expect(types(explainAgent(standing.log, FIRST)).slice(0, 2)).toEqual(["fallback_used", "agent_timed_out"]);
  });

  test("whose clock began with the end of the one before it leads back to that", () => {
    const next = accepted.and([20, deliver(says(FIRST, "completed"))], [140, WAKE]);
    expect(types(explainAgent(next.log, "content_review"))).toEqual([
      ...["rerun_requested", "agent_timed_out", "agent_completed", "delivery_recorded"],
    ]);
  });

  test("that the closing time gave up leads back to the word that the workflow is over", () => {
    const closed = accepted.and(
      [20, deliver(workflowSays("failed"))],
      [30, deliver(says(FIRST, "started"))],
      [50, WAKE],
    );
    expect(types(explainAgent(closed.log, "geo_audit"))).toEqual([
      ...["agent_gave_no_result", "workflow_over", "delivery_recorded"],
    ]);
  });

  test("whose re-run was over its limit leads back over both time-outs", () => {
    const over = again.and([122, WAKE]);
    expect(types(explainAgent(over.log, FIRST)).slice(0, 3)).toEqual([
      ...["agent_timed_out", "rerun_requested", "agent_timed_out"],
    ]);
  });

  test("whose re-run brought nothing is explained by that", () => {
    const failed = accepted.and([61, WAKE], [61, BEGIN_ATTEMPT], [62, callFailed("http_4xx", { httpStatus: 422 })]);
    expect(types(explainAgent(failed.log, FIRST)).slice(0, 2)).toEqual(["rerun_over", "attempt_failed"]);
  });

  test("that somebody had run once more leads back to that person", () => {
    const asked = accepted.and([20, deliver(says("geo_audit", "failed"))], [30, rerunAgents("geo_audit")]);
    const steps = explainAgent(asked.log, "geo_audit");
    expect(types(steps)).toEqual(["rerun_requested"]);
    expect(steps[0]).toMatchObject({ rule: "asked_for", event: { actor: "operator" } });
  });

  test("that was corrected leads back to the delivery that was read again", () => {
    const corrected = accepted.and([20, CANCEL], [90, readAgain({}, says("geo_audit", "completed"))]);
    expect(types(explainAgent(corrected.log, "geo_audit"))).toEqual(["agent_corrected", "reprocessed"]);
  });

  test("is as far explained as the log is known", () => {
    expect(types(explainAgent(again.log.slice(0, 3), FIRST))).toEqual(["requested"]);
  });
});

test("a log whose causes point forwards still ends", () => {
  const odd = accepted.log.map((event) => ({ ...event, causedBy: event.seq + 1 }));
  expect(explainRun(odd)).toHaveLength(1);
  const own = accepted.log.map((event) => ({ ...event, causedBy: event.seq }));
  expect(explainRun(own)).toHaveLength(1);
});
