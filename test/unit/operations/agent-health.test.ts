// How an agent's past reads, and that every suggestion follows from it.
import { describe, expect, test } from "vitest";
import { type AgentFacts, agentHealthAnswer } from "../../../src/operations/agent-health.ts";

const NOW = Date.parse("2026-01-05T09:00:00Z");
const SINCE = NOW - 24 * 60 * 60_000;

type History = AgentFacts["history"];
type Execution = NonNullable<History["last"]>["execution"];
type Failure = History["failures"][number];

const EMPTY: History = { byStatus: {}, last: null, failures: [] };

function execution(change: Partial<Execution> = {}): History["last"] {
  return {
    requestedAt: NOW - 1_000,
    execution: {
      ...{ workspace: "default", sessionId: "sync-1", agentId: "geo_audit", agentType: "data", executionOrder: 3 },
      ...{ status: "completed", startedAt: NOW - 900, completedAt: NOW - 100, durationMs: 800, confidence: 0.9 },
      ...{ isLate: false, isQuarantined: false, resultId: "whd_1.result", errorMessage: null, timeoutMs: 150_000 },
      ...{ retryCount: 0, maxRetries: 2, fallbackMethod: null, fallbackSessionId: null, fallbackConfidence: null },
      ...{ fallbackAt: null, seq: 9 },
      ...change,
    },
  };
}

function failure(change: Partial<Failure> = {}): Failure {
  return { sessionId: "sync-1", status: "failed", at: NOW - 100, reason: "reported_failure", ...change };
}

function answer(history: Partial<History>, isWorking = false) {
  const facts = { agentId: "geo_audit", isWorking, since: SINCE, limitMs: 150_000 } as const;
  return agentHealthAnswer({ ...facts, history: { ...EMPTY, ...history } });
}

describe("an agent", () => {
  test("of which nothing is known is available, without a rate and without advice", () => {
    expect(answer({})).toEqual({
      ...{ success: true, agent_id: "geo_audit", name: "GEO audit", status: "available", last_execution: null },
      ...{ success_rate_24h: null, success_rate_reason: expect.any(String), last_failures: [], suggestions: [] },
      executions_24h: { completed: 0, failed: 0, timed_out: 0, under_way: 0, skipped: 0 },
      limits: { timeout_ms: 150_000, usual_ms: 60_000, confidence_threshold: 0.85 },
    });
  });

  test("shows its last execution and the share that completed of those that ended", () => {
    const byStatus = { completed: 3, failed: 1, timed_out: 1, pending: 1, running: 1, rerunning: 1, skipped: 4 };
    expect(answer({ byStatus, last: execution() })).toMatchObject({
      status: "available",
      last_execution: { session_id: "sync-1", status: "completed", duration_ms: 800, confidence: 0.9 },
      ...{ success_rate_24h: 0.6, success_rate_reason: null, suggestions: [] },
      executions_24h: { completed: 3, failed: 1, timed_out: 1, under_way: 3, skipped: 4 },
    });
  });

  test.each([
    ["failed", false, "error"],
    ["timed_out", false, "error"],
    ["completed", false, "available"],
    ["failed", true, "busy"],
    ["running", true, "busy"],
  ] as const)("that last %s, at work %s, is %s", (status, isWorking, shown) => {
    expect(answer({ last: execution({ status }) }, isWorking).status).toBe(shown);
  });

  test("names why it failed, also where nobody gave a reason", () => {
    const failures = [failure(), failure({ status: "timed_out", reason: null, at: null })];
    expect(answer({ failures }).last_failures).toEqual([
      { session_id: "sync-1", at: "2026-01-05T08:59:59.900Z", reason: "reported_failure" },
      { session_id: "sync-1", at: null, reason: "timed_out" },
    ]);
  });
});

describe("a suggestion", () => {
  const timeout = failure({ status: "timed_out", reason: null });
  const reported = failure({ reason: "reported_timeout" });
  const invalid = failure({ reason: "invalid_result", sessionId: "sync-7" });
  const silent = failure({ reason: "no_result" });
  const old = { at: SINCE - 1 };

  test.each<[string, Failure[], readonly RegExp[]]>([
    ["one time-out", [timeout], []],
    ["two time-outs", [timeout, reported], [/timed out 2 times.*150000 ms.*timeout_override/]],
    ["two old time-outs", [failure({ ...timeout, ...old }), failure({ ...reported, ...old })], []],
    ["an invalid result", [invalid], [/A result .*results\/sync-7\/geo_audit/]],
    ["invalid results", [invalid, silent, invalid], [/2 results/]],
    ["silence, twice", [silent, silent], [/In 2 runs/]],
    ["failures that the agent reported", [failure(), failure(), failure()], []],
  ])("after %s", (_what, failures, expected) => {
    const { suggestions } = answer({ failures });
    expect(suggestions).toHaveLength(expected.length);
    for (const [index, pattern] of expected.entries()) expect(suggestions[index]).toMatch(pattern);
  });

  test("after a failure is to run what is missing again; nothing while it is at work", () => {
    const last = execution({ status: "failed", errorMessage: "reported_failure", confidence: null });
    expect(answer({ last }).suggestions).toEqual([expect.stringContaining("POST /api/force-sync/retry/sync-1")]);
    expect(answer({ last }, true).suggestions).toEqual([]);
  });

  test("after a refused credential is to resume", () => {
    const last = execution({ status: "failed", errorMessage: "credential_refused", confidence: null });
    expect(answer({ last }).suggestions).toEqual([expect.stringContaining("POST /api/force-sync/resume/sync-1")]);
  });

  test.each([
    [0.84, 1],
    [0.85, 0],
    [null, 0],
  ])("after a result with confidence %s: %i", (confidence, count) => {
    expect(answer({ last: execution({ confidence }) }).suggestions).toHaveLength(count);
  });
});
