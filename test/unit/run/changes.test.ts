// What each event changed: the log read as an audit trail.
import { expect, test } from "vitest";
import { withChanges } from "../../../src/sync/run/changes.ts";
import {
  BEGIN_ATTEMPT,
  CANCEL,
  callAnswered,
  deliverFrom,
  given,
  only,
  START,
  says,
  WAKE,
} from "../../support/node/given.ts";

const FIRST = "integration_health";
const { log } = given().and(
  [0, { ...START, request: only(FIRST, "geo_audit") }],
  [0, BEGIN_ATTEMPT],
  [1, callAnswered("opal-1")],
  [61, WAKE],
  [62, deliverFrom("opal-1", true, says("geo_audit", "started"))],
  [70, CANCEL],
);
const changes = withChanges(log, 0);
const changeAt = (type: string) => changes.find(({ event }) => event.type === type)?.changed;

test("every event of the log is there, in order, with the run as it left it", () => {
  expect(changes.map(({ event }) => event)).toEqual(log);
  expect(changes.map(({ run }) => run.seq)).toEqual(log.map(({ seq }) => seq));
});

test("the first event changes nothing into something", () => {
  expect(changeAt("requested")).toEqual({
    status: { from: null, to: "requested" },
    agents: { [FIRST]: { from: null, to: "waiting" }, geo_audit: { from: null, to: "waiting" } },
  });
});

test("an event tells the run's old and new status", () => {
  expect(changeAt("attempt_accepted")).toEqual({ status: { from: "requested", to: "running" }, agents: {} });
});

test("an event tells each agent's old and new state", () => {
  expect(changeAt("agent_timed_out")).toEqual({
    status: null,
    agents: { [FIRST]: { from: "waiting", to: "timed_out" } },
  });
  expect(changeAt("rerun_requested")?.agents).toEqual({ [FIRST]: { from: "timed_out", to: "rerunning" } });
  expect(changeAt("agent_started")?.agents).toEqual({ geo_audit: { from: "waiting", to: "running" } });
});

test("an end that takes a re-run with it says that the agent is as before", () => {
  expect(changeAt("ended")).toEqual({
    status: { from: "running", to: "cancelled" },
    agents: { [FIRST]: { from: "rerunning", to: "timed_out" } },
  });
});

test("an event that changes neither says so", () => {
  expect(changeAt("attempt_started")).toEqual({ status: null, agents: {} });
  expect(changeAt("delivery_recorded")).toEqual({ status: null, agents: {} });
});

test("only what comes after an event is told, against the state before it", () => {
  const after = withChanges(log, 3);
  expect(after.map(({ event }) => event.seq)).toEqual(log.slice(3).map(({ seq }) => seq));
  expect(after.map(({ changed }) => changed)).toEqual(changes.slice(3).map(({ changed }) => changed));
});

test("a log without a beginning changes nothing", () => {
  expect(withChanges(log.slice(1, 2), 0)).toMatchObject([{ changed: { status: null, agents: {} } }]);
});
