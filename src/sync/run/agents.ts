// What events do to the agents of a run. Pure and total, like the rest of `reduce`.
import type { AgentId } from "../../opal/agents.ts";
import type { EventOf } from "./events.ts";
import type { ResultReference } from "./request.ts";
import {
  type Agent,
  type CompletedAgent,
  type FailedAgent,
  type GivenUpAgent,
  isGivenUp,
  isOpen,
  isOutOfTime,
  isRerunNeeded,
  isRerunning,
  type KnownRun,
  type Rerun,
  startOf,
} from "./state.ts";

type At = { readonly at: number };

export function started(run: KnownRun, id: AgentId, at: number): KnownRun {
  return withSignOfLife(
    withAgent(run, id, (agent) => {
      if (agent.state === "waiting") return { state: "running", startedAt: at };
      if (agent.state === "running" || agent.state === "rerunning") return agent;
      return { ...agent, startedAt: agent.startedAt ?? Math.min(at, agent.endedAt) };
    }),
    id,
  );
}

export function completed(run: KnownRun, event: EventOf<"agent_completed"> & At): KnownRun {
  return reportedEnd(
    withAgent(run, event.agentId, (agent) => completedAgent(agent, event)),
    event.agentId,
  );
}

export function failed(run: KnownRun, event: EventOf<"agent_failed" | "result_quarantined"> & At): KnownRun {
  const reason = event.type === "agent_failed" ? event.reason : "invalid_result";
  return reportedEnd(
    withAgent(run, event.agentId, (agent) => failedAgent(agent, { ...event, reason })),
    event.agentId,
  );
}

export function timedOut(run: KnownRun, { agentId, at, limitMs }: EventOf<"agent_timed_out"> & At): KnownRun {
  return withAgent(run, agentId, (agent) => {
    if (agent.state === "rerunning") return agent.before;
    if (!isOpen(agent)) return agent;
    const times = { startedAt: startOf(agent), endedAt: at, handedOverAt: at };
    return { state: "timed_out", ...times, limitMs, fallback: null };
  });
}

export function gaveNoResult(run: KnownRun, { agentId, at }: EventOf<"agent_gave_no_result"> & At): KnownRun {
  return withAgent(run, agentId, (agent) => {
    if (agent.state === "rerunning") return agent.before;
    if (!isOpen(agent)) return agent;
    const times = { startedAt: startOf(agent), endedAt: at, handedOverAt: at };
    return { state: "failed", ...times, reason: "no_result", result: null, fallback: null };
  });
}

export function fallbackUsed(run: KnownRun, event: EventOf<"fallback_used">): KnownRun {
  const { method, fromSessionId, result, resultAt } = event;
  const fallback = { method, fromSessionId, result, resultAt };
  return withAgent(run, event.agentId, (agent) => (isGivenUp(agent) ? { ...agent, fallback } : agent));
}

export function rerunRequested(run: KnownRun, event: EventOf<"rerun_requested"> & At): KnownRun {
  const { rerun, agents, because, actor, isReduced, at } = event;
  const times = { requestedAt: at, acceptedAt: null, closingSince: null, ends: {} };
  const next: KnownRun = {
    ...run,
    reruns: [...run.reruns, { rerun, agents, because, actor, isReduced, ...times, remoteId: null, isOver: false }],
  };
  return agents.reduce(
    (known: KnownRun, id) =>
      withAgent(known, id, (agent) => (isGivenUp(agent) ? { state: "rerunning", rerun, before: agent } : agent)),
    next,
  );
}

/** Whoever still waited for it is as before. */
export function rerunOver(run: KnownRun, rerun: number): KnownRun {
  const reruns = run.reruns.map((known) => (known.rerun === rerun ? { ...known, isOver: true } : known));
  const agents = { ...run.agents };
  for (const id of run.reruns.find((known) => known.rerun === rerun)?.agents ?? []) {
    const agent = run.agents[id];
    if (agent?.state === "rerunning" && isRerunning(run, id, rerun)) agents[id] = agent.before;
  }
  return { ...run, reruns, agents };
}

/** A re-run for which no agent waits any more is over. */
export function settleReruns(run: KnownRun, at: number): KnownRun {
  if (run.reruns.every((rerun) => rerun.isOver)) return run;
  return { ...run, reruns: run.reruns.map((rerun) => (rerun.isOver ? rerun : settled(run, rerun, at))) };
}

function settled(run: KnownRun, rerun: Rerun, at: number): Rerun {
  const ended = rerun.agents.filter((id) => !isRerunning(run, id, rerun.rerun) && rerun.ends[id] === undefined);
  const ends = { ...rerun.ends, ...Object.fromEntries(ended.map((id) => [id, at])) };
  return { ...rerun, ends, isOver: !isRerunNeeded(run, rerun) };
}

/** When a run ends, no agent of it is running once more. */
export function withoutReruns(run: KnownRun): KnownRun["agents"] {
  return Object.fromEntries(
    Object.entries(run.agents).map(([id, agent]) => [id, agent.state === "rerunning" ? agent.before : agent]),
  );
}

/** What an ended run's agent turned out to have reported, once its delivery was read again. */
export function corrected(run: KnownRun, event: EventOf<"agent_corrected"> & At): KnownRun {
  const { agentId, deliveryId, result, outcome, at } = event;
  const facts = { result, at, rerun: null };
  const reason =
    outcome === "quarantined" ? "invalid_result" : outcome === "failed" ? "reported_failure" : "reported_timeout";
  return withAgent(run, agentId, (agent) => {
    // A new reading takes the place of the old one; beside another delivery's result it counts like any report.
    const isOwn = restsOn(agent, deliveryId);
    if (agent.state === "completed" && isOwn) {
      return outcome === "completed" ? { ...agent, result } : failedAgent(asGivenUp(agent), { ...facts, reason });
    }
    if (outcome === "completed") return completedAgent(agent, facts);
    return failedAgent(agent.state === "failed" && isOwn ? { ...agent, result: null } : agent, { ...facts, reason });
  });
}

/** Whether the agent has its result from this delivery: results are kept under its id. */
export function restsOn(agent: Agent, deliveryId: string): boolean {
  const result = agent.state === "completed" || agent.state === "failed" ? agent.result : null;
  return result?.bodyId.startsWith(`${deliveryId}.`) ?? false;
}

function asGivenUp({ startedAt, endedAt, handedOverAt }: CompletedAgent): GivenUpAgent {
  const times = { startedAt, endedAt, handedOverAt };
  return { state: "failed", ...times, reason: "no_result", result: null, fallback: null };
}

function withAgent(run: KnownRun, id: AgentId, change: (agent: Agent) => Agent): KnownRun {
  const agent = run.agents[id];
  return agent === undefined ? run : { ...run, agents: { ...run.agents, [id]: change(agent) } };
}

interface Completion extends At {
  readonly result: ResultReference;
  readonly rerun: number | null;
}

function completedAgent(agent: Agent, { at, result, rerun }: Completion): CompletedAgent {
  if (agent.state === "completed") return isNewer(result, agent.result) ? { ...agent, result } : agent;
  const startedAt = startOf(agent);
  if (agent.state === "rerunning") {
    // From another workflow than the re-run's it is an earlier try that delivered after all.
    const { handedOverAt } = agent.before;
    const late = rerun !== agent.rerun && isOutOfTime(agent.before);
    return { state: "completed", startedAt, endedAt: at, handedOverAt, result, late, rerun };
  }
  return { state: "completed", startedAt, endedAt: at, handedOverAt: at, result, late: isOutOfTime(agent), rerun };
}

interface Failure extends Completion {
  readonly reason: FailedAgent["reason"];
}

function failedAgent(agent: Agent, failure: Failure): Agent {
  if (agent.state === "completed") return agent;
  // What an earlier try still says does not end the re-run.
  if (agent.state === "rerunning" && failure.rerun !== agent.rerun) {
    return { ...agent, before: asFailed(agent.before, failure) };
  }
  return asFailed(agent, failure);
}

function asFailed(agent: Exclude<Agent, CompletedAgent>, { at, reason, result }: Failure): FailedAgent {
  if (agent.state === "failed" && agent.result !== null) {
    return isNewer(result, agent.result) ? { ...agent, reason, result } : agent;
  }
  const before = agent.state === "rerunning" ? agent.before : isGivenUp(agent) ? agent : undefined;
  const handedOverAt = agent.state === "rerunning" ? agent.before.handedOverAt : at;
  const times = { startedAt: startOf(agent), endedAt: at, handedOverAt };
  return { state: "failed", ...times, reason, result, fallback: before?.fallback ?? null };
}

/**
 * Of two results of one agent the sender's newer one counts, in whatever order they arrive; but a report without any
 * result never replaces one.
 */
function isNewer(candidate: ResultReference, known: ResultReference): boolean {
  if ((candidate.family === "none") !== (known.family === "none")) return known.family === "none";
  const difference = (candidate.reportedAt ?? 0) - (known.reportedAt ?? 0);
  return difference === 0 ? candidate.sha256 > known.sha256 : difference > 0;
}

function withSignOfLife(run: KnownRun, id: AgentId): KnownRun {
  const planned = run.request.workflow.agents.find((agent) => agent.id === id);
  return planned === undefined || planned.phase <= run.phase ? run : { ...run, phase: planned.phase };
}

function reportedEnd(run: KnownRun, id: AgentId): KnownRun {
  const alive = withSignOfLife(run, id);
  return alive.agents[id] === undefined || alive.reportedEnds.includes(id)
    ? alive
    : { ...alive, reportedEnds: [...alive.reportedEnds, id] };
}
