// Refusing politely: who holds the lease, how far that run is, and when it will probably end. Pure.
import { AGENTS } from "../opal/agents.ts";
import type { Refusal } from "../platform/refusal.ts";
import type { RunSummary } from "../sync/report.ts";
import type { Estimate, EstimateRecord } from "./estimate.ts";
import { estimateAnswer } from "./estimate-answers.ts";

export interface Holder {
  readonly sessionId: string;
  /** Undefined while its session has not confirmed the start. */
  readonly summary: RunSummary | undefined;
  readonly estimate: Estimate;
  readonly record: EstimateRecord;
}

export function describeHolder({ sessionId, summary, estimate, record }: Holder): NonNullable<Refusal["members"]> {
  const statusUrl = `/api/force-sync/status/${sessionId}`;
  const ids = {
    active_session: sessionId,
    session_id: sessionId,
    status_url: statusUrl,
    page_url: `/engine/admin/runs/${sessionId}`,
  };
  if (summary === undefined) return { ...ids, ...estimateAnswer(estimate, record) };
  return {
    ...ids,
    state: summary.status,
    run_message: summary.message,
    progress: summary.progressPercent,
    current_agents: summary.workingAgents.map((id) => AGENTS[id].name),
    completed_agents: summary.completedAgents,
    expected_agents: summary.expectedAgents,
    started_at: new Date(summary.requestedAt).toISOString(),
    started_by: summary.actor,
    ...estimateAnswer(estimate, record),
  };
}
