// How a run ends: by its agents, by a limit, or by a person.
import type { AgentId } from "../../opal/agents.ts";
import type { Deadline } from "./deadlines.ts";
import type { Draft } from "./draft.ts";
import type { EndReason, EndStatus } from "./events.ts";
import { recoverTimedOut, useFallback } from "./recovery.ts";
import type { RuleId } from "./rules.ts";
import { endOf, isRerunning, type KnownRun, type Rerun, type RunningRun } from "./state.ts";

/** Ends the run once; a run that has ended stays as it is. */
export function end(draft: Draft, status: EndStatus, reason: EndReason, rule: RuleId, cause: number | null): void {
  if (draft.active()) draft.add({ type: "ended", status, reason }, rule, cause);
}

export function confirmCancel(draft: Draft): void {
  const cause = draft.active()?.marks.cancel ?? null;
  end(draft, "cancelled", "cancelled_by_operator", "cancel_confirmed", cause);
}

export function endIfAllAgentsEnded(draft: Draft): void {
  const run = draft.active();
  if (run === undefined || run.status !== "running" || run.cancelRequestedAt !== null) return;
  const agents = expectedAgents(run);
  if (!agents.every((agent) => endOf(agent) !== undefined)) return;
  const completed = agents.filter((agent) => agent.state === "completed").length;
  // The event that the last agent to end rests on.
  const cause = Math.max(1, ...Object.values(run.marks.agents));
  if (completed === agents.length) end(draft, "completed", "all_agents_completed", "all_ended", cause);
  else if (completed > 0) end(draft, "partially_completed", "some_agents_completed", "all_ended", cause);
  else end(draft, "failed", "no_agent_completed", "all_ended", cause);
}

/** What the run ends with when it is stopped: what has been completed makes it partial. */
export function stoppedStatus(run: KnownRun, otherwise: EndStatus): EndStatus {
  return expectedAgents(run).some((agent) => agent.state === "completed") ? "partially_completed" : otherwise;
}

/** Carries out what a deadline that has passed means. A call that is under way has a time-out of its own. */
export function expire(draft: Draft, deadline: Deadline): void {
  switch (deadline.what) {
    case "agent":
      expireAgent(draft, deadline.agentId, deadline.limitMs);
      endIfAllAgentsEnded(draft);
      return;
    case "closing":
      expireClosing(draft);
      return;
    case "rerun_closing":
      expireRerun(draft, deadline.rerun);
      return;
    case "start":
      end(draft, "failed", "start_deadline", "start_limit", draft.active()?.marks.attempt ?? 1);
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

function expireAgent(draft: Draft, agentId: AgentId, limitMs: number): void {
  const run = draft.active();
  const agent = run?.agents[agentId];
  if (run?.status !== "running" || agent === undefined || endOf(agent) !== undefined) return;
  const isRerun = agent.state === "rerunning";
  const rule = isRerun ? "rerun_failed" : "agent_limit";
  const timedOut = draft.add({ type: "agent_timed_out", agentId, limitMs }, rule, causeOfClock(run, agentId));
  if (!isRerun) recoverTimedOut(draft, agentId, timedOut);
}

/** What started the agent's clock: its own first sign of life, the end of the one before it, or acceptance. */
function causeOfClock(run: RunningRun, agentId: AgentId): number | null {
  const own = run.marks.agents[agentId];
  if (own !== undefined) return own;
  const { order, agents } = run.request.workflow;
  const before = order === "sequence" ? agents[agents.findIndex(({ id }) => id === agentId) - 1] : undefined;
  return (before && run.marks.agents[before.id]) ?? run.marks.accepted;
}

/** An earlier deadline of the same wake-up may have ended it. */
function expireRerun(draft: Draft, rerun: number): void {
  const known = draft.active()?.reruns.find((candidate) => candidate.rerun === rerun);
  if (known === undefined || known.isOver) return;
  endRerun(draft, known, "closing_time", latestMark(draft));
}

/** Its agents are as they were before it; with them the run may have ended. */
export function endRerun(draft: Draft, { rerun, agents }: Rerun, rule: RuleId, cause: number | null): void {
  const { run } = draft;
  const waiting = run.status === "absent" ? [] : agents.filter((id) => isRerunning(run, id, rerun));
  draft.add({ type: "rerun_over", rerun, agents: waiting }, rule, cause);
  endIfAllAgentsEnded(draft);
}

function expireClosing(draft: Draft): void {
  const run = draft.active();
  if (run === undefined) return;
  const cause = run.marks.closing ?? latestMark(draft);
  for (const { id: agentId } of run.request.workflow.agents) {
    const state = run.agents[agentId]?.state;
    if (state !== "waiting" && state !== "running") continue;
    const gaveUp = draft.add({ type: "agent_gave_no_result", agentId }, "closing_time", cause);
    useFallback(draft, agentId, gaveUp);
  }
  endIfAllAgentsEnded(draft);
}

/** A limit of the run ends it with what there is: completed agents keep it partial, none make it timed out. */
function endByLimit(draft: Draft, reason: "inactivity" | "run_deadline"): void {
  const run = draft.active();
  if (run === undefined) return;
  const rule = reason === "inactivity" ? "inactivity_limit" : "run_limit";
  const cause = reason === "inactivity" ? (run.marks.delivery ?? run.marks.accepted) : run.marks.accepted;
  for (const { id: agentId, limitMs } of run.request.workflow.agents) {
    const agent = run.agents[agentId];
    if (agent === undefined || endOf(agent) !== undefined) continue;
    const timedOut = draft.add({ type: "agent_timed_out", agentId, limitMs }, rule, cause);
    useFallback(draft, agentId, timedOut);
  }
  end(draft, stoppedStatus(run, "timed_out"), reason, rule, cause);
}

function latestMark(draft: Draft): number | null {
  const run = draft.active();
  return run ? Math.max(1, run.marks.delivery ?? 0, ...Object.values(run.marks.agents)) : null;
}

export function expectedAgents(run: KnownRun) {
  return run.request.workflow.agents.flatMap(({ id }) => run.agents[id] ?? []);
}
