// Starting the workflow at OPAL: what the outcome of a call means, and whether there is another one.
import { backoffMs, RETRY_POLICIES } from "../../platform/backoff.ts";
import type { Command } from "./commands.ts";
import type { Draft } from "./draft.ts";
import { end } from "./endings.ts";
import type { FailureClass } from "./events.ts";
import { isActive, type KnownRun, openAttempt } from "./state.ts";

/** Whether another attempt may help. A refusal that would only be repeated is final at once. */
const IS_RETRIABLE: Readonly<Record<FailureClass, boolean>> = {
  network_error: true,
  timeout_error: true,
  http_5xx: true,
  http_408: true,
  http_429: true,
  interrupted: true,
  http_auth: false,
  http_4xx: false,
  not_configured: false,
  redirected: false,
  aborted: false,
};

/** A sender that names ever new workflow ids must not make the state grow for ever. */
const REMOTE_IDS_LIMIT = 16;

export function callAnswered(draft: Draft, run: KnownRun, command: Extract<Command, { type: "call_answered" }>): void {
  const open = openAttempt(run);
  if (open === undefined) return;
  draft.add({ type: "attempt_accepted", attempt: open.attempt, httpStatus: command.httpStatus });
  if (command.remoteId !== null) bindOwnRemote(draft, command.remoteId, "answer");
  if (isActive(run) && run.cancelRequestedAt !== null) end(draft, "cancelled", "cancelled_by_operator");
}

/**
 * A remote id that came with an id of ours. A second one means that OPAL started two workflows for one request.
 */
export function bindOwnRemote(draft: Draft, remoteId: string, boundBy: "answer" | "correlation"): void {
  if (draft.run.status === "absent" || draft.run.remoteIds.includes(remoteId)) return;
  const known = draft.run.remoteIds.length;
  if (known < REMOTE_IDS_LIMIT) draft.add({ type: "remote_bound", remoteId, boundBy });
  if (known > 0) draft.add({ type: "double_started", remoteId });
}

export function callFailed(
  draft: Draft,
  run: KnownRun,
  failure: { failure: FailureClass; httpStatus: number | null; retryAfterMs: number; jitter: number },
): void {
  const open = openAttempt(run);
  if (open === undefined) return;
  const policy = RETRY_POLICIES.opal;
  // The run as earlier events of this decision left it: a cancel may have come before.
  const before = draft.active();
  const mayRetry =
    before?.status === "requested" &&
    before.cancelRequestedAt === null &&
    IS_RETRIABLE[failure.failure] &&
    open.attempt < policy.attempts;
  const wait = backoffMs(policy, open.attempt, failure.jitter, failure.retryAfterMs);
  draft.add({
    type: "attempt_failed",
    attempt: open.attempt,
    failure: failure.failure,
    httpStatus: failure.httpStatus,
    retryAt: mayRetry ? draft.now + wait : null,
  });
  const active = draft.active();
  if (active === undefined) return;
  if (active.cancelRequestedAt !== null) {
    end(draft, "cancelled", "cancelled_by_operator");
  } else if (active.status === "requested" && !mayRetry) {
    end(draft, "failed", IS_RETRIABLE[failure.failure] ? "opal_unreachable" : "opal_refused");
  }
}
