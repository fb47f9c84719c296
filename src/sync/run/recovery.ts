// What is done for an agent that gave no usable result: the last valid one stands in, or the agent runs once more.
// Either way the agent stays failed until it has really delivered, and the run never counts it as completed.
import type { AgentId } from "../../opal/agents.ts";
import { type FieldError, refuse } from "../../platform/refusal.ts";
import type { Command } from "./commands.ts";
import type { Decision, Draft } from "./draft.ts";
import type { EventOf } from "./events.ts";
import { type ActiveRun, isEnded, isGivenUp, type KnownRun, type RunningRun } from "./state.ts";

/** How old the last valid result may be to stand in for a missing one, in ms. */
const FALLBACK_AGE_MS = 24 * 60 * 60_000;
/** What the confidence of a result that stands in is worth. */
const FALLBACK_CONFIDENCE = 0.8;
/** Re-runs of one agent in one run, whoever asked for them. */
export const RERUNS_PER_AGENT = 2;
/** Runs in a row in which an agent goes over its limit before people have to look at it. */
const TIMEOUTS_TO_ESCALATE = 3;
/** More than this share of a run's agents with invalid results is for people to look at. */
const INVALID_SHARE_TO_ESCALATE = 0.5;

/** Call when an agent went over its limit for the first time in this run; `cause` is the event that says so. */
export function recoverTimedOut(draft: Draft, agentId: AgentId, cause: number): void {
  const run = draft.active();
  if (run === undefined) return;
  const timeouts = (pastOf(run, agentId)?.timeoutsInARow ?? 0) + 1;
  if (timeouts >= TIMEOUTS_TO_ESCALATE) {
    const escalation = { type: "escalated", because: "agent_timeouts_in_a_row", agentId, count: timeouts } as const;
    draft.add(escalation, "three_timeouts_in_a_row", cause);
  }
  if (!useFallback(draft, agentId, cause)) {
    requestRerun(draft, { agentId, because: "agent_timed_out", isReduced: true }, "reduced_scope_retry", cause);
  }
}

/** Call when an agent's result was quarantined. */
export function recoverInvalid(draft: Draft, agentId: AgentId, cause: number): void {
  escalateInvalidResults(draft, cause);
  useFallback(draft, agentId, cause);
  requestRerun(draft, { agentId, because: "invalid_result", isReduced: false }, "rerun_after_invalid", cause);
}

/** Puts the last valid result in place of a missing one. Says whether there was one that is recent enough. */
export function useFallback(draft: Draft, agentId: AgentId, cause: number): boolean {
  const run = draft.active();
  const agent = run?.agents[agentId];
  if (run === undefined || agent === undefined || !isGivenUp(agent)) return false;
  if (agent.fallback !== null) return true;
  const last = pastOf(run, agentId)?.lastValid;
  if (!last || draft.now - last.at > FALLBACK_AGE_MS) return false;
  const { confidence } = last.result;
  const lowered = confidence === null ? null : Math.round(confidence * FALLBACK_CONFIDENCE * 10_000) / 10_000;
  draft.add(
    {
      type: "fallback_used",
      agentId,
      method: "cached_data",
      fromSessionId: last.sessionId,
      result: { ...last.result, confidence: lowered },
      resultAt: last.at,
    },
    "cached_result_first",
    cause,
  );
  return true;
}

interface AutomaticRerun {
  readonly agentId: AgentId;
  readonly because: "agent_timed_out" | "invalid_result";
  readonly isReduced: boolean;
}

function requestRerun(
  draft: Draft,
  { agentId, because, isReduced }: AutomaticRerun,
  rule: "reduced_scope_retry" | "rerun_after_invalid",
  cause: number,
): void {
  const run = draft.active();
  if (run === undefined || !mayCallAgain(run) || rerunsOf(run, agentId) > 0) return;
  const rerun = run.reruns.length + 1;
  draft.add({ type: "rerun_requested", rerun, agents: [agentId], because, actor: null, isReduced }, rule, cause);
}

/** A workflow of OPAL's own is never called; one that is being cancelled is not called any more. */
function mayCallAgain(run: ActiveRun): run is RunningRun {
  return run.origin === "ours" && run.status === "running" && run.cancelRequestedAt === null && run.credential === null;
}

function escalateInvalidResults(draft: Draft, cause: number): void {
  const run = draft.active();
  if (run === undefined || run.escalations.some((known) => known.because === "invalid_results")) return;
  const count = run.request.workflow.agents.filter(({ id }) => hasInvalidResult(run, id)).length;
  if (count <= run.request.workflow.agents.length * INVALID_SHARE_TO_ESCALATE) return;
  draft.add({ type: "escalated", because: "invalid_results", agentId: null, count }, "most_results_invalid", cause);
}

function hasInvalidResult(run: KnownRun, id: AgentId): boolean {
  const agent = run.agents[id];
  const given = agent?.state === "rerunning" ? agent.before : agent;
  return given?.state === "failed" && given.reason === "invalid_result";
}

/** A refused credential is for people to look at, at once; nothing is retried with it. */
export function credentialRefused(
  draft: Draft,
  refused: Omit<EventOf<"credential_refused">, "type">,
  cause: number,
): number {
  const known = draft.add({ type: "credential_refused", ...refused }, "credential_refused", cause);
  const { agentId } = refused;
  draft.add({ type: "escalated", because: "credential_refused", agentId, count: 1 }, "credential_refused", known);
  return known;
}

/** Somebody wants agents to run once more while the run is under way. */
export function rerunAskedFor(draft: Draft, run: KnownRun, command: Extract<Command, { type: "rerun" }>): Decision {
  if (isEnded(run)) {
    const detail = "Single agents can be run once more only while the run is under way; retry the run as a whole.";
    return refuse("run_ended", { detail, members: { state: run.status } });
  }
  if (run.status !== "running" || !mayCallAgain(run)) {
    return refuse("nothing_to_retry", {
      detail: "Agents can be run once more while OPAL is working on a run of ours.",
    });
  }
  const wanted = command.agents ?? run.request.workflow.agents.map(({ id }) => id).filter((id) => mayRerun(run, id));
  const errors = wanted.flatMap((id, index): FieldError[] => {
    const problem = whyNotRerun(run, id);
    return problem === undefined ? [] : [{ pointer: `/agents/${index}`, detail: problem }];
  });
  if (errors.length > 0) return refuse("validation_failed", { errors });
  if (wanted.length === 0) return refuse("nothing_to_retry", { detail: "No agent of this run has failed so far." });
  const rerun = run.reruns.length + 1;
  const { actor } = command;
  draft.add(
    { type: "rerun_requested", rerun, agents: inOrder(run, wanted), because: "asked_for", actor, isReduced: false },
    "asked_for",
    null,
  );
  return draft.decision();
}

/** As the chain runs them, each of them once. */
function inOrder(run: KnownRun, wanted: readonly AgentId[]): AgentId[] {
  return run.request.workflow.agents.map(({ id }) => id).filter((id) => wanted.includes(id));
}

function mayRerun(run: RunningRun, id: AgentId): boolean {
  return whyNotRerun(run, id) === undefined;
}

function whyNotRerun(run: RunningRun, id: AgentId): string | undefined {
  const agent = run.agents[id];
  if (agent === undefined) return "is not one of this run's agents";
  if (!isGivenUp(agent)) return `is ${agent.state}, not failed`;
  return rerunsOf(run, id) >= RERUNS_PER_AGENT ? `has been run again ${RERUNS_PER_AGENT} times already` : undefined;
}

export function rerunsOf(run: KnownRun, id: AgentId): number {
  return run.reruns.filter((rerun) => rerun.agents.includes(id)).length;
}

function pastOf(run: KnownRun, agentId: AgentId) {
  return run.request.agentPasts.find((past) => past.agentId === agentId);
}
