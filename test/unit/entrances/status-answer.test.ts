// A run in the words of those who ask by OPAL's own entrance.
import { describe, expect, test } from "vitest";
import { opalStatusAnswer } from "../../../src/entrances/status-answer.ts";
import { viewRun } from "../../../src/sync/run/view.ts";
import {
  agentCompleted,
  agentFailed,
  agentStarted,
  agentTimedOut,
  at,
  ended,
  fallbackUsed,
  given,
  only,
  type Past,
  quarantined,
  requested,
  rerunRequested,
  running,
} from "../../support/node/given.ts";

const answer = (...past: readonly Past[]) => opalStatusAnswer(viewRun(given(...past).run()), "asked-for", undefined);
const agent = (...past: readonly Past[]) => answer(...running(), ...past).agents.geo_audit;
const iso = (seconds: number) => new Date(at(seconds)).toISOString();

test("a run is shown under the id that was asked for", () => {
  expect(answer([0, requested(only("geo_audit", "cmp_organizer"))])).toEqual({
    success: true,
    workflow_id: "asked-for",
    session_id: expect.stringMatching(/^sync-/),
    status: "running",
    progress: { total_agents: 2, completed_agents: 0, failed_agents: 0, progress_percentage: 0, current_phase: 1 },
    agents: { geo_audit: { status: "idle" }, cmp_organizer: { status: "idle" } },
    estimated_completion: null,
    last_updated: iso(0),
  });
});

describe("the run's status", () => {
  test.for([
    ["completed", "all_agents_completed", { status: "completed" }],
    ["partially_completed", "some_agents_completed", { status: "completed", partial: true }],
    ["failed", "no_agent_completed", { status: "failed" }],
    ["cancelled", "cancelled_by_operator", { status: "failed", cancelled: true }],
    ["timed_out", "run_deadline", { status: "timeout" }],
  ] as const)("%s", ([status, reason, expected]) => {
    const {
      status: said,
      partial,
      cancelled,
    } = { partial: undefined, cancelled: undefined, ...answer(...running(), [9, ended(status, reason)]) };
    expect({ status: said, partial, cancelled }).toEqual({ partial: undefined, cancelled: undefined, ...expected });
  });

  test("running", () => {
    expect(answer(...running()).status).toBe("running");
  });
});

test("progress counts results and failures apart, and never falls below the first phase", () => {
  const past: Past[] = [
    [5, agentCompleted("integration_health")],
    [6, agentFailed("content_review")],
    [7, agentTimedOut("geo_audit", 150_000)],
    [8, agentStarted("experiment_blueprinter")],
  ];
  expect(answer(...running()).progress.current_phase).toBe(1);
  expect(answer(...running(), ...past).progress).toEqual({
    ...{ total_agents: 9, completed_agents: 1, failed_agents: 2, progress_percentage: 22, current_phase: 2 },
  });
});

describe("an agent", () => {
  test("that works has a start", () => {
    expect(agent([5, agentStarted("geo_audit")])).toEqual({ status: "running", start_time: iso(5) });
  });

  test("that is done has its times", () => {
    expect(agent([5, agentStarted("geo_audit")], [9, agentCompleted("geo_audit")])).toEqual({
      ...{ status: "completed", start_time: iso(5), end_time: iso(9), execution_time_ms: 4_000 },
    });
  });

  test("that failed says why", () => {
    expect(agent([9, agentFailed("geo_audit")])).toEqual({
      ...{ status: "failed", end_time: iso(9), error_message: "OPAL reported a failure." },
    });
    expect(agent([9, quarantined("geo_audit")])).toMatchObject({
      ...{ status: "failed", error_message: "The result has a shape that nobody knows." },
    });
  });

  test("that took too long says how long it had, and that an earlier result stands in", () => {
    const past: Past[] = [
      [1, agentStarted("geo_audit")],
      [151, agentTimedOut("geo_audit", 150_000)],
      [151, fallbackUsed("geo_audit")],
    ];
    expect(agent(...past)).toMatchObject({
      ...{ status: "timeout", error_message: "The agent gave no result within 150 s.", cached: true },
    });
  });

  test("that runs once more is running, without an end and without an error", () => {
    const past: Past[] = [
      [1, agentStarted("geo_audit")],
      [151, agentTimedOut("geo_audit", 150_000)],
      [151, rerunRequested(1, ["geo_audit"])],
    ];
    expect(agent(...past)).toEqual({ status: "running", start_time: iso(1) });
    const invalid: Past[] = [
      [9, quarantined("geo_audit")],
      [9, rerunRequested(1, ["geo_audit"], "invalid_result")],
    ];
    expect(agent(...invalid)).toEqual({ status: "running" });
  });

  test("that the run ended without is idle", () => {
    expect(agent([9, ended("cancelled", "cancelled_by_operator")])).toEqual({ status: "idle" });
  });
});

test("the estimate is its even-odds moment, and nothing while there is none", () => {
  const run = viewRun(given(...running()).run());
  const record = { estimates: 0, endedByP50Share: null, endedByP90Share: null, medianErrorMs: null };
  const estimate = { known: true, p50At: at(60), p90At: at(90), basedOn: 3, isOverdue: false } as const;
  expect(opalStatusAnswer(run, "x", { estimate, record }).estimated_completion).toBe(iso(60));
  const unknown = { known: false, reason: "no_past_run" } as const;
  expect(opalStatusAnswer(run, "x", { estimate: unknown, record }).estimated_completion).toBeNull();
});
