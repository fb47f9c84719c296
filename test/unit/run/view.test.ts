// What the API and the dashboard show of a run, and the words for it.
import { describe, expect, test } from "vitest";
import { describeFailure, viewRun } from "../../../src/sync/run/view.ts";
import {
  agentCompleted,
  agentStarted,
  agentTimedOut,
  at,
  called,
  callFell,
  ended,
  given,
  minutes,
  type Past,
  quarantined,
  requested,
  rerunRequested,
  running,
} from "../../support/node/given.ts";

const view = (...past: readonly Past[]) => viewRun(given(...past).run());
const agent = (id: string, ...past: readonly Past[]) => view(...past).agents.find((shown) => shown.id === id);

describe("an agent", () => {
  test("that works is shown with its deadline", () => {
    expect(agent("integration_health", ...running(), [5, agentStarted("integration_health")])).toMatchObject({
      ...{ name: "Integration health", state: "running", startedAt: at(5), endedAt: null },
      ...{ deadlineAt: at(60), limitMs: 60_000, usualMs: 40_000, resultId: null },
    });
  });

  test("whose turn has not come has no deadline", () => {
    expect(agent("geo_audit", ...running())).toMatchObject({ state: "waiting", deadlineAt: null });
  });

  test("with a result is shown with its confidence and where to read it", () => {
    expect(agent("geo_audit", ...running(), [5, agentCompleted("geo_audit", { confidence: 0.85 })])).toMatchObject({
      ...{ state: "completed", endedAt: at(5), deadlineAt: null, confidence: 0.85 },
      ...{ isBelowThreshold: false, isLate: false, isQuarantined: false, resultId: "whd_1.result" },
    });
  });

  test("below its threshold is marked", () => {
    expect(agent("geo_audit", ...running(), [5, agentCompleted("geo_audit", { confidence: 0.84 })])).toMatchObject({
      isBelowThreshold: true,
    });
    expect(agent("geo_audit", ...running(), [5, agentCompleted("geo_audit", { confidence: null })])).toMatchObject({
      isBelowThreshold: false,
    });
  });

  test("of an unknown shape is marked as quarantined, and counts as failed", () => {
    expect(agent("geo_audit", ...running(), [5, quarantined("geo_audit", { bodyId: "whd_3.result" })])).toMatchObject({
      ...{ state: "failed", reason: "invalid_result", isQuarantined: true, confidence: null },
      resultId: "whd_3.result",
    });
  });

  test("of an unknown shape stays marked while it runs once more", () => {
    const again: Past[] = [
      [5, quarantined("geo_audit", { bodyId: "whd_3.result" })],
      [5, rerunRequested(1, ["geo_audit"], "invalid_result")],
    ];
    expect(agent("geo_audit", ...running(), ...again)).toMatchObject({
      ...{ state: "rerunning", reason: "invalid_result", isQuarantined: true, resultId: "whd_3.result" },
      ...{ endedAt: null, deadlineAt: null },
    });
  });

  test("that came late is marked", () => {
    const late: Past[] = [
      [60, agentTimedOut("integration_health", 60_000)],
      [70, agentCompleted("integration_health")],
    ];
    expect(agent("integration_health", ...running(), ...late)).toMatchObject({ state: "completed", isLate: true });
  });

  test("without a result when the run ended is shown as skipped", () => {
    const cancelled: Past[] = [
      [5, agentStarted("geo_audit")],
      [9, ended("cancelled", "cancelled_by_operator")],
    ];
    expect(agent("geo_audit", ...running(), ...cancelled)).toMatchObject({
      state: "skipped",
      startedAt: at(5),
      deadlineAt: null,
    });
    expect(agent("content_review", ...running(), ...cancelled)).toMatchObject({ state: "skipped", startedAt: null });
  });
});

describe("a run", () => {
  test("that was just requested is about to call", () => {
    expect(view([0, requested()])).toMatchObject({
      ...{ status: "requested", isOver: false, phase: 0, progressPercent: 0, completedAgents: 0, expectedAgents: 9 },
      ...{ acceptedAt: null, endedAt: null, deadlineAt: null, nextAttemptAt: at(0), attemptsAllowed: 4 },
      message: "Requested; OPAL is about to be called.",
    });
  });

  test("that calls says which attempt it is", () => {
    expect(view([0, requested()], [0, called(1)])).toMatchObject({
      nextAttemptAt: null,
      message: "Calling OPAL, attempt 1 of 4.",
    });
  });

  test("that waits for a retry says why and until when", () => {
    const waiting = view([0, requested()], [0, called(1)], [1, callFell(1, "http_5xx", 3, 503)]);
    expect(waiting).toMatchObject({
      nextAttemptAt: at(3),
      message: "Attempt 1 of 4 failed: OPAL answered with a server error (HTTP 503). Another one follows.",
    });
  });

  test("that runs names who works and when it must be over", () => {
    expect(view(...running())).toMatchObject({
      deadlineAt: at(minutes(30)),
      message: "OPAL accepted the run; waiting for an agent to report.",
    });
    expect(view(...running(), [5, agentStarted("geo_audit")]).message).toBe("Working: GEO audit.");
  });

  test("that is being cancelled says so", () => {
    const cancelling = view([0, requested()], [0, called(1)], [1, { type: "cancel_requested", actor: "operator" }]);
    expect(cancelling).toMatchObject({
      isCancelling: true,
      isOver: false,
      message: "Cancelling: waiting for the call to OPAL to end.",
    });
  });

  test("that was never started tells the last failure", () => {
    const refused: Past[] = [
      [0, called(1)],
      [1, callFell(1, "http_4xx", null, 422)],
      [1, ended("failed", "opal_refused")],
    ];
    expect(view([0, requested()], ...refused)).toMatchObject({
      ...{ status: "failed", reason: "opal_refused", isOver: true, endedAt: at(1), nextAttemptAt: null },
      message: "OPAL refused to start the workflow. Last attempt: OPAL refused the request (HTTP 422).",
    });
  });

  test("counts completed agents and the share that reported", () => {
    expect(view(...running(), [5, agentCompleted("geo_audit")])).toMatchObject({
      completedAgents: 1,
      progressPercent: 11,
    });
  });
});

test("a failure without an answer is told without a status", () => {
  expect(describeFailure("network_error", null)).toBe("OPAL could not be reached");
  expect(describeFailure("http_429", 429)).toBe("OPAL asked us to slow down (HTTP 429)");
});
