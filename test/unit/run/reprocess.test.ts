// A stored delivery is read again with newer code and says something else now.
import { describe, expect, test } from "vitest";
import type { Command, Report, Reprocessing } from "../../../src/sync/run/commands.ts";
import type { Reading } from "../../../src/sync/run/events.ts";
import { progressPercent } from "../../../src/sync/run/progress.ts";
import { isSameReading, readingOf } from "../../../src/sync/run/reading.ts";
import { viewRun } from "../../../src/sync/run/view.ts";
import {
  agentCompleted,
  at,
  BEGIN_ATTEMPT,
  bound,
  CANCEL,
  callAnswered,
  called,
  callFailed,
  callFell,
  deliver,
  deliverFrom,
  delivery,
  given,
  means,
  only,
  type Past,
  readAgain,
  requested,
  result,
  running,
  says,
  saysOddly,
  saysRefused,
  WAKE,
  workflowSays,
} from "../../support/node/given.ts";

/** A delivery of its own; its result is kept under its id. */
const comes = (deliveryId: string, ...reports: readonly Report[]): Command => ({
  type: "deliver",
  delivery: delivery({ deliveryId }),
  reports,
});
const oddAt = (deliveryId: string) => comes(deliveryId, saysOddly("geo_audit", { bodyId: `${deliveryId}.result` }));
const unknownAt = (deliveryId: string) => comes(deliveryId, means("ignored", "unknown_status"));

const fromOpal = given(...running(), [0, bound("opal-1")]);
const quarantinedOnce = fromOpal.and([10, oddAt("whd_5")]);
const now = (change: Partial<Reprocessing>, ...reports: readonly Report[]) =>
  readAgain({ deliveryId: "whd_5", ...change }, ...reports);

describe("the log", () => {
  test("keeps what it was taken for, what it says now, and who had it read", () => {
    const report = says("geo_audit", "completed", { bodyId: "whd_5.again" });
    quarantinedOnce
      .when(now({ was: "quarantined", remoteId: "opal-1" }, report))
      .at(20)
      .then([
        {
          type: "reprocessed",
          ...{ deliveryId: "whd_5", remoteId: "opal-1", was: "quarantined", verdict: "processed", reason: null },
          ...{ actor: "operator", rule: "read_again", causedBy: null },
          reading: readingOf([report]),
        },
        "agent_completed",
      ]);
  });

  test("is asked of a run only", () => {
    given().when(now({})).at(0).thenRefused("session_not_found");
  });
});

describe("the count of deliveries", () => {
  test("moves from what it was to what it is", () => {
    expect(quarantinedOnce.run().deliveries).toEqual({ processed: 0, late: 0, ignored: 0, quarantined: 1 });
    const read = quarantinedOnce.and([20, now({ was: "quarantined" }, says("geo_audit", "completed"))]);
    expect(read.run().deliveries).toEqual({ processed: 1, late: 0, ignored: 0, quarantined: 0 });
    const back = read.and([30, now({ was: "processed" }, means("ignored", "unknown_event_type"))]);
    expect(back.run().deliveries).toEqual({ processed: 0, late: 0, ignored: 1, quarantined: 0 });
  });

  test("stays when the verdict does", () => {
    const read = quarantinedOnce.and([20, now({ was: "quarantined" }, means("quarantined", "unknown_agent"))]);
    expect(read.run().deliveries).toEqual({ processed: 0, late: 0, ignored: 0, quarantined: 1 });
  });

  test("never falls below nothing", () => {
    const read = fromOpal.and([20, now({ was: "late" }, means("ignored", "unknown_status"))]);
    expect(read.run().deliveries).toEqual({ processed: 0, late: 0, ignored: 1, quarantined: 0 });
  });

  test("is no sign of life: nothing was heard", () => {
    const read = quarantinedOnce.and([20, now({ was: "quarantined" }, says("geo_audit", "started"))]);
    expect(read.run().lastDeliveryAt).toBe(at(10));
  });
});

describe("while the run is active", () => {
  test("it counts like a report: the agent has completed, and runs no more", () => {
    const run = quarantinedOnce
      .when(now({ was: "quarantined" }, says("geo_audit", "completed", { bodyId: "whd_5.again" })))
      .at(20)
      .then(["reprocessed", { type: "agent_completed", agentId: "geo_audit", rule: "sender_reported", causedBy: 8 }]);
    expect(run.agents.geo_audit).toMatchObject({ state: "completed", result: { bodyId: "whd_5.again" } });
    expect(run.reruns).toMatchObject([{ isOver: true }]);
  });

  test.each<[string, Report, string]>([
    ["a start", says("content_review", "started"), "agent_started"],
    ["a failure", says("content_review", "failed"), "agent_failed"],
    ["a result that nobody asked for", says("cmp_organizer", "completed"), "unrequested_result"],
  ])("it counts like a report: %s", (_what, report, type) => {
    const some = given(...running(only("content_review", "geo_audit"))).and([10, unknownAt("whd_5")]);
    expect(
      some
        .when(now({ was: "ignored" }, report))
        .at(20)
        .types(),
    ).toEqual(["reprocessed", type]);
  });

  test("it counts like a report: a result of a shape nobody knows", () => {
    const read = fromOpal
      .and([10, unknownAt("whd_5")])
      .when(now({ was: "ignored" }, saysOddly("geo_audit")))
      .at(20);
    read.then([{ type: "reprocessed", verdict: "quarantined" }, "result_quarantined", "rerun_requested"]);
  });

  test("it counts like a report: that the workflow is over", () => {
    const run = fromOpal
      .and([10, unknownAt("whd_5")])
      .when(now({ was: "ignored" }, workflowSays("completed")))
      .at(20)
      .run();
    expect(run).toMatchObject({ status: "running", closingSince: at(20) });
  });

  test("it counts like a report: OPAL has accepted the run", () => {
    const timedOut: Past[] = [
      [0, requested()],
      [0, called(1)],
      [45, callFell(1, "timeout_error", 46)],
    ];
    const accepted = given(...timedOut)
      .and([45, comes("whd_5", means("ignored", "unknown_status"))])
      .and([45.5, now({ was: "ignored" }, says("integration_health", "started"))]);
    expect(accepted.run()).toMatchObject({ status: "running", acceptedAt: at(45.5) });
    accepted.when(BEGIN_ATTEMPT).at(46).then([]);
  });

  test("it ends the run when it was the last that was missing", () => {
    const alone = given(...running(only("geo_audit"))).and([10, oddAt("whd_5")]);
    const run = alone
      .when(now({ was: "quarantined" }, says("geo_audit", "completed")))
      .at(20)
      .then(["reprocessed", "agent_completed", { type: "ended", status: "completed" }]);
    expect(run).toMatchObject({ status: "completed", endedAt: at(20) });
  });

  test("it is known as a re-run's by its workflow id", () => {
    const again = fromOpal.and(
      [60, WAKE],
      [60, BEGIN_ATTEMPT],
      [61, callAnswered("opal-2")],
      [70, deliverFrom("opal-2", true, means("ignored", "unknown_status"))],
    );
    again
      .when(readAgain({ was: "ignored", remoteId: "opal-2" }, says("geo_audit", "completed")))
      .at(80)
      .then(["reprocessed", "unrequested_result"]);
    again
      .when(readAgain({ was: "ignored", remoteId: "opal-2" }, says("integration_health", "completed")))
      .at(80)
      .then(["reprocessed", "agent_completed"]);
  });

  test.each<[string, Report, object]>([
    ["a failure", says("geo_audit", "failed"), { state: "failed", reason: "reported_failure" }],
    ["unreadable", saysOddly("geo_audit"), { state: "failed", reason: "invalid_result" }],
  ])("a completed agent is corrected when what it completed with turns out to be %s", (_what, report, state) => {
    const result = { bodyId: "whd_5.result" };
    const before = fromOpal.and([10, comes("whd_5", says("geo_audit", "completed", result))]);
    const outcome = before.when(now({}, report)).at(20);
    expect(outcome.types().slice(0, 2)).toEqual(["reprocessed", "agent_corrected"]);
    const agent = outcome.run().agents.geo_audit;
    expect(agent?.state === "rerunning" ? agent.before : agent).toMatchObject(state);
  });

  test("a completion that turns out to be a start counts like a report of that, which ends nothing", () => {
    const delivered = says("geo_audit", "completed", { bodyId: "whd_5.result" });
    const run = fromOpal
      .and([10, comes("whd_5", delivered)])
      .when(now({}, says("geo_audit", "started")))
      .at(20)
      .then(["reprocessed", "agent_started"]);
    expect(run.agents.geo_audit).toMatchObject({ state: "completed", endedAt: at(10) });
  });

  test("an agent whose completion turns out to be unreadable is run once more", () => {
    const delivered = says("geo_audit", "completed", { bodyId: "whd_5.result" });
    const run = fromOpal
      .and([10, comes("whd_5", delivered)])
      .when(now({}, saysOddly("geo_audit", { bodyId: "whd_5.again" })))
      .at(20)
      .then([
        { type: "reprocessed", verdict: "quarantined" },
        { type: "agent_corrected", outcome: "quarantined" },
        { type: "rerun_requested", agents: ["geo_audit"], because: "invalid_result", causedBy: 8 },
      ]);
    expect(run.agents.geo_audit).toMatchObject({ state: "rerunning", before: { reason: "invalid_result" } });
  });

  test("what nobody understands any more changes nothing but the count", () => {
    const before = fromOpal.and([10, comes("whd_5", says("geo_audit", "completed"))]);
    const run = before
      .when(now({}, means("quarantined", "unknown_agent")))
      .at(20)
      .then([{ type: "reprocessed", verdict: "quarantined", reason: "unknown_agent" }]);
    expect(run.agents).toEqual(before.run().agents);
  });

  test.each(["00", "ff"])("the new reading of what an agent's result rests on takes its place: hash %s", (sha256) => {
    const first = says("geo_audit", "completed", { bodyId: "whd_5.result", sha256: "aa", confidence: null });
    const second = says("geo_audit", "completed", { bodyId: "whd_5.again", sha256, confidence: 0.8 });
    const read = fromOpal.and([10, comes("whd_5", first)], [20, now({}, second)]);
    expect(read.run().agents.geo_audit).toMatchObject({ state: "completed", result: { confidence: 0.8 } });
  });

  test("a new reading of an older delivery does not take the place of a newer result", () => {
    const older = (sha256: string) =>
      says("geo_audit", "completed", { bodyId: "whd_5.result", sha256, confidence: 0.1, reportedAt: at(5) });
    const newer = says("geo_audit", "completed", { bodyId: "whd_6.result", confidence: 0.9, reportedAt: at(10) });
    const read = fromOpal.and(
      [10, comes("whd_5", older("aa"))],
      [11, comes("whd_6", newer)],
      [20, now({}, older("ff"))],
    );
    expect(read.run().agents.geo_audit).toMatchObject({ result: { confidence: 0.9 } });
  });

  test("a credential that turns out to be refused stops it at once", () => {
    const run = fromOpal
      .and([10, unknownAt("whd_5")])
      .when(now({ was: "ignored" }, saysRefused("geo_audit")))
      .at(20)
      .then(["reprocessed", "agent_failed", "credential_refused", "escalated", { type: "ended", status: "failed" }]);
    expect(viewRun(run).isResumable).toBe(true);
  });
});

test("several deliveries are read in their order, and the run ends at most once", () => {
  const two = given(...running(only("geo_audit", "content_review"))).and(
    [10, unknownAt("whd_5")],
    [11, unknownAt("whd_6")],
  );
  const both: Command = {
    type: "reprocess",
    actor: "operator",
    deliveries: [
      { deliveryId: "whd_5", remoteId: null, was: "ignored", reports: [says("geo_audit", "completed")] },
      { deliveryId: "whd_6", remoteId: null, was: "ignored", reports: [says("content_review", "completed")] },
    ],
  };
  const run = two
    .when(both)
    .at(20)
    .then([
      { type: "reprocessed", deliveryId: "whd_5" },
      "agent_completed",
      { type: "reprocessed", deliveryId: "whd_6" },
      "agent_completed",
      { type: "ended", status: "completed" },
    ]);
  expect(run.deliveries).toEqual({ processed: 2, late: 0, ignored: 0, quarantined: 0 });
});

test("what is read after another delivery of the same list has stopped the run corrects it", () => {
  const two = fromOpal.and([10, unknownAt("whd_5")], [11, unknownAt("whd_6")]);
  const both: Command = {
    type: "reprocess",
    actor: "operator",
    deliveries: [
      { deliveryId: "whd_5", remoteId: null, was: "ignored", reports: [saysRefused("geo_audit")] },
      { deliveryId: "whd_6", remoteId: null, was: "ignored", reports: [says("content_review", "completed")] },
    ],
  };
  const types = two.when(both).at(20).types();
  expect(types).toEqual([
    ...["reprocessed", "agent_failed", "credential_refused", "escalated", "ended"],
    ...["reprocessed", "agent_corrected"],
  ]);
});

describe("after the end", () => {
  /** geo_audit's result was of a shape nobody knew; content_review had delivered; nobody else ever spoke. */
  const over = fromOpal.and(
    [10, oddAt("whd_5")],
    [11, comes("whd_6", says("content_review", "completed", { bodyId: "whd_6.result", reportedAt: at(11) }))],
    [12, CANCEL],
  );
  const ofSix = (...reports: readonly Report[]) => readAgain({ deliveryId: "whd_6" }, ...reports);

  test("the agent is corrected, and the run's own end stays as it is", () => {
    const run = over
      .when(now({ was: "quarantined" }, says("geo_audit", "completed", { bodyId: "whd_5.again", confidence: 0.8 })))
      .at(900)
      .then([
        { type: "reprocessed", was: "quarantined" },
        {
          type: "agent_corrected",
          ...{ agentId: "geo_audit", deliveryId: "whd_5", outcome: "completed", rule: "read_again" },
          causedBy: over.log.length + 1,
        },
      ]);
    expect(run.agents.geo_audit).toMatchObject({ state: "completed", result: { bodyId: "whd_5.again" } });
    expect(run).toMatchObject({ status: "cancelled", reason: "cancelled_by_operator", endedAt: at(12) });
    expect(progressPercent(run)).toBe(progressPercent(over.run()));
    expect(viewRun(run).agents.find(({ id }) => id === "geo_audit")).toMatchObject({
      ...{ state: "completed", confidence: 0.8, isQuarantined: false, resultId: "whd_5.again" },
    });
  });

  test("even when all of its agents have completed by that", () => {
    const partial = given(...running(only("geo_audit", "content_review")), [5, agentCompleted("content_review")]).and(
      [10, oddAt("whd_5")],
      [10, BEGIN_ATTEMPT],
      [11, callFailed("http_4xx")],
    );
    expect(partial.run().status).toBe("partially_completed");
    const read = partial.and([900, now({ was: "quarantined" }, says("geo_audit", "completed"))]);
    expect(read.run()).toMatchObject({ status: "partially_completed", endedAt: at(11) });
    expect(viewRun(read.run())).toMatchObject({ completedAgents: 2 });
  });

  test("an agent that never spoke in time has its result", () => {
    const run = over
      .when(readAgain({ deliveryId: "whd_7" }, says("cmp_organizer", "completed", { bodyId: "whd_7.result" })))
      .at(900)
      .run();
    expect(run.agents.cmp_organizer).toMatchObject({ state: "completed" });
    expect(viewRun(run).agents.find(({ id }) => id === "cmp_organizer")).toMatchObject({ state: "completed" });
  });

  test("a better reading of a result takes its place", () => {
    const better = says("content_review", "completed", { bodyId: "whd_6.again", confidence: 0.4, reportedAt: at(11) });
    const run = over.when(ofSix(better)).at(900).then(["reprocessed", "agent_corrected"]);
    expect(run.agents.content_review).toMatchObject({
      state: "completed",
      endedAt: at(11),
      result: { confidence: 0.4 },
    });
  });

  test("a result that turns out to be of a shape nobody knows is quarantined", () => {
    const run = over
      .when(ofSix(saysOddly("content_review", { bodyId: "whd_6.again" })))
      .at(900)
      .then([
        { type: "reprocessed", verdict: "quarantined" },
        { type: "agent_corrected", outcome: "quarantined" },
      ]);
    expect(run.agents.content_review).toMatchObject({ state: "failed", reason: "invalid_result" });
    expect(viewRun(run).agents.find(({ id }) => id === "content_review")).toMatchObject({
      ...{ isQuarantined: true, confidence: null, resultId: "whd_6.again" },
    });
    expect(run.reruns).toHaveLength(1);
  });

  test.each([
    ["failed", "reported_failure"],
    ["timed_out", "reported_timeout"],
  ] as const)("a completion that turns out to be none is one no more: %s", (outcome, reason) => {
    const run = over
      .when(ofSix(says("content_review", outcome, { family: "none" })))
      .at(900)
      .run();
    expect(run.agents.content_review).toMatchObject({ state: "failed", reason });
  });

  test("an invalid result that turns out to be a failure is a failure", () => {
    const run = over
      .when(now({ was: "quarantined" }, says("geo_audit", "failed", { family: "none", bodyId: "whd_5.again" })))
      .at(900)
      .run();
    expect(run.agents.geo_audit).toMatchObject({ state: "failed", reason: "reported_failure" });
  });

  test("an older delivery does not take the place of a newer one's result", () => {
    const twice = fromOpal.and(
      [10, comes("whd_5", says("geo_audit", "completed", { bodyId: "whd_5.result", reportedAt: at(5) }))],
      [11, comes("whd_6", says("geo_audit", "completed", { bodyId: "whd_6.result", reportedAt: at(10) }))],
      [12, CANCEL],
    );
    const better = twice.and([
      900,
      now({}, says("geo_audit", "completed", { bodyId: "whd_5.again", reportedAt: at(5) })),
    ]);
    expect(better.run().agents.geo_audit).toMatchObject({ state: "completed", result: { bodyId: "whd_6.result" } });
    const odd = twice.and([900, now({}, saysOddly("geo_audit", { bodyId: "whd_5.again", reportedAt: at(5) }))]);
    expect(odd.run().agents.geo_audit).toMatchObject({ state: "completed", result: { bodyId: "whd_6.result" } });
  });

  test("a start, and what is about no agent, correct nobody", () => {
    over
      .when(ofSix(says("content_review", "started")))
      .at(900)
      .then(["reprocessed"]);
    over
      .when(ofSix(workflowSays("completed")))
      .at(900)
      .then(["reprocessed"]);
    over
      .when(ofSix(means("ignored", "unknown_status")))
      .at(900)
      .then(["reprocessed"]);
  });

  test("an agent that nobody asked for has no state to correct", () => {
    const narrow = given(...running(only("geo_audit"))).and([12, CANCEL]);
    const read = narrow.and([900, now({}, says("cmp_organizer", "completed"))]);
    expect(read.run().agents).toEqual(narrow.run().agents);
  });

  test("nothing is run again, nobody is told, and no call follows", () => {
    const refused = over.and([900, ofSix(saysRefused("content_review"))]);
    expect(refused.run()).toMatchObject({ credential: null, escalations: [] });
    expect(refused.nextWakeUp()).toBeUndefined();
  });
});

describe("two readings", () => {
  const report = says("geo_audit", "completed", { bodyId: "whd_1.result" });

  test("hold what was said, and nothing of where it is kept", () => {
    const { bodyId: _bodyId, ...kept } = result({ bodyId: "whd_1.result" });
    const nothing = means("ignored", "unknown_status");
    expect(readingOf([report, workflowSays("failed"), nothing])).toEqual([
      { about: "agent", agentId: "geo_audit", outcome: "completed", isCredentialRefused: false, result: kept },
      { about: "workflow", outcome: "failed" },
      { about: "nothing", verdict: "ignored", reason: "unknown_status" },
    ]);
  });

  test("are the same wherever their results are kept", () => {
    const elsewhere = says("geo_audit", "completed", { bodyId: "whd_1.again" });
    expect(isSameReading(readingOf([report]), readingOf([elsewhere]))).toBe(true);
  });

  test("are the same in whatever order their members were written", () => {
    const shuffled: Reading[] = [
      {
        result: {
          ...{ reportedAt: null, recommendations: 2, insights: 3, confidence: 0.9, family: "shared", sha256: "aa" },
          bytes: 2,
        },
        isCredentialRefused: false,
        outcome: "completed",
        agentId: "geo_audit",
        about: "agent",
      },
      { outcome: "failed", about: "workflow" },
    ];
    const reading = readingOf([report, workflowSays("failed")]);
    expect(JSON.stringify(shuffled)).not.toBe(JSON.stringify(reading));
    expect(isSameReading(reading, shuffled)).toBe(true);
  });

  test.each<[string, Report]>([
    ["outcome", says("geo_audit", "failed")],
    ["agent", says("content_review", "completed")],
    ["confidence", says("geo_audit", "completed", { confidence: 0.91 })],
    ["family", says("geo_audit", "completed", { family: "execution_results" })],
    ["content", says("geo_audit", "completed", { sha256: "ab" })],
    ["time", says("geo_audit", "completed", { reportedAt: at(1) })],
    ["credential", { ...says("geo_audit", "completed"), isCredentialRefused: true }],
    ["subject", workflowSays("completed")],
    ["meaning", means("ignored", "unknown_status")],
  ])("differ by their %s", (_what, other) => {
    expect(isSameReading(readingOf([report]), readingOf([other]))).toBe(false);
  });

  test("differ by how much was said, and in which order", () => {
    const other = workflowSays("failed");
    expect(isSameReading(readingOf([report]), readingOf([report, other]))).toBe(false);
    expect(isSameReading(readingOf([report, other]), readingOf([other, report]))).toBe(false);
    expect(isSameReading([], [])).toBe(true);
  });

  test("can be compared with the one that the log kept", () => {
    const [recorded] = fromOpal.and([10, deliver(report)]).log.filter((event) => event.type === "delivery_recorded");
    expect(isSameReading(recorded?.reading ?? [], readingOf([report]))).toBe(true);
  });
});
