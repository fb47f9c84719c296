// state + command + now > events or a refusal. The rules of a run; nothing here has an effect.
import { refuse } from "../../platform/refusal.ts";
import type { Command } from "./commands.ts";
import { dueAttempt, overdue } from "./deadlines.ts";
import { deliver } from "./deliver.ts";
import { type Decision, Draft } from "./draft.ts";
import { confirmCancel, endIfAllAgentsEnded, expire } from "./endings.ts";
import { rerunAskedFor } from "./recovery.ts";
import { reprocess } from "./reprocess.ts";
import { attemptsFor, isActive, isEnded, type KnownRun, openAttempt, type Run } from "./state.ts";
import { callAnswered, callFailed } from "./trigger.ts";

/** The clocks of an edge and an object may differ by this much. */
const CLOCK_SKEW_MS = 2_000;

export function decide(run: Run, command: Command, now: number): Decision {
  const draft = new Draft(run, now);
  switch (command.type) {
    case "start":
      if (run.status === "absent") start(draft, command);
      return draft.decision();
    case "adopt":
      if (run.status === "absent") {
        draft.add({ type: "adopted", ...command.request, remoteId: command.remoteId }, "foreign_workflow", null);
      }
      return draft.decision();
    default:
      if (run.status === "absent") return refuse("session_not_found");
  }
  switch (command.type) {
    case "begin_attempt":
      return beginAttempt(draft, run);
    case "postpone":
      return postpone(draft, run, command);
    case "end_wait":
      if (isActive(run) && run.postponed !== null) {
        draft.add({ type: "wait_ended" }, "may_call_again", run.marks.attempt);
      }
      return draft.decision();
    case "call_answered":
      callAnswered(draft, run, command);
      return draft.decision();
    case "call_failed":
      callFailed(draft, run, command);
      return draft.decision();
    case "claim_remote":
      if (isActive(run) && run.remoteIds.length === 0 && mayBeOurs(run, command.since)) {
        const { remoteId } = command;
        draft.add(
          { type: "remote_bound", remoteId, boundBy: "only_active_run", rerun: null },
          "only_active_run",
          run.marks.attempt,
        );
      }
      return draft.decision();
    case "deliver":
      deliver(draft, run, command.delivery, command.reports);
      return draft.decision();
    case "cancel":
      return cancel(draft, run, command);
    case "rerun":
      return rerunAskedFor(draft, run, command);
    case "mark_retried":
      return markRetried(draft, run, command);
    case "reprocess":
      for (const delivery of command.deliveries) reprocess(draft, delivery, command.actor);
      endIfAllAgentsEnded(draft);
      return draft.decision();
    case "wake":
      return wake(draft, run, command);
    default:
      return unreachable(command);
  }
}

/** A run that was withdrawn while it waited for its turn begins and ends at once, so that it is in the history. */
function start(draft: Draft, { request, withdrawnBy }: Extract<Command, { type: "start" }>): void {
  const requested = draft.add({ type: "requested", ...request }, "granted", null);
  if (withdrawnBy === null) return;
  const asked = draft.add({ type: "cancel_requested", actor: withdrawnBy }, "asked_for", requested);
  draft.add({ type: "ended", status: "cancelled", reason: "withdrawn_from_queue" }, "withdrawn", asked);
}

/** Nothing that OPAL spoke of before our first call can be ours. */
function mayBeOurs(run: KnownRun, since: number): boolean {
  const firstCall = run.attempts[0];
  return firstCall !== undefined && since + CLOCK_SKEW_MS >= firstCall.startedAt;
}

function unreachable(command: never): never {
  throw new TypeError(`no rule for ${JSON.stringify(command)}`);
}

function beginAttempt(draft: Draft, run: KnownRun): Decision {
  const due = dueAttempt(run, draft.now);
  if (due) {
    const attempt = run.attempts.length + 1;
    draft.add({ type: "attempt_started", attempt, rerun: due.rerun }, "call_due", causeOfCall(run, due.rerun));
  }
  return draft.decision();
}

/** What it waited for; else the request or the re-run for the first call, and the failed call for every other one. */
function causeOfCall(run: KnownRun, rerun: number | null): number | null {
  const { attempt, wait, agents } = run.marks;
  if (wait !== null) return wait;
  if (attemptsFor(run, rerun).length > 0) return attempt;
  const agent = run.reruns.find((known) => known.rerun === rerun)?.agents[0];
  return (agent && agents[agent]) ?? 1;
}

/** Written down once for every time that the wait gets longer, so that a long wait does not fill the log. */
function postpone(draft: Draft, run: KnownRun, command: Extract<Command, { type: "postpone" }>): Decision {
  const due = dueAttempt(run, draft.now);
  const { until, because } = command;
  if (due && until > draft.now) {
    draft.add({ type: "attempt_postponed", until, because }, "call_not_allowed", causeOfCall(run, due.rerun));
  }
  return draft.decision();
}

/** Cancelling is confirmed at once, unless a call to OPAL is under way: then when that has ended. */
function cancel(draft: Draft, run: KnownRun, command: Extract<Command, { type: "cancel" }>): Decision {
  if (isEnded(run)) {
    return run.status === "cancelled" ? draft.decision() : refuse("run_ended", { members: { state: run.status } });
  }
  if (run.cancelRequestedAt === null) draft.add({ type: "cancel_requested", actor: command.actor }, "asked_for", null);
  if (openAttempt(run) && command.callInFlight) return draft.decision();
  return wake(draft, run, { type: "wake", callInFlight: false, jitter: command.jitter });
}

function markRetried(draft: Draft, run: KnownRun, command: Extract<Command, { type: "mark_retried" }>): Decision {
  const { bySessionId, attempt, how, actor } = command;
  const isKnown = isEnded(run) && run.retriedAs.some((retried) => retried.sessionId === bySessionId);
  if (isEnded(run) && !isKnown) draft.add({ type: "retried", bySessionId, attempt, how, actor }, "asked_for", null);
  return draft.decision();
}

function wake(draft: Draft, run: KnownRun, command: Extract<Command, { type: "wake" }>): Decision {
  if (openAttempt(run) && !command.callInFlight) {
    const interrupted = { failure: "interrupted", httpStatus: null, retryAfterMs: 0, credential: null } as const;
    callFailed(draft, run, { ...interrupted, jitter: command.jitter });
  }
  const active = draft.active();
  if (active && active.cancelRequestedAt !== null && !openAttempt(active)) confirmCancel(draft);
  for (const deadline of overdue(draft.run, draft.now)) {
    if (draft.active() === undefined) break;
    expire(draft, deadline);
  }
  endIfAllAgentsEnded(draft);
  return draft.decision();
}
