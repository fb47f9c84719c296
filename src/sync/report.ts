// What a session tells its workspace. Always the whole of it, so that only the newest has to arrive, in any order.
import { nextWakeUp } from "./run/deadlines.ts";
import type { KnownRun } from "./run/state.ts";
import { type RunView, viewRun } from "./run/view.ts";

/** A run in a list. */
export type RunSummary = Pick<
  RunView,
  | "sessionId"
  | "correlationId"
  | "workflowId"
  | "origin"
  | "scope"
  | "clientName"
  | "actor"
  | "status"
  | "reason"
  | "message"
  | "isOver"
  | "isCancelling"
  | "phase"
  | "progressPercent"
  | "completedAgents"
  | "expectedAgents"
  | "requestedAt"
  | "endedAt"
>;

export interface RunReport {
  readonly sessionId: string;
  readonly seq: number;
  readonly summary: RunSummary;
  readonly remoteIds: readonly string[];
  readonly isOver: boolean;
  /** Over, and everything it had to tell D1 has arrived there. */
  readonly isSettled: boolean;
  /** By when the session should have moved by itself, in ms since the epoch; past that the workspace pokes it. */
  readonly dueAt: number | null;
}

export function reportOf(run: KnownRun, isSettled: boolean): RunReport {
  const view = viewRun(run);
  return {
    sessionId: view.sessionId,
    seq: run.seq,
    summary: summarise(view),
    remoteIds: run.remoteIds,
    isOver: view.isOver,
    isSettled,
    dueAt: nextWakeUp(run) ?? null,
  };
}

export function summarise(view: RunView): RunSummary {
  const { sessionId, correlationId, workflowId, origin, scope, clientName, actor, status, reason, message } = view;
  const { isOver, isCancelling, phase, progressPercent, completedAgents, expectedAgents, requestedAt, endedAt } = view;
  return {
    ...{ sessionId, correlationId, workflowId, origin, scope, clientName, actor, status, reason, message },
    ...{ isOver, isCancelling, phase, progressPercent, completedAgents, expectedAgents, requestedAt, endedAt },
  };
}
