// How a run is, in the words of those who ask by OPAL's own entrance.
import type { FailedAgent } from "../sync/run/state.ts";
import type { AgentLabel, AgentView, RunView } from "../sync/run/view.ts";
import { estimateAnswer } from "../workspace/estimate-answers.ts";
import type { Expected } from "../workspace/learn.ts";
import type { QueuedSync } from "../workspace/overview.ts";

const RUN_STATUS = {
  requested: "running",
  running: "running",
  completed: "completed",
  partially_completed: "completed",
  failed: "failed",
  cancelled: "failed",
  timed_out: "timeout",
} as const satisfies Record<RunView["status"], string>;

const AGENT_STATUS = {
  waiting: "idle",
  running: "running",
  rerunning: "running",
  completed: "completed",
  failed: "failed",
  timed_out: "timeout",
  skipped: "idle",
} as const satisfies Record<AgentLabel, string>;

/** The reasons are the run's own, which travel as text. */
const FAILURE_WORDS: Readonly<Record<string, string>> = {
  reported_failure: "OPAL reported a failure.",
  reported_timeout: "OPAL reported a time-out.",
  no_result: "The agent gave no result.",
  invalid_result: "The result has a shape that nobody knows.",
  credential_refused: "A credential was refused to the agent.",
} satisfies Record<FailedAgent["reason"], string>;

/** A run by whichever id was asked for. `expected` is undefined for a run that is over. */
export function opalStatusAnswer(run: RunView, askedFor: string, expected: Expected | undefined) {
  const failed = run.agents.filter(({ state }) => state === "failed" || state === "timed_out");
  const estimate = expected && estimateAnswer(expected.estimate, expected.record);
  return {
    success: true as const,
    workflow_id: askedFor,
    session_id: run.sessionId,
    status: RUN_STATUS[run.status],
    ...(run.status === "partially_completed" ? { partial: true as const } : {}),
    ...(run.status === "cancelled" ? { cancelled: true as const } : {}),
    progress: {
      total_agents: run.expectedAgents,
      completed_agents: run.completedAgents,
      failed_agents: failed.length,
      progress_percentage: run.progressPercent,
      current_phase: Math.max(1, run.phase),
    },
    agents: Object.fromEntries(run.agents.map((agent) => [agent.id, opalAgent(agent)])),
    estimated_completion: estimate?.estimated_end.p50 ?? null,
    last_updated: new Date(run.updatedAt).toISOString(),
  };
}

/** A run that waits for another one to end: nothing of it has begun. */
export function opalQueuedAnswer(queued: QueuedSync, askedFor: string) {
  return {
    success: true as const,
    workflow_id: askedFor,
    session_id: queued.sessionId,
    status: "running" as const,
    queued: true as const,
    progress: { total_agents: 0, completed_agents: 0, failed_agents: 0, progress_percentage: 0, current_phase: 1 },
    agents: {},
    estimated_completion: null,
    last_updated: new Date(queued.queuedAt).toISOString(),
  };
}

/** What is not known is left out. */
function opalAgent(agent: AgentView) {
  const { startedAt, endedAt, fallback } = agent;
  const error = errorMessage(agent);
  return {
    status: AGENT_STATUS[agent.state],
    ...(startedAt === null ? {} : { start_time: new Date(startedAt).toISOString() }),
    ...(endedAt === null ? {} : { end_time: new Date(endedAt).toISOString() }),
    ...(startedAt === null || endedAt === null ? {} : { execution_time_ms: endedAt - startedAt }),
    ...(error === null ? {} : { error_message: error }),
    ...(fallback === null ? {} : { cached: true as const }),
  };
}

function errorMessage({ state, reason, limitMs }: AgentView): string | null {
  if (state === "timed_out") return `The agent gave no result within ${limitMs / 1000} s.`;
  if (state !== "failed") return null;
  return FAILURE_WORDS[reason ?? ""] ?? reason;
}
