// How one agent has been doing, and what to do about it. Pure; every sentence follows from a fact.

import { AGENTS, type AgentId } from "../opal/agents.ts";
import { iso } from "../platform/iso.ts";
import type { agentHealth } from "../sync/store.ts";

type History = Awaited<ReturnType<typeof agentHealth>>;

export interface AgentFacts {
  readonly agentId: AgentId;
  /** In a run that has not ended. */
  readonly isWorking: boolean;
  /** Counts and rates since `since`; the last execution and failures are of any age. */
  readonly history: History;
  readonly since: number;
  /** How long it may work in a run started now, in ms. */
  readonly limitMs: number;
}

export function agentHealthAnswer(facts: AgentFacts) {
  const { agentId, history, limitMs } = facts;
  const { name, usualMs, confidenceThreshold } = AGENTS[agentId];
  const last = history.last?.execution;
  return {
    success: true as const,
    agent_id: agentId,
    name,
    status: statusOf(facts),
    last_execution: last
      ? {
          session_id: last.sessionId,
          status: last.status,
          started_at: iso(last.startedAt),
          ended_at: iso(last.completedAt),
          duration_ms: last.durationMs,
          confidence: last.confidence,
        }
      : null,
    ...successAnswer(history),
    executions_24h: {
      completed: runs(history, "completed"),
      failed: runs(history, "failed"),
      timed_out: runs(history, "timed_out"),
      under_way: runs(history, "running") + runs(history, "rerunning") + runs(history, "pending"),
      skipped: runs(history, "skipped"),
    },
    last_failures: history.failures.map((failure) => ({
      session_id: failure.sessionId,
      at: iso(failure.at),
      reason: reasonOf(failure),
    })),
    suggestions: suggestions(facts),
    limits: { timeout_ms: limitMs, usual_ms: usualMs, confidence_threshold: confidenceThreshold },
  };
}

function statusOf({ isWorking, history }: AgentFacts): "available" | "busy" | "error" {
  if (isWorking) return "busy";
  return hasFailedLast(history) ? "error" : "available";
}

function hasFailedLast({ last }: History): boolean {
  return last?.execution.status === "failed" || last?.execution.status === "timed_out";
}

function runs({ byStatus }: History, status: string): number {
  return byStatus[status] ?? 0;
}

function successAnswer(history: History) {
  const completed = runs(history, "completed");
  const ended = completed + runs(history, "failed") + runs(history, "timed_out");
  if (ended === 0) {
    return { success_rate_24h: null, success_rate_reason: "No execution of it ended in the last 24 hours." };
  }
  return { success_rate_24h: completed / ended, success_rate_reason: null };
}

type Failure = History["failures"][number];

function reasonOf({ status, reason }: Failure): string {
  return reason ?? status;
}

function isTimeout(failure: Failure): boolean {
  return failure.status === "timed_out" || failure.reason === "reported_timeout";
}

/** Once is chance. */
const OFTEN = 2;

function suggestions({ history, since, limitMs, agentId, isWorking }: AgentFacts): string[] {
  const recent = history.failures.filter(({ at }) => at !== null && at >= since);
  const timeouts = recent.filter(isTimeout).length;
  const invalid = recent.filter(({ reason }) => reason === "invalid_result");
  const silent = recent.filter(({ reason }) => reason === "no_result").length;
  return [
    ...(timeouts >= OFTEN
      ? [`It timed out ${timeouts} times in 24 hours; give it more than ${limitMs} ms with \`timeout_override\`.`]
      : []),
    ...(invalid[0]
      ? [
          `${invalid.length === 1 ? "A result" : `${invalid.length} results`} of the last 24 hours had a shape nobody knows; ` +
            `see GET /api/force-sync/results/${invalid[0].sessionId}/${agentId}.`,
        ]
      : []),
    ...(silent >= OFTEN
      ? [`In ${silent} runs of the last 24 hours it reported no result at all; look at OPAL whether it is run.`]
      : []),
    ...(isWorking ? [] : lastSuggestions(history, agentId)),
  ];
}

/** What the last execution calls for. */
function lastSuggestions(history: History, agentId: AgentId): string[] {
  const last = history.last?.execution;
  if (last === undefined) return [];
  const { sessionId, errorMessage, confidence } = last;
  if (hasFailedLast(history) && errorMessage === "credential_refused") {
    return [`A credential was refused; put it right, then POST /api/force-sync/resume/${sessionId}.`];
  }
  if (hasFailedLast(history)) {
    return [`Its last execution gave no result; POST /api/force-sync/retry/${sessionId} runs what is missing again.`];
  }
  const { confidenceThreshold } = AGENTS[agentId];
  if (confidence === null || confidence >= confidenceThreshold) return [];
  return [`Its last result has a confidence of ${confidence}, below the ${confidenceThreshold} expected of it.`];
}
