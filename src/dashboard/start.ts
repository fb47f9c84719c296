// Starting a run, in whichever way: one intent, one Idempotency-Key, however often it has to be sent. All buttons that
// start something share this, so that no two of them are under way at once.
import { computed, effect, signal } from "@preact/signals";
import type { SYNC_SCOPES } from "../sync/plan.ts";
import { runAddress } from "./address.ts";
import type { Problem } from "./api.ts";
import { type Block, blockOf } from "./control-words.ts";
import { type Holder, holderOf } from "./holder.ts";
import { goTo } from "./location.ts";
import { serverNow } from "./server-time.ts";
import { ask } from "./session.ts";
import { type ActiveRun, activeRun, overview, view } from "./state.ts";

export type Scope = (typeof SYNC_SCOPES)[number];

/** What somebody wants to be started. */
export type Wish =
  | { readonly what: "sync"; readonly scope: Scope }
  | { readonly what: "retry"; readonly sessionId: string; readonly isFailedOnly: boolean }
  | { readonly what: "resume"; readonly sessionId: string; readonly isCredentialConfirmed: boolean };

interface Intent {
  readonly key: string;
  readonly wish: Wish;
  /** Another run has to end first, and this one may wait for that. */
  readonly mayWait: boolean;
}

/** Of the server's answer, what is of use here. */
interface StartAnswer {
  readonly session_id: string;
  readonly state: "requested" | "queued";
}

export type Start =
  | { readonly state: "idle" }
  | { readonly state: "sending"; readonly intent: Intent }
  /** Answered; until the overview knows the run, the button must not offer another one. */
  | { readonly state: "sent"; readonly sessionId: string }
  /** Another run is in the way. While `isAskingToWait`, this one is being asked to wait for its end. */
  | { readonly state: "busy"; readonly intent: Intent; readonly holder: Holder; readonly isAskingToWait: boolean }
  /** It waits for its turn; until the overview knows that, the notice says so. */
  | { readonly state: "queued"; readonly sessionId: string }
  | { readonly state: "failed"; readonly intent: Intent; readonly problem: Problem };

export const start = signal<Start>({ state: "idle" });
export const chosenScope = signal<Scope>("quick");

export type SyncButton =
  | { readonly state: "ready" }
  | { readonly state: "starting" }
  | ({ readonly state: "running" } & ActiveRun)
  | { readonly state: "cancelling" }
  | { readonly state: "blocked"; readonly block: Block };

export const syncButton = computed<SyncButton>(() => {
  if (isNewSync(start.value)) return { state: "starting" };
  const active = activeRun.value;
  if (active?.isCancelling) return { state: "cancelling" };
  if (active !== null && active.expectedAgents > 0) return { state: "running", ...active };
  if (active !== null || isStarting.value || isUnheardOf(start.value)) return { state: "starting" };
  const block = overview.value === null ? null : blockOf(overview.value, serverNow.value);
  return block === null ? { state: "ready" } : { state: "blocked", block };
});

/** A new sync is being asked for, which nothing is known of yet. */
export function isNewSync(given: Start): boolean {
  return given.state === "sending" && given.intent.wish.what === "sync";
}

/** Something is being asked for, so nothing else can be. */
export const isStarting = computed(() => {
  const { value } = start;
  return value.state === "sending" || (value.state === "busy" && value.isAskingToWait);
});

function isUnheardOf(given: Start): boolean {
  if (given.state !== "sent") return false;
  const { sessionId } = given;
  return view.value?.sessionId !== sessionId && !overview.value?.runs.some((known) => known.sessionId === sessionId);
}

function isQueueKnown(given: Start): boolean {
  if (given.state !== "queued" || overview.value === null) return false;
  const { queued, activeSessionId, runs } = overview.value;
  const known = [queued?.sessionId, activeSessionId, ...runs.map((run) => run.sessionId)];
  return known.includes(given.sessionId);
}

/** Once a run is known it speaks for itself. */
export function startForgetting(): void {
  effect(() => {
    const { value } = start;
    if ((value.state === "sent" && !isUnheardOf(value)) || isQueueKnown(value)) start.value = { state: "idle" };
  });
}

/** Does nothing while a run is active or about to be, or while none may start. */
export function startSync(scope: Scope): void {
  if (syncButton.value.state === "ready") startRun({ what: "sync", scope });
}

/** Does nothing while something else is being asked for. */
export function startRun(wish: Wish): void {
  if (!isStarting.value) void send({ key: crypto.randomUUID(), wish, mayWait: false });
}

/** After the refusal because of another run: the same thing once more, a request of its own. */
export function startWhenEnded(): void {
  const { value } = start;
  if (value.state === "busy" && !value.isAskingToWait) void askToWait(value);
}

/** The same request again: if the first one did arrive after all, its run is the answer. */
export function tryAgain(): void {
  const { value } = start;
  if (mayTryAgain(value)) void send(value.intent);
}

/** A new sync has nothing to try again while the button does not offer one. */
export function mayTryAgain(given: Start): given is Extract<Start, { intent: Intent }> {
  if (given.state !== "failed" && given.state !== "busy") return false;
  if (isStarting.value) return false;
  const { wish, mayWait } = given.intent;
  return wish.what !== "sync" || mayWait || syncButton.value.state === "ready";
}

export function dismissStart(): void {
  if (start.value.state === "failed" || start.value.state === "busy") start.value = { state: "idle" };
}

async function send(intent: Intent): Promise<void> {
  start.value = { state: "sending", intent };
  settle(await outcomeOf(intent));
}

async function askToWait(busy: Extract<Start, { state: "busy" }>): Promise<void> {
  start.value = { ...busy, isAskingToWait: true };
  settle(await outcomeOf({ key: crypto.randomUUID(), wish: busy.intent.wish, mayWait: true }));
}

function settle(outcome: Start): void {
  start.value = outcome;
  if (outcome.state === "sent") goTo(runAddress(outcome.sessionId));
}

async function outcomeOf(intent: Intent): Promise<Start> {
  const { path, body } = requestFor(intent);
  const headers = { "Idempotency-Key": intent.key };
  const answer = await ask<StartAnswer>("POST", path, { body, headers });
  if (!answer.ok) {
    const holder = holderOf(answer.problem);
    if (holder !== null) return { state: "busy", intent, holder, isAskingToWait: false };
    return { state: "failed", intent, problem: answer.problem };
  }
  const { session_id: sessionId, state } = answer.value;
  return { state: state === "queued" ? "queued" : "sent", sessionId };
}

function requestFor({ wish, mayWait }: Intent): { readonly path: string; readonly body: unknown } {
  const waiting = mayWait ? { on_busy: "queue" } : {};
  switch (wish.what) {
    case "sync":
      return { path: "/api/force-sync/trigger", body: { sync_scope: wish.scope, ...waiting } };
    case "retry":
      return { path: pathOf("retry", wish.sessionId), body: { failed_only: wish.isFailedOnly, ...waiting } };
    case "resume": {
      const confirmed = wish.isCredentialConfirmed ? { credential_confirmed: true } : {};
      return { path: pathOf("resume", wish.sessionId), body: { ...confirmed, ...waiting } };
    }
  }
}

function pathOf(what: "retry" | "resume", sessionId: string): string {
  return `/api/force-sync/${what}/${encodeURIComponent(sessionId)}`;
}
