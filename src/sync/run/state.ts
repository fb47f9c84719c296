// The run as a union by status: what is meaningless in a status does not exist in it.
import type { AgentId } from "../../opal/agents.ts";
import type { EndReason, EndStatus, FailureClass, ResultReference, RunRequest, Verdict } from "./events.ts";

/** Raised when `reduce` folds differently, so that cached states are folded anew. */
export const REDUCER_VERSION = 1;

export type Agent =
  | { readonly state: "waiting" }
  | { readonly state: "running"; readonly startedAt: number }
  | {
      readonly state: "completed";
      readonly startedAt: number | null;
      readonly endedAt: number;
      readonly result: ResultReference;
      /** It had already been given up when the result came. */
      readonly late: boolean;
    }
  | {
      readonly state: "failed";
      readonly startedAt: number | null;
      readonly endedAt: number;
      readonly reason: "reported_failure" | "reported_timeout" | "no_result";
      /** What the agent said about its failure, kept beside the log. */
      readonly result: ResultReference | null;
    }
  | {
      readonly state: "timed_out";
      readonly startedAt: number | null;
      readonly endedAt: number;
      readonly limitMs: number;
    };

/** One call to OPAL. */
export type Attempt =
  | { readonly state: "calling"; readonly attempt: number; readonly startedAt: number }
  | {
      readonly state: "failed";
      readonly attempt: number;
      readonly startedAt: number;
      readonly endedAt: number;
      readonly failure: FailureClass;
      readonly httpStatus: number | null;
      readonly retryAt: number | null;
    }
  | {
      readonly state: "accepted";
      readonly attempt: number;
      readonly startedAt: number;
      readonly endedAt: number;
      readonly httpStatus: number;
    };

export interface AttachedResult {
  readonly agentId: AgentId;
  readonly result: ResultReference;
  readonly at: number;
}

/** What every run has from its first event on. */
interface RunBase {
  /** Number of the last event folded in. */
  readonly seq: number;
  readonly request: RunRequest;
  readonly origin: "ours" | "foreign";
  readonly requestedAt: number;
  readonly updatedAt: number;
  readonly attempts: readonly Attempt[];
  readonly remoteIds: readonly string[];
  readonly doubleStarts: number;
  /** Only the agents this run asked for. */
  readonly agents: Readonly<Partial<Record<AgentId, Agent>>>;
  /** Agents that reported an end, whatever our clocks thought of them. Only grows. */
  readonly reportedEnds: readonly AgentId[];
  /** Highest phase in which an expected agent has given a sign of life; 0 before the first. Only grows. */
  readonly phase: 0 | 1 | 2 | 3;
  /** Results of agents nobody asked for: the last one of each. */
  readonly unrequested: readonly AttachedResult[];
  /** Deliveries in the log, by what became of them. Repeats never reach the log. */
  readonly deliveries: Readonly<Record<Verdict, number>>;
  readonly lastDeliveryAt: number | null;
}

export interface NoRun {
  readonly status: "absent";
  readonly seq: 0;
}

/** Asked for, not yet accepted by OPAL. */
export interface RequestedRun extends RunBase {
  readonly status: "requested";
  readonly cancelRequestedAt: number | null;
}

/** Accepted by OPAL. */
export interface RunningRun extends RunBase {
  readonly status: "running";
  readonly acceptedAt: number;
  readonly cancelRequestedAt: number | null;
  /** Set when OPAL says that the workflow is over, or the chain's last agent has reported. */
  readonly closingSince: number | null;
}

export interface EndedRun extends RunBase {
  readonly status: EndStatus;
  readonly acceptedAt: number | null;
  readonly endedAt: number;
  readonly reason: EndReason;
  /** Results that came after the end: the last one of each agent, and how many in all. */
  readonly attached: readonly AttachedResult[];
  readonly attachedCount: number;
}

export type ActiveRun = RequestedRun | RunningRun;
export type KnownRun = ActiveRun | EndedRun;
export type Run = NoRun | KnownRun;

export const NO_RUN: NoRun = { status: "absent", seq: 0 };

export function isActive(run: Run): run is ActiveRun {
  return run.status === "requested" || run.status === "running";
}

export function isEnded(run: Run): run is EndedRun {
  return run.status !== "absent" && !isActive(run);
}

/** The call to OPAL that has no outcome yet. */
export function openAttempt(run: KnownRun): Extract<Attempt, { state: "calling" }> | undefined {
  const last = run.attempts.at(-1);
  return last?.state === "calling" ? last : undefined;
}

/** When an agent ended in any way; undefined while it has not. */
export function endOf(agent: Agent): number | undefined {
  return agent.state === "waiting" || agent.state === "running" ? undefined : agent.endedAt;
}
