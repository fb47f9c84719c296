// The states in which a run has ended are absorbing.
import { describe, expect, test } from "vitest";
import type { Command } from "../../../src/sync/run/commands.ts";
import type { EndReason, EndStatus } from "../../../src/sync/run/events.ts";
import {
  agentStarted,
  at,
  BEGIN_ATTEMPT,
  callAnswered,
  called,
  callFailed,
  deliver,
  ended,
  given,
  minutes,
  type Past,
  PLAN,
  postpone,
  provedAccepted,
  readAgain,
  requested,
  running,
  START,
  says,
  saysOddly,
  saysRefused,
  WAKE,
  workflowSays,
} from "../../support/node/given.ts";

const ENDS: readonly (readonly [EndStatus, EndReason])[] = [
  ["completed", "all_agents_completed"],
  ["partially_completed", "some_agents_completed"],
  ["failed", "no_agent_completed"],
  ["cancelled", "cancelled_by_operator"],
  ["timed_out", "inactivity"],
];

const COMMANDS: readonly (readonly [string, Command])[] = [
  ["a start", START],
  ["an adoption", { type: "adopt", request: PLAN, remoteId: "opal-9" }],
  ["a call that is due", BEGIN_ATTEMPT],
  ["a call that has to wait", postpone(minutes(90))],
  ["an answer", callAnswered("opal-9")],
  ["a failed call", callFailed("http_auth")],
  ["a claim", { type: "claim_remote", remoteId: "opal-9", since: Number.MAX_SAFE_INTEGER }],
  ["an agent's completion", deliver(says("geo_audit", "completed"))],
  ["an agent's failure", deliver(says("geo_audit", "failed"))],
  ["a credential that is refused to an agent", deliver(saysRefused("geo_audit"))],
  ["a result of a shape nobody knows", deliver(saysOddly("geo_audit"))],
  ["the workflow's completion", deliver(workflowSays("completed"))],
  ["its being repeated", { type: "mark_retried", bySessionId: "s2", attempt: 2, how: "retry", actor: "operator" }],
  ["a delivery that is read again", readAgain({}, says("geo_audit", "completed"))],
  ["time", WAKE],
];

describe.each(ENDS)("a run that is %s", (status, reason) => {
  const over: Past[] = [...running(), [5, agentStarted("geo_audit")], [50, ended(status, reason)]];

  test.each(COMMANDS)("stays so after %s", (_what, command) => {
    const outcome = given(...over)
      .when(command)
      .at(minutes(60));
    expect(outcome.run()).toMatchObject({ status, reason, endedAt: at(50), phase: 1, reportedEnds: [] });
  });

  test("waits for nothing", () => {
    expect(given(...over).deadlines()).toEqual([]);
  });

  test("ends once: a second end in the log changes nothing", () => {
    const again = given(...over, [60, ended("completed", "all_agents_completed")]).run();
    expect(again).toMatchObject({ status, reason, endedAt: at(50) });
  });
});

describe("a run that ended while its call was still open", () => {
  const open: Past[] = [
    [0, requested()],
    [0, called(1)],
    [1, provedAccepted()],
    [20, ended("completed", "all_agents_completed")],
  ];

  test("waits for the outcome of the call and for nothing else", () => {
    expect(given(...open).deadlines()).toEqual([{ what: "call", at: at(50), attempt: 1 }]);
  });

  test("writes the outcome down, whatever it is, and stays as it ended", () => {
    expect(
      given(...open)
        .when(callAnswered())
        .at(21)
        .then(["attempt_accepted"]).status,
    ).toBe("completed");
    expect(
      given(...open)
        .when(callFailed("http_5xx"))
        .at(21)
        .then([{ type: "attempt_failed", retryAt: null }]).status,
    ).toBe("completed");
    expect(
      given(...open)
        .when(WAKE)
        .at(50)
        .then([{ type: "attempt_failed", retryAt: null }]).status,
    ).toBe("completed");
  });
});
