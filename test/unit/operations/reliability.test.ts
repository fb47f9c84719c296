// The numbers behind reliability: honest where there is nothing to count, and old data marked as such.
import { describe, expect, test } from "vitest";
import {
  isReliabilityEntry,
  type RecentRuns,
  type ReliabilityFacts,
  reliabilityHealth,
  reliabilityMetrics,
} from "../../../src/operations/reliability.ts";
import { OPAL_BREAKER } from "../../../src/platform/breaker.ts";
import type { RunSummary } from "../../../src/sync/report.ts";
import { LOG_TYPES } from "../../../src/workspace/log.ts";

const NOW = Date.parse("2026-01-05T09:00:00Z");

function summary(change: Partial<RunSummary> = {}): RunSummary {
  return {
    ...{ sessionId: "sync-1", correlationId: "force-sync-1", workflowId: "workflow-1", origin: "ours" },
    ...{ source: "force_sync", scope: "quick", clientName: "Acme", actor: "somebody", status: "completed" },
    ...{ reason: "all_agents_completed", message: "All agents completed.", isOver: true, isCancelling: false },
    ...{ isRetriable: false, isResumable: false, phase: 3, progressPercent: 100, completedAgents: 9 },
    ...{ expectedAgents: 9, requestedAt: NOW - 2_000, endedAt: NOW - 1_000, attempt: 1, retryOf: null },
    ...{ retriedAs: null, workingAgents: [], fallbacks: 0, remoteIds: [] },
    ...change,
  };
}

const NOTHING: RecentRuns = { byStatus: {}, averageDurationMs: null, escalated: [] };
const FACTS: ReliabilityFacts = {
  control: {
    breaker: { state: "closed", since: null, failures: 1, successes: 0, retryAt: null },
    switchedOff: null,
    rules: OPAL_BREAKER,
    calls: [{ sessionId: "sync-1", attempt: 2, verdict: "failure", at: NOW - 5 }],
    counters: { opal_calls_failure: 1, opal_calls_success: 4, breaker_opened: 2, syncs_granted: 3 },
  },
  runs: [],
  fallback: { lastGood: null, recent: [] },
  held: { total: 0, oldestSince: null },
  recent: NOTHING,
};

const health = (change: Partial<ReliabilityFacts> = {}) => reliabilityHealth({ ...FACTS, ...change }, NOW);
const metrics = (change: Partial<ReliabilityFacts> = {}) => reliabilityMetrics({ ...FACTS, ...change }, undefined, NOW);

describe("health", () => {
  test("shows the presets of retrying with their waits, and none that goes on for ever as a number", () => {
    const { presets } = health().components.retry;
    expect(presets.opal).toEqual({
      ...{ attempts: 4, base_ms: 2_000, max_ms: 30_000, factor: 2 },
      schedule: [
        { attempt: 1, wait_at_most_ms: 2_000 },
        { attempt: 2, wait_at_most_ms: 4_000 },
        { attempt: 3, wait_at_most_ms: 8_000 },
      ],
    });
    expect(presets.outbox?.attempts).toBeNull();
    expect(JSON.stringify(presets)).not.toContain("Infinity");
  });

  test("shows the breaker with its rules and its last calls", () => {
    expect(health()).toMatchObject({ overall: "healthy", components: { retry: { status: "healthy" } } });
    expect(health().components.breaker).toEqual({
      ...{ status: "healthy", state: "closed", since: null, retry_at: null, failures: 1, successes: 0 },
      rules: { failures: 3, successes: 2, open_ms: 30_000, window_ms: 300_000, probes: 1 },
      last_calls: [{ verdict: "failure", at: "2026-01-05T08:59:59.995Z", session_id: "sync-1", attempt: 2 }],
    });
  });

  test("is as bad as its worst part, and says which part that is", () => {
    const breaker = { ...FACTS.control.breaker, state: "open", since: NOW - 9, retryAt: NOW + 9 } as const;
    const answer = health({ control: { ...FACTS.control, breaker } });
    expect(answer).toMatchObject({
      overall: "unhealthy",
      components: {
        retry: { status: "healthy" },
        breaker: { status: "unhealthy", state: "open", retry_at: "2026-01-05T09:00:00.009Z" },
        alerting: { active: [{ code: "breaker_open", since: "2026-01-05T08:59:59.991Z" }] },
      },
    });
  });

  test("counts failures in a row among our own runs, cancelled ones apart", () => {
    const failed = summary({ status: "failed" });
    const runs = [failed, summary({ status: "cancelled" }), failed, summary({ origin: "foreign" }), failed, failed];
    expect(health({ runs: [...runs.slice(0, 5), summary()] })).toMatchObject({ overall: "degraded" });
    expect(health({ runs })).toMatchObject({ overall: "unhealthy", components: { retry: { status: "unhealthy" } } });
  });

  test("marks the last good run as cached, with its age", () => {
    const lastGood = { run: summary(), endedAt: NOW - 1_000, expiresAt: NOW + 60_000 };
    expect(health({ fallback: { lastGood, recent: [] } }).components.cache.fallback).toMatchObject({
      ...{ cached: true, session_id: "sync-1", age_ms: 1_000, expires_at: "2026-01-05T09:01:00.000Z" },
    });
    expect(health().components.cache.fallback).toBeNull();
  });
});

describe("metrics", () => {
  test.each([
    [{ completed: 2, partially_completed: 1, failed: 1 }, 0.75],
    [{ completed: 1, cancelled: 1, timed_out: 2 }, 0.25],
    [{ failed: 3 }, 0],
    [{ completed: 1, running: 5, triggered: 2 }, 1],
  ])("of runs %j have a success rate of %f", (byStatus, rate) => {
    const recent = { ...NOTHING, byStatus, averageDurationMs: 40_000 };
    expect(metrics({ recent })).toMatchObject({ success_rate: rate, success_rate_reason: null, runs_24h: byStatus });
  });

  test("have no success rate, and say why, when no run has ended or D1 does not answer", () => {
    const reason = { success_rate: null, success_rate_reason: expect.any(String) };
    expect(metrics({ recent: { ...NOTHING, byStatus: { running: 1 } } })).toMatchObject({ ...reason, unavailable: [] });
    const without = metrics({ recent: undefined });
    expect(without).toMatchObject({ ...reason, runs_24h: null, average_duration_ms: null });
    expect(without.unavailable).toContain("success_rate");
  });

  test("count alerts, calls, openings and stand-ins", () => {
    const runs = [summary({ status: "failed", fallbacks: 2 }), summary(), summary({ fallbacks: 1 })];
    expect(metrics({ runs, held: { total: 2, oldestSince: NOW - 600_000 } })).toMatchObject({
      ...{ overall_health: "degraded", active_alerts: 1, conditions: [{ code: "deliveries_waiting" }] },
      breaker: { opened: 2, half_opened: 0, closed: 0, calls: { success: 4, failure: 1, neutral: 0 } },
      cache: { last_good: null, runs_looked_at: 3, runs_with_fallback: 2, results_from_fallback: 3 },
      counters: { syncs_granted: 3 },
    });
  });

  test("name a run that called for people", () => {
    const recent = { ...NOTHING, escalated: ["sync-9"] };
    expect(metrics({ recent }).conditions).toMatchObject([{ code: "run_escalated" }]);
  });

  test("hold history only when asked", () => {
    const entry = { seq: 3, at: NOW, type: "breaker_opened", actor: "workspace", data: { from: "closed" } } as const;
    expect(metrics()).not.toHaveProperty("history");
    expect(reliabilityMetrics(FACTS, [entry], NOW).history).toEqual([{ ...entry, at: "2026-01-05T09:00:00.000Z" }]);
  });
});

test("history is about the breaker, the emergency switch and the lease", () => {
  const types = LOG_TYPES.filter((type) => isReliabilityEntry({ seq: 1, at: 1, type, actor: "a", data: {} }));
  expect(types.toSorted()).toEqual([
    ...["breaker_closed", "breaker_half_opened", "breaker_opened", "breaker_reset"],
    ...["lease_recovered", "lease_released", "session_lost", "switched_off", "switched_on"],
  ]);
});
