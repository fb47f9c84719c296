// What a run is waiting for, and until when. The object's single alarm is derived from here.
import type { AgentId } from "../../opal/agents.ts";
import type { PlannedAgent } from "./request.ts";
import {
  attemptsFor,
  endOf,
  isRerunNeeded,
  type KnownRun,
  openAttempt,
  type Rerun,
  type Run,
  type RunningRun,
  startOf,
} from "./state.ts";

export type Deadline =
  /** A call to OPAL is due: the start of the workflow (null), or a re-run of agents. */
  | { readonly what: "attempt"; readonly at: number; readonly rerun: number | null }
  /** A call should have had its outcome by then; if nobody is making it any more, it was interrupted. */
  | { readonly what: "call"; readonly at: number; readonly attempt: number }
  | { readonly what: "start"; readonly at: number }
  | { readonly what: "agent"; readonly at: number; readonly agentId: AgentId; readonly limitMs: number }
  | { readonly what: "closing"; readonly at: number }
  | { readonly what: "rerun_closing"; readonly at: number; readonly rerun: number }
  | { readonly what: "inactivity"; readonly at: number }
  | { readonly what: "run"; readonly at: number };

/** Time for the outcome of a call to be written after the call itself has been given up. */
const CALL_MARGIN_MS = 5_000;

export function deadlines(run: Run): readonly Deadline[] {
  if (run.status === "absent") return [];
  const open = openAttempt(run);
  const found: Deadline[] = open
    ? [{ what: "call", at: open.startedAt + run.request.limits.callMs + CALL_MARGIN_MS, attempt: open.attempt }]
    : [];
  // A run that is being cancelled waits for its call and for nothing else.
  if ((run.status !== "requested" && run.status !== "running") || run.cancelRequestedAt !== null) return found;
  if (!open) found.push(...attemptDeadlines(run));
  if (run.status === "running") found.push(...runningDeadlines(run));
  else if (!open) found.push({ what: "start", at: run.requestedAt + run.request.limits.startMs });
  return found;
}

/** When something is due next, in ms since the epoch; undefined when the run waits for nothing. */
export function nextWakeUp(run: Run): number | undefined {
  const times = deadlines(run).map((deadline) => deadline.at);
  return times.length === 0 ? undefined : Math.min(...times);
}

/** In the order in which they passed, so that a late wake-up decides like one on time. */
export function overdue(run: Run, now: number): readonly Deadline[] {
  return deadlines(run)
    .filter((deadline) => deadline.at <= now)
    .toSorted((a, b) => a.at - b.at);
}

/** The call that is due by `now`, if there is one. */
export function dueAttempt(run: Run, now: number): Extract<Deadline, { what: "attempt" }> | undefined {
  for (const deadline of deadlines(run)) if (deadline.what === "attempt" && deadline.at <= now) return deadline;
  return undefined;
}

/**
 * When an agent's clock started: with its first sign of life, or earlier when the agent before it in the chain ended
 * (in parallel: when OPAL accepted the run). Undefined while it is not its turn.
 */
export function clockStart(run: RunningRun, agentId: AgentId): number | undefined {
  const { order, agents } = run.request.workflow;
  const index = agents.findIndex((agent) => agent.id === agentId);
  const agent = run.agents[agentId];
  if (agent === undefined) return undefined;
  if (agent.state === "rerunning") return rerunClockStart(run, agentId, agent.rerun);
  const firstSign = startOf(agent) ?? undefined;
  const turn = order === "parallel" || index === 0 ? run.acceptedAt : handOver(run, agents[index - 1]);
  if (turn === undefined) return firstSign;
  return firstSign === undefined ? turn : Math.min(turn, firstSign);
}

function handOver(run: RunningRun, planned: PlannedAgent | undefined): number | undefined {
  const agent = planned && run.agents[planned.id];
  if (agent === undefined || agent.state === "waiting" || agent.state === "running") return undefined;
  return agent.state === "rerunning" ? agent.before.handedOverAt : agent.handedOverAt;
}

/** Within a re-run the agents follow each other like in the workflow itself. */
function rerunClockStart(run: RunningRun, agentId: AgentId, number: number): number | undefined {
  const rerun = run.reruns.find((candidate) => candidate.rerun === number);
  if (rerun === undefined || rerun.acceptedAt === null) return undefined;
  const before =
    run.request.workflow.order === "sequence" ? rerun.agents[rerun.agents.indexOf(agentId) - 1] : undefined;
  if (before === undefined) return rerun.acceptedAt;
  const end = rerun.ends[before];
  return end === undefined ? undefined : Math.max(end, rerun.acceptedAt);
}

function attemptDeadlines(run: KnownRun): Deadline[] {
  if (run.status === "requested") return attemptDeadline(run, null, run.requestedAt);
  const next = run.reruns.find((rerun) => isRerunNeeded(run, rerun) && rerun.acceptedAt === null);
  return next ? attemptDeadline(run, next.rerun, next.requestedAt) : [];
}

function attemptDeadline(run: KnownRun, rerun: number | null, firstAt: number): Deadline[] {
  const last = attemptsFor(run, rerun).at(-1);
  const dueAt = last === undefined ? firstAt : last.state === "failed" ? last.retryAt : null;
  return dueAt === null ? [] : [{ what: "attempt", at: Math.max(dueAt, run.postponed?.until ?? 0), rerun }];
}

function runningDeadlines(run: RunningRun): Deadline[] {
  const { limits, workflow } = run.request;
  const lastSign = Math.max(run.acceptedAt, run.lastDeliveryAt ?? 0);
  const found: Deadline[] = [
    { what: "run", at: run.acceptedAt + limits.runMs },
    { what: "inactivity", at: lastSign + limits.inactivityMs },
  ];
  // Agents that run once more have a time of their own.
  const isAnyExpected = Object.values(run.agents).some(({ state }) => state === "waiting" || state === "running");
  if (run.closingSince !== null && isAnyExpected) {
    found.push({ what: "closing", at: run.closingSince + limits.closingMs });
  }
  for (const { id, limitMs } of workflow.agents) {
    const agent = run.agents[id];
    if (agent === undefined || endOf(agent) !== undefined) continue;
    const since = clockStart(run, id);
    if (since !== undefined) found.push({ what: "agent", at: since + limitMs, agentId: id, limitMs });
  }
  for (const rerun of run.reruns) found.push(...rerunClosing(rerun, limits.closingMs));
  return found;
}

function rerunClosing(rerun: Rerun, closingMs: number): Deadline[] {
  if (rerun.isOver || rerun.closingSince === null) return [];
  return [{ what: "rerun_closing", at: rerun.closingSince + closingMs, rerun: rerun.rerun }];
}
