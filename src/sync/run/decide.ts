// state + command + now > events or a refusal. The rules of a run; nothing here has an effect.
import { refuse } from "../../platform/refusal.ts";
import type { Command } from "./commands.ts";
import { deadlines, overdue } from "./deadlines.ts";
import { deliver } from "./deliver.ts";
import { type Decision, Draft } from "./draft.ts";
import { end, endIfAllAgentsEnded, expire } from "./endings.ts";
import { isActive, isEnded, type KnownRun, openAttempt, type Run } from "./state.ts";
import { callAnswered, callFailed } from "./trigger.ts";

/** The clocks of an edge and an object may differ by this much. */
const CLOCK_SKEW_MS = 2_000;

export function decide(run: Run, command: Command, now: number): Decision {
  const draft = new Draft(run, now);
  switch (command.type) {
    case "start":
      if (run.status === "absent") draft.add({ type: "requested", ...command.request });
      return draft.decision();
    case "adopt":
      if (run.status === "absent") draft.add({ type: "adopted", ...command.request, remoteId: command.remoteId });
      return draft.decision();
    default:
      if (run.status === "absent") return refuse("session_not_found");
  }
  switch (command.type) {
    case "begin_attempt":
      return beginAttempt(draft, run);
    case "call_answered":
      callAnswered(draft, run, command);
      return draft.decision();
    case "call_failed":
      callFailed(draft, run, command);
      return draft.decision();
    case "claim_remote":
      if (isActive(run) && run.remoteIds.length === 0 && mayBeOurs(run, command.since)) {
        draft.add({ type: "remote_bound", remoteId: command.remoteId, boundBy: "only_active_run" });
      }
      return draft.decision();
    case "deliver":
      deliver(draft, run, command.delivery, command.reports);
      return draft.decision();
    case "cancel":
      return cancel(draft, run, command);
    case "wake":
      return wake(draft, run, command);
    default:
      return unreachable(command);
  }
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
  const isDue = deadlines(run).some((deadline) => deadline.what === "attempt" && deadline.at <= draft.now);
  if (isDue) draft.add({ type: "attempt_started", attempt: run.attempts.length + 1 });
  return draft.decision();
}

/** Cancelling is confirmed at once, unless a call to OPAL is under way: then when that has ended. */
function cancel(draft: Draft, run: KnownRun, command: Extract<Command, { type: "cancel" }>): Decision {
  if (isEnded(run)) {
    return run.status === "cancelled" ? draft.decision() : refuse("run_ended", { members: { state: run.status } });
  }
  if (run.cancelRequestedAt === null) draft.add({ type: "cancel_requested", actor: command.actor });
  if (openAttempt(run) && command.callInFlight) return draft.decision();
  return wake(draft, run, { type: "wake", callInFlight: false, jitter: command.jitter });
}

function wake(draft: Draft, run: KnownRun, command: Extract<Command, { type: "wake" }>): Decision {
  if (openAttempt(run) && !command.callInFlight) {
    callFailed(draft, run, { failure: "interrupted", httpStatus: null, retryAfterMs: 0, jitter: command.jitter });
  }
  const active = draft.active();
  if (active && active.cancelRequestedAt !== null && !openAttempt(active)) {
    end(draft, "cancelled", "cancelled_by_operator");
  }
  for (const deadline of overdue(draft.run, draft.now)) {
    if (draft.active() === undefined) break;
    expire(draft, deadline);
  }
  endIfAllAgentsEnded(draft);
  return draft.decision();
}
