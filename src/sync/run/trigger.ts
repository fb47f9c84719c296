// Calling OPAL: what the outcome of a call means, and whether there is another one.
import { backoffMs, RETRY_POLICIES } from "../../platform/backoff.ts";
import type { Command, CredentialName } from "./commands.ts";
import type { Draft } from "./draft.ts";
import { confirmCancel, end, endRerun } from "./endings.ts";
import type { FailureClass } from "./events.ts";
import { credentialRefused } from "./recovery.ts";
import { attemptsFor, isActive, isRerunNeeded, type KnownRun, openAttempt, type Rerun } from "./state.ts";

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
const REMOTE_IDS_LIMIT = 32;

export function callAnswered(draft: Draft, run: KnownRun, command: Extract<Command, { type: "call_answered" }>): void {
  const open = openAttempt(run);
  if (open === undefined) return;
  const { attempt, rerun } = open;
  const { httpStatus, remoteId } = command;
  const accepted = draft.add({ type: "attempt_accepted", attempt, httpStatus }, "call_outcome", run.marks.attempt);
  if (remoteId !== null) bindAnswered(draft, remoteId, rerun, accepted);
  if (isActive(run) && run.cancelRequestedAt !== null) confirmCancel(draft);
}

/** The answer to a call names the workflow that this call started. A second one for one call was started twice. */
function bindAnswered(draft: Draft, remoteId: string, rerun: number | null, cause: number): void {
  const { run } = draft;
  if (run.status === "absent" || run.remoteIds.includes(remoteId)) return;
  const isBound =
    rerun === null ? isStartBound(run) : run.reruns.some((known) => known.rerun === rerun && known.remoteId);
  bind(draft, { remoteId, boundBy: "answer", rerun, isDouble: Boolean(isBound) }, cause);
}

/**
 * A workflow id that came with a correlation id of ours belongs to the start of the workflow, or to the first re-run
 * that was called and has none yet, one that is not over first; when every call has its workflow, OPAL started one too
 * many.
 */
export function bindCorrelated(draft: Draft, remoteId: string, cause: number): void {
  const { run } = draft;
  if (run.status === "absent" || run.remoteIds.includes(remoteId)) return;
  const rerun = rerunToBind(run, remoteId)?.rerun ?? null;
  bind(draft, { remoteId, boundBy: "correlation", rerun, isDouble: rerun === null && isStartBound(run) }, cause);
}

/** The re-run that an unknown workflow id with our correlation id belongs to. */
export function rerunToBind(run: KnownRun, remoteId: string): Rerun | undefined {
  if (run.remoteIds.includes(remoteId) || !isStartBound(run)) return undefined;
  const called = run.reruns.filter((known) => known.remoteId === null && attemptsFor(run, known.rerun).length > 0);
  return called.find((known) => !known.isOver) ?? called[0];
}

interface Binding {
  readonly remoteId: string;
  readonly boundBy: "answer" | "correlation";
  readonly rerun: number | null;
  readonly isDouble: boolean;
}

function bind(draft: Draft, { remoteId, boundBy, rerun, isDouble }: Binding, cause: number): void {
  const rule = boundBy === "answer" ? "answer_names_workflow" : "correlation_names_workflow";
  const known = draft.run.status === "absent" ? 0 : draft.run.remoteIds.length;
  // A double's id is kept as one of the run's own, but never takes the place of the one a re-run has.
  if (known < REMOTE_IDS_LIMIT) {
    draft.add({ type: "remote_bound", remoteId, boundBy, rerun: isDouble ? null : rerun }, rule, cause);
  }
  if (isDouble) draft.add({ type: "double_started", remoteId }, "one_workflow_per_call", cause);
}

function isStartBound(run: KnownRun): boolean {
  return run.remoteIds.some((remoteId) => !run.reruns.some((rerun) => rerun.remoteId === remoteId));
}

interface CallFailure {
  readonly failure: FailureClass;
  readonly httpStatus: number | null;
  readonly retryAfterMs: number;
  readonly credential: CredentialName | null;
  readonly jitter: number;
}

export function callFailed(draft: Draft, run: KnownRun, call: CallFailure): void {
  const open = openAttempt(run);
  if (open === undefined) return;
  const { failure, httpStatus, retryAfterMs, jitter } = call;
  const policy = RETRY_POLICIES.opal;
  const made = attemptsFor(run, open.rerun).length;
  // The run as earlier events of this decision left it: a cancel may have come before.
  const mayRetry = isStillWanted(draft, open.rerun) && IS_RETRIABLE[failure] && made < policy.attempts;
  const retryAt = mayRetry ? draft.now + backoffMs(policy, made, jitter, retryAfterMs) : null;
  const rule = failure === "interrupted" ? "call_interrupted" : "call_outcome";
  const { attempt } = open;
  const failed = draft.add({ type: "attempt_failed", attempt, failure, httpStatus, retryAt }, rule, run.marks.attempt);
  const active = draft.active();
  if (active === undefined) return;
  if (active.cancelRequestedAt !== null) {
    confirmCancel(draft);
    return;
  }
  if (failure === "http_auth") {
    const { name, fingerprint } = call.credential ?? { name: "OPAL", fingerprint: null };
    credentialRefused(draft, { credential: name, fingerprint, httpStatus, agentId: null }, failed);
  }
  if (mayRetry) return;
  // A refused credential is used for no other re-run either; one that OPAL has taken already may still deliver.
  const over = failure === "http_auth" ? active.reruns.map(({ rerun }) => rerun) : [open.rerun];
  for (const rerun of over) if (rerun !== null) giveUpRerun(draft, rerun, failed);
  if (open.rerun === null && active.status === "requested") endUnstarted(draft, failure, failed);
}

function isStillWanted(draft: Draft, rerun: number | null): boolean {
  const active = draft.active();
  if (active === undefined || active.cancelRequestedAt !== null) return false;
  if (rerun === null) return active.status === "requested";
  const known = active.reruns.find((candidate) => candidate.rerun === rerun);
  return known !== undefined && known.acceptedAt === null && isRerunNeeded(active, known);
}

function giveUpRerun(draft: Draft, rerun: number, cause: number): void {
  const known = draft.active()?.reruns.find((candidate) => candidate.rerun === rerun);
  if (known === undefined || known.acceptedAt !== null) return;
  if (!known.isOver) endRerun(draft, known, "rerun_failed", cause);
}

function endUnstarted(draft: Draft, failure: FailureClass, cause: number): void {
  if (failure === "http_auth") end(draft, "failed", "credential_refused", "credential_refused", cause);
  else end(draft, "failed", IS_RETRIABLE[failure] ? "opal_unreachable" : "opal_refused", "retries_used_up", cause);
}
