// osa_retrieve_workflow_context: how a workflow is, and what its agents have found so far.
import { type AgentId, canonicalAgentId } from "../opal/agents.ts";
import type { RunView } from "../sync/run/view.ts";
import { type AgentResult, agentsOf, originAnswer, sourceOf } from "./run-results.ts";

/** The agents asked for, or all that have a result of their own; and names that are no agents of this run. */
export function agentsAskedFor(
  run: RunView,
  include: readonly string[] | undefined,
): { readonly agents: readonly AgentId[]; readonly unknown: readonly string[] } {
  const known = agentsOf(run);
  if (include === undefined || include.length === 0) {
    const agents = known.filter((id) => ["own", "late", "carried_over"].includes(sourceOf(run, id)?.origin ?? ""));
    return { agents, unknown: [] };
  }
  const named = new Set(include.map(canonicalAgentId));
  const unknown = include.filter((spelling) => !known.some((id) => id === canonicalAgentId(spelling)));
  return { agents: known.filter((id) => named.has(id)), unknown };
}

export function contextAnswer(run: RunView, results: readonly AgentResult[]) {
  return {
    progress: run.progressPercent,
    message: run.message,
    completed_agents: run.completedAgents,
    expected_agents: run.expectedAgents,
    agents: results.map(({ agentId, name, state, reason, source, summary }) => ({
      agent_id: agentId,
      name,
      state,
      reason,
      confidence: source?.confidence ?? null,
      summary,
      ...originAnswer(source),
    })),
  };
}
