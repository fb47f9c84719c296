// Which workflow ids of OPAL's are this run's, and what a second one means.
import { describe, expect, test } from "vitest";
import type { Command } from "../../../src/sync/run/commands.ts";
import {
  adopted,
  at,
  bound,
  callAnswered,
  called,
  deliverFrom,
  ended,
  given,
  only,
  type Past,
  requested,
  running,
  says,
} from "../../support/node/given.ts";

/** A workflow id first heard of so many seconds after the request. */
const claim = (remoteId: string, heardOfAt = 60): Command => ({ type: "claim_remote", remoteId, since: at(heardOfAt) });
const started = says("integration_health", "started");

describe("a delivery that names one of our ids", () => {
  test("binds the workflow id that it carries", () => {
    given(...running())
      .when(deliverFrom("opal-1", true, started))
      .at(5)
      .then([
        { type: "delivery_recorded", remoteId: "opal-1" },
        { type: "remote_bound", remoteId: "opal-1", boundBy: "correlation" },
        "agent_started",
      ]);
  });

  test("binds an id once", () => {
    given(...running(), [1, bound("opal-1")])
      .when(deliverFrom("opal-1", true, started))
      .at(5)
      .then(["delivery_recorded", "agent_started"]);
  });

  test("with a second workflow id means that OPAL started twice", () => {
    const run = given(...running(), [1, bound("opal-1")])
      .when(deliverFrom("opal-2", true, started))
      .at(5)
      .then(["delivery_recorded", "remote_bound", { type: "double_started", remoteId: "opal-2" }, "agent_started"]);
    expect(run).toMatchObject({ remoteIds: ["opal-1", "opal-2"], doubleStarts: 1 });
  });

  test("counts each further workflow id", () => {
    const twice: Past[] = [
      ...running(),
      [1, bound("opal-1")],
      [2, bound("opal-2")],
      [2, { type: "double_started", remoteId: "opal-2" }],
    ];
    expect(
      given(...twice)
        .when(deliverFrom("opal-3", true, started))
        .at(5)
        .run(),
    ).toMatchObject({ doubleStarts: 2 });
    expect(
      given(...twice)
        .when(deliverFrom("opal-2", true, started))
        .at(5)
        .run(),
    ).toMatchObject({ doubleStarts: 1 });
  });

  test("after the end still tells of a double start", () => {
    given(...running(), [1, bound("opal-1")], [5, ended("cancelled", "cancelled_by_operator")])
      .when(deliverFrom("opal-2", true, started))
      .at(6)
      .then(["delivery_recorded", "remote_bound", "double_started"]);
  });
});

test("a delivery that names none of our ids binds nothing by itself", () => {
  given(...running())
    .when(deliverFrom("opal-1", false, started))
    .at(5)
    .then(["delivery_recorded", "agent_started"]);
});

describe("the answer to our call", () => {
  const calling: Past[] = [
    [0, requested()],
    [0, called(1)],
  ];

  test("may name the workflow that a delivery has named before", () => {
    given(...calling, [1, bound("opal-1")])
      .when(callAnswered("opal-1"))
      .at(2)
      .then(["attempt_accepted"]);
  });

  test("that names another workflow means that OPAL started twice", () => {
    given(...calling, [1, bound("opal-1")])
      .when(callAnswered("opal-2"))
      .at(2)
      .then(["attempt_accepted", "remote_bound", { type: "double_started", remoteId: "opal-2" }]);
  });
});

describe("a workflow id that nobody knows", () => {
  test("is bound to a run that has none yet, and says so", () => {
    const run = given(...running())
      .when(claim("opal-1"))
      .at(5)
      .then([{ type: "remote_bound", remoteId: "opal-1", boundBy: "only_active_run" }]);
    expect(run.doubleStarts).toBe(0);
  });

  test("may belong to a run whose call is still under way", () => {
    given([0, requested()], [0, called(1)])
      .when(claim("opal-1"))
      .at(1)
      .then([{ type: "remote_bound", boundBy: "only_active_run" }]);
  });

  test("is not claimed before OPAL was called, nor when it was heard of before that", () => {
    given([0, requested()]).when(claim("opal-1")).at(1).then([]);
    given([0, requested()], [60, called(1)])
      .when(claim("opal-1", 30))
      .at(61)
      .then([]);
  });

  test("is not claimed by a run that has its own", () => {
    given(...running(), [1, bound("opal-1")])
      .when(claim("opal-2"))
      .at(5)
      .then([]);
    given([0, adopted("opal-1")])
      .when(claim("opal-2"))
      .at(5)
      .then([]);
  });

  test("is not claimed by a run that has ended", () => {
    given(...running(), [5, ended("timed_out", "inactivity")])
      .when(claim("opal-1"))
      .at(6)
      .then([]);
  });
});

test("two workflows of one run report to one run", () => {
  const narrow: Past[] = [...running(only("geo_audit", "cmp_organizer")), [1, bound("opal-1")], [2, bound("opal-2")]];
  const run = given(...narrow)
    .when(deliverFrom("opal-2", false, says("geo_audit", "completed"), says("cmp_organizer", "completed")))
    .at(5)
    .then(["delivery_recorded", "agent_completed", "agent_completed", { type: "ended", status: "completed" }]);
  expect(run.remoteIds).toEqual(["opal-1", "opal-2"]);
});
