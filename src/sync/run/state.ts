// The run as a union by status: what is meaningless in a status does not exist in it.
import type { AgentId } from "../../opal/agents.ts";
import type { EndReason, EndStatus, EventOf, FailureClass, PostponedBecause, Verdict } from "./events.ts";
import type { ResultReference, RunRequest } from "./request.ts";

/** Raised when `reduce` folds differently, so that cached states are folded anew. */
export const REDUCER_VERSION = 2;

/** An earlier run's result that stands in for a missing one. */
export interface Fallback {
  readonly method: "cached_data";
  readonly fromSessionId: string;
  /** Its confidence is already lowered. */
  readonly result: ResultReference;
  readonly resultAt: number;
}

interface EndedAgent {
  readonly startedAt: number | null;
  readonly endedAt: number;
  /** When the next agent's turn in the chain began; a re-run ends later and does not move it. */
  readonly handedOverAt: number;
}

export interface CompletedAgent extends EndedAgent {
  readonly state: "completed";
  readonly result: ResultReference;
  /** It had already been given up when the result came. */
  readonly late: boolean;
  /** The re-run that brought the result; null for the workflow itself. */
  readonly rerun: number | null;
}

export interface FailedAgent extends EndedAgent {
  readonly state: "failed";
  readonly reason: "reported_failure" | "reported_timeout" | "no_result" | "invalid_result" | "credential_refused";
  /** What the agent handed over, kept beside the log; quarantined when the reason is an invalid result. */
  readonly result: ResultReference | null;
  readonly fallback: Fallback | null;
}

export interface TimedOutAgent extends EndedAgent {
  readonly state: "timed_out";
  readonly limitMs: number;
  readonly fallback: Fallback | null;
}

export type GivenUpAgent = FailedAgent | TimedOutAgent;

export type Agent =
  | { readonly state: "waiting" }
  | { readonly state: "running"; readonly startedAt: number }
  /** Given up, and running once more. */
  | { readonly state: "rerunning"; readonly rerun: number; readonly before: GivenUpAgent }
  | CompletedAgent
  | GivenUpAgent;

interface AttemptBase {
  readonly attempt: number;
  /** Which re-run of agents it asks for; null for the start of the workflow. */
  readonly rerun: number | null;
  readonly startedAt: number;
}

/** One call to OPAL. */
export type Attempt =
  | (AttemptBase & { readonly state: "calling" })
  | (AttemptBase & {
      readonly state: "failed";
      readonly endedAt: number;
      readonly failure: FailureClass;
      readonly httpStatus: number | null;
      readonly retryAt: number | null;
    })
  | (AttemptBase & { readonly state: "accepted"; readonly endedAt: number; readonly httpStatus: number });

/** Agents that are run once more by a call of their own. */
export interface Rerun {
  readonly rerun: number;
  readonly agents: readonly AgentId[];
  readonly because: EventOf<"rerun_requested">["because"];
  readonly actor: string | null;
  readonly isReduced: boolean;
  readonly requestedAt: number;
  readonly acceptedAt: number | null;
  readonly remoteId: string | null;
  /** Set when OPAL says that this re-run's workflow is over. */
  readonly closingSince: number | null;
  /** When each of its agents stopped running once more. What an agent was given up with tells an earlier end. */
  readonly ends: Readonly<Partial<Record<AgentId, number>>>;
  /** No more is expected of it. */
  readonly isOver: boolean;
}

export interface AttachedResult {
  readonly agentId: AgentId;
  readonly result: ResultReference;
  readonly at: number;
}

export interface Escalation {
  readonly because: EventOf<"escalated">["because"];
  readonly agentId: AgentId | null;
  readonly count: number;
  readonly at: number;
}

export interface RefusedCredential {
  readonly credential: string;
  readonly fingerprint: string | null;
  readonly httpStatus: number | null;
  readonly agentId: AgentId | null;
  readonly at: number;
}

export interface Postponement {
  readonly until: number;
  readonly because: PostponedBecause;
}

/** Sequence numbers of the events that later ones follow from. */
export interface Marks {
  readonly accepted: number | null;
  readonly attempt: number | null;
  /** What the call that is due now has waited for; null when it was not kept waiting. */
  readonly wait: number | null;
  readonly delivery: number | null;
  readonly closing: number | null;
  readonly cancel: number | null;
  readonly agents: Readonly<Partial<Record<AgentId, number>>>;
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
  /** The call that is due has to wait; null once one was made. */
  readonly postponed: Postponement | null;
  readonly remoteIds: readonly string[];
  readonly doubleStarts: number;
  /** Only the agents this run asked for. */
  readonly agents: Readonly<Partial<Record<AgentId, Agent>>>;
  readonly reruns: readonly Rerun[];
  /** Agents that reported an end, whatever our clocks thought of them. Only grows. */
  readonly reportedEnds: readonly AgentId[];
  /** Highest phase in which an expected agent has given a sign of life; 0 before the first. Only grows. */
  readonly phase: 0 | 1 | 2 | 3;
  /** Results of agents nobody asked for: the last one of each. */
  readonly unrequested: readonly AttachedResult[];
  /** Deliveries in the log, by what became of them. Repeats never reach the log. */
  readonly deliveries: Readonly<Record<Verdict, number>>;
  readonly lastDeliveryAt: number | null;
  readonly escalations: readonly Escalation[];
  readonly credential: RefusedCredential | null;
  readonly marks: Marks;
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

/** A run that repeats this one. */
export interface RetriedAs {
  readonly sessionId: string;
  readonly attempt: number;
  readonly how: "retry" | "resume";
  readonly actor: string;
  readonly at: number;
}

export interface EndedRun extends RunBase {
  readonly status: EndStatus;
  readonly acceptedAt: number | null;
  readonly endedAt: number;
  readonly reason: EndReason;
  /** Results that came after the end: the last one of each agent, and how many in all. */
  readonly attached: readonly AttachedResult[];
  readonly attachedCount: number;
  readonly retriedAs: readonly RetriedAs[];
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

/** The calls made for one purpose: a re-run, or the start of the workflow (null). */
export function attemptsFor(run: KnownRun, rerun: number | null): readonly Attempt[] {
  return run.attempts.filter((attempt) => attempt.rerun === rerun);
}

/** When an agent ended in any way; undefined while it has not. */
export function endOf(agent: Agent): number | undefined {
  return isOpen(agent) ? undefined : agent.endedAt;
}

/** Something may still come of it. */
export function isOpen(agent: Agent): agent is Exclude<Agent, EndedAgent> {
  return agent.state === "waiting" || agent.state === "running" || agent.state === "rerunning";
}

export function isGivenUp(agent: Agent): agent is GivenUpAgent {
  return agent.state === "failed" || agent.state === "timed_out";
}

/** Our clock gave it up, not its own word. */
export function isOutOfTime(agent: Agent): boolean {
  return agent.state === "timed_out" || (agent.state === "failed" && agent.reason === "no_result");
}

/** When the agent was first seen at work; null while it was not. */
export function startOf(agent: Agent): number | null {
  if (agent.state === "waiting") return null;
  return agent.state === "rerunning" ? agent.before.startedAt : agent.startedAt;
}

/** A re-run is worth a call while one of its agents still waits for it. */
export function isRerunNeeded(run: KnownRun, rerun: Rerun): boolean {
  return !rerun.isOver && rerun.agents.some((id) => isRerunning(run, id, rerun.rerun));
}

/** A call for the start or for a re-run is still to be made. */
export function isCallWanted(run: KnownRun): boolean {
  if (run.status === "requested") return true;
  return run.reruns.some((rerun) => rerun.acceptedAt === null && isRerunNeeded(run, rerun));
}

export function isRerunning(run: KnownRun, id: AgentId, rerun: number): boolean {
  const agent = run.agents[id];
  return agent?.state === "rerunning" && agent.rerun === rerun;
}

/** The re-run that a workflow id of OPAL's belongs to. */
export function rerunOfRemote(run: KnownRun, remoteId: string | null): Rerun | undefined {
  return remoteId === null ? undefined : run.reruns.find((rerun) => rerun.remoteId === remoteId);
}
