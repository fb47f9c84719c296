// What a run is waiting for, and until when. The object's single alarm is derived from here.
import type { AgentId } from "../../opal/agents.ts";
import type { PlannedAgent } from "./events.ts";
import { endOf, type KnownRun, openAttempt, type Run, type RunningRun } from "./state.ts";

export type Deadline =
  | { readonly what: "attempt"; readonly at: number }
  /** A call should have had its outcome by then; if nobody is making it any more, it was interrupted. */
  | { readonly what: "call"; readonly at: number; readonly attempt: number }
  | { readonly what: "agent"; readonly at: number; readonly agentId: AgentId; readonly limitMs: number }
  | { readonly what: "closing"; readonly at: number }
  | { readonly what: "inactivity"; readonly at: number }
  | { readonly what: "run"; readonly at: number };

/** Time for the outcome of a call to be written after the call itself has been given up. */
const CALL_MARGIN_MS = 5_000;

export function deadlines(run: Run): readonly Deadline[] {
  if (run.status === "absent") return [];
  // A run that is being cancelled waits for its call and for nothing else.
  const isWaited = run.status === "running" && run.cancelRequestedAt === null;
  return [...callDeadlines(run), ...(isWaited ? runningDeadlines(run) : [])];
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

/**
 * When an agent's clock started: with its first sign of life, or earlier when the agent before it in the chain ended
 * (in parallel: when OPAL accepted the run). Undefined while it is not its turn.
 */
export function clockStart(run: RunningRun, agentId: AgentId): number | undefined {
  const { order, agents } = run.request.workflow;
  const index = agents.findIndex((agent) => agent.id === agentId);
  const agent = run.agents[agentId];
  if (agent === undefined) return undefined;
  const firstSign = agent.state === "waiting" ? undefined : (agent.startedAt ?? undefined);
  const turn = order === "parallel" || index === 0 ? run.acceptedAt : endOfAgent(run, agents[index - 1]);
  if (turn === undefined) return firstSign;
  return firstSign === undefined ? turn : Math.min(turn, firstSign);
}

function endOfAgent(run: RunningRun, planned: PlannedAgent | undefined): number | undefined {
  const agent = planned && run.agents[planned.id];
  return agent && endOf(agent);
}

function callDeadlines(run: KnownRun): Deadline[] {
  const open = openAttempt(run);
  if (open) {
    return [{ what: "call", at: open.startedAt + run.request.limits.callMs + CALL_MARGIN_MS, attempt: open.attempt }];
  }
  if (run.status !== "requested" || run.cancelRequestedAt !== null) return [];
  const last = run.attempts.at(-1);
  if (last === undefined) return [{ what: "attempt", at: run.requestedAt }];
  return last.state === "failed" && last.retryAt !== null ? [{ what: "attempt", at: last.retryAt }] : [];
}

function runningDeadlines(run: RunningRun): Deadline[] {
  const { limits, workflow } = run.request;
  const found: Deadline[] = [
    { what: "run", at: run.acceptedAt + limits.runMs },
    { what: "inactivity", at: Math.max(run.acceptedAt, run.lastDeliveryAt ?? 0) + limits.inactivityMs },
  ];
  if (run.closingSince !== null) found.push({ what: "closing", at: run.closingSince + limits.closingMs });
  for (const { id, limitMs } of workflow.agents) {
    const agent = run.agents[id];
    if (agent === undefined || endOf(agent) !== undefined) continue;
    const since = clockStart(run, id);
    if (since !== undefined) found.push({ what: "agent", at: since + limitMs, agentId: id, limitMs });
  }
  return found;
}
