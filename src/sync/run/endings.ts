// How a run ends: by its agents, by a limit, or by a person.
import type { Deadline } from "./deadlines.ts";
import type { Draft } from "./draft.ts";
import type { EndReason, EndStatus } from "./events.ts";
import { endOf, type KnownRun } from "./state.ts";

/** Ends the run once; a run that has ended stays as it is. */
export function end(draft: Draft, status: EndStatus, reason: EndReason): void {
  if (draft.active()) draft.add({ type: "ended", status, reason });
}

export function endIfAllAgentsEnded(draft: Draft): void {
  const run = draft.active();
  if (run === undefined || run.status !== "running" || run.cancelRequestedAt !== null) return;
  const agents = expectedAgents(run);
  if (!agents.every((agent) => endOf(agent) !== undefined)) return;
  const completed = agents.filter((agent) => agent.state === "completed").length;
  if (completed === agents.length) end(draft, "completed", "all_agents_completed");
  else if (completed > 0) end(draft, "partially_completed", "some_agents_completed");
  else end(draft, "failed", "no_agent_completed");
}

/** Carries out what a deadline that has passed means. A call that is under way has a time-out of its own. */
export function expire(draft: Draft, deadline: Deadline): void {
  switch (deadline.what) {
    case "agent":
      draft.add({ type: "agent_timed_out", agentId: deadline.agentId, limitMs: deadline.limitMs });
      endIfAllAgentsEnded(draft);
      return;
    case "closing":
      for (const agentId of unendedAgents(draft)) draft.add({ type: "agent_gave_no_result", agentId });
      endIfAllAgentsEnded(draft);
      return;
    case "inactivity":
    case "run":
      endByLimit(draft, deadline.what === "run" ? "run_deadline" : "inactivity");
      return;
    case "attempt":
    case "call":
      return;
  }
}

/** A limit of the run ends it with what there is: completed agents keep it partial, none make it timed out. */
function endByLimit(draft: Draft, reason: "inactivity" | "run_deadline"): void {
  const run = draft.active();
  if (run === undefined) return;
  for (const { id, limitMs } of run.request.workflow.agents) {
    const agent = run.agents[id];
    if (agent && endOf(agent) === undefined) draft.add({ type: "agent_timed_out", agentId: id, limitMs });
  }
  const hasResult = expectedAgents(run).some((agent) => agent.state === "completed");
  end(draft, hasResult ? "partially_completed" : "timed_out", reason);
}

function unendedAgents(draft: Draft) {
  const run = draft.active();
  if (run === undefined) return [];
  return run.request.workflow.agents
    .map((agent) => agent.id)
    .filter((id) => {
      const agent = run.agents[id];
      return agent !== undefined && endOf(agent) === undefined;
    });
}

function expectedAgents(run: KnownRun) {
  return run.request.workflow.agents.flatMap(({ id }) => run.agents[id] ?? []);
}
