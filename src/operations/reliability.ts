// How far the service can be relied on right now, in the API's words. Pure.

import { previewSchedule, RETRY_POLICIES, type RetryPolicy } from "../platform/backoff.ts";
import type { BreakerRules } from "../platform/breaker.ts";
import { iso } from "../platform/iso.ts";
import type { RunSummary } from "../sync/report.ts";
import type { BreakerCall } from "../workspace/control-journal.ts";
import { type Fallback, failuresInARow } from "../workspace/fallback.ts";
import type { LogEntry } from "../workspace/log.ts";
import type { Control } from "../workspace/overview.ts";
import { type Condition, conditionsOf, type Health, healthOf } from "./conditions.ts";

/** Runs of the last 24 hours as D1 has them. */
export interface RecentRuns {
  readonly byStatus: Readonly<Record<string, number>>;
  readonly averageDurationMs: number | null;
  /** Sessions that called for people within the last hour. */
  readonly escalated: readonly string[];
}

export interface ReliabilityFacts {
  readonly control: Pick<Control, "breaker" | "switchedOff"> & {
    readonly rules: BreakerRules;
    readonly calls: readonly BreakerCall[];
    readonly counters: Readonly<Record<string, number>>;
  };
  /** Newest first. */
  readonly runs: readonly RunSummary[];
  readonly fallback: Fallback;
  readonly held: { readonly total: number; readonly oldestSince: number | null };
  /** Undefined while D1 does not answer. */
  readonly recent: RecentRuns | undefined;
}

export function reliabilityHealth(facts: ReliabilityFacts, now: number) {
  const conditions = currentConditions(facts, now);
  return {
    success: true as const,
    timestamp: iso(now),
    overall: healthOf(conditions),
    components: {
      retry: { status: healthBy(conditions, ["failures_in_a_row"]), presets: retryPresets() },
      breaker: {
        status: healthBy(conditions, ["breaker_open", "breaker_half_open"]),
        ...breakerAnswer(facts.control.breaker),
        rules: rulesAnswer(facts.control.rules),
        last_calls: facts.control.calls.map(({ verdict, at, sessionId, attempt }) => ({
          ...{ verdict, at: iso(at), session_id: sessionId, attempt },
        })),
      },
      cache: { fallback: lastGood(facts.fallback, now) },
      alerting: { active: conditions.map(conditionAnswer) },
    },
    unavailable: unavailable(facts),
  };
}

export function reliabilityMetrics(facts: ReliabilityFacts, history: readonly LogEntry[] | undefined, now: number) {
  const conditions = currentConditions(facts, now);
  const { counters, breaker } = facts.control;
  return {
    success: true as const,
    timestamp: iso(now),
    overall_health: healthOf(conditions),
    ...successAnswer(facts.recent),
    runs_24h: facts.recent?.byStatus ?? null,
    average_duration_ms: facts.recent?.averageDurationMs ?? null,
    active_alerts: conditions.length,
    conditions: conditions.map(conditionAnswer),
    breaker: {
      ...breakerAnswer(breaker),
      opened: counters.breaker_opened ?? 0,
      half_opened: counters.breaker_half_opened ?? 0,
      closed: counters.breaker_closed ?? 0,
      calls: {
        success: counters.opal_calls_success ?? 0,
        failure: counters.opal_calls_failure ?? 0,
        neutral: counters.opal_calls_neutral ?? 0,
      },
    },
    cache: {
      last_good: lastGood(facts.fallback, now),
      /** Of the latest runs, those in which an earlier result stood in for a missing one, and how many such results. */
      runs_looked_at: facts.runs.length,
      runs_with_fallback: facts.runs.filter((run) => run.fallbacks > 0).length,
      results_from_fallback: facts.runs.reduce((total, run) => total + run.fallbacks, 0),
    },
    counters,
    unavailable: unavailable(facts),
    ...(history ? { history: history.map((entry) => ({ ...entry, at: iso(entry.at) })) } : {}),
  };
}

/** Entries of the workspace's log that tell how the breaker, the emergency switch and the lease changed. */
export function isReliabilityEntry({ type }: LogEntry): boolean {
  return /^(breaker|switched|lease|session_lost)/.test(type);
}

function currentConditions(facts: ReliabilityFacts, now: number): Condition[] {
  const { control, runs, held, recent } = facts;
  const escalatedRuns = recent?.escalated ?? [];
  return conditionsOf({ control, failuresInARow: failuresInARow(runs), escalatedRuns, held }, now);
}

function healthBy(conditions: readonly Condition[], codes: readonly Condition["code"][]): Health {
  return healthOf(conditions.filter(({ code }) => codes.includes(code)));
}

function conditionAnswer({ code, health, since, message }: Condition) {
  return { code, health, since: since === null ? null : iso(since), message };
}

const ENDED = ["completed", "partially_completed", "failed", "timed_out", "cancelled"] as const;

function successAnswer(recent: RecentRuns | undefined) {
  if (recent === undefined) return { success_rate: null, success_rate_reason: "The read model does not answer." };
  const count = (status: (typeof ENDED)[number]) => recent.byStatus[status] ?? 0;
  const ended = ENDED.reduce((total, status) => total + count(status), 0);
  if (ended === 0) return { success_rate: null, success_rate_reason: "No run has ended in the last 24 hours." };
  return { success_rate: (count("completed") + count("partially_completed")) / ended, success_rate_reason: null };
}

/** Without D1 some facts are missing, and then this says so. */
function unavailable({ recent }: ReliabilityFacts): string[] {
  return recent === undefined ? ["success_rate", "runs_24h", "average_duration_ms", "run_escalated"] : [];
}

function retryPresets() {
  const policies: readonly (readonly [string, RetryPolicy])[] = Object.entries(RETRY_POLICIES);
  return Object.fromEntries(
    policies.map(([name, policy]) => [
      name,
      {
        // A policy that never gives up has no number.
        attempts: Number.isFinite(policy.attempts) ? policy.attempts : null,
        base_ms: policy.baseMs,
        max_ms: policy.maxMs,
        factor: policy.factor,
        schedule: previewSchedule(policy).map(({ attempt, waitAtMostMs }) => ({
          ...{ attempt, wait_at_most_ms: waitAtMostMs },
        })),
      },
    ]),
  );
}

function breakerAnswer({ state, since, retryAt, failures, successes }: Control["breaker"]) {
  return {
    state,
    since: since === null ? null : iso(since),
    retry_at: retryAt === null ? null : iso(retryAt),
    failures,
    successes,
  };
}

function rulesAnswer({ failures, successes, openMs, windowMs, probes }: BreakerRules) {
  return { failures, successes, open_ms: openMs, window_ms: windowMs, probes };
}

/** Old data, and marked as such wherever it is shown. */
function lastGood({ lastGood: good }: Fallback, now: number) {
  if (good === null) return null;
  const { run, endedAt, expiresAt } = good;
  return {
    cached: true as const,
    session_id: run.sessionId,
    sync_scope: run.scope,
    client_name: run.clientName,
    completed_agents: run.completedAgents,
    ended_at: iso(endedAt),
    age_ms: now - endedAt,
    expires_at: iso(expiresAt),
  };
}
