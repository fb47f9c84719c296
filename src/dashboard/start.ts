// Starting a force sync: one intent, one Idempotency-Key, however often it has to be sent. All buttons share this.
import { computed, effect, signal } from "@preact/signals";
import type { triggerAnswer } from "../sync/answers.ts";
import type { SYNC_SCOPES } from "../sync/plan.ts";
import { runAddress } from "./address.ts";
import type { Problem } from "./api.ts";
import { goTo } from "./location.ts";
import { ask } from "./session.ts";
import { activeRun, overview, view } from "./state.ts";

export type Scope = (typeof SYNC_SCOPES)[number];

interface Intent {
  readonly key: string;
  readonly scope: Scope;
}

export type Start =
  | { readonly state: "idle" }
  | { readonly state: "sending"; readonly intent: Intent }
  /** Answered; until the overview knows the run, the button must not offer another one. */
  | { readonly state: "sent"; readonly sessionId: string }
  /** Somebody was faster. */
  | { readonly state: "joined"; readonly sessionId: string }
  | { readonly state: "failed"; readonly intent: Intent; readonly problem: Problem };

export const start = signal<Start>({ state: "idle" });
export const chosenScope = signal<Scope>("quick");

export type SyncButton =
  | { readonly state: "ready" }
  | { readonly state: "starting" }
  | { readonly state: "running"; readonly completedAgents: number; readonly expectedAgents: number }
  | { readonly state: "cancelling" };

export const syncButton = computed<SyncButton>(() => {
  if (start.value.state === "sending") return { state: "starting" };
  const active = activeRun.value;
  if (active?.isCancelling) return { state: "cancelling" };
  if (active !== null && active.expectedAgents > 0) return { ...active, state: "running" };
  return active !== null || isUnheardOf(start.value) ? { state: "starting" } : { state: "ready" };
});

function isUnheardOf(given: Start): boolean {
  if (given.state !== "sent") return false;
  const { sessionId } = given;
  return view.value?.sessionId !== sessionId && !overview.value?.runs.some((known) => known.sessionId === sessionId);
}

/** Once a run is known it speaks for itself. */
export function startForgetting(): void {
  effect(() => {
    if (start.value.state === "sent" && !isUnheardOf(start.value)) start.value = { state: "idle" };
  });
}

/** Does nothing while a run is active or about to be. */
export function startSync(scope: Scope): void {
  if (syncButton.value.state !== "ready") return;
  void send({ key: crypto.randomUUID(), scope });
}

/** The same request again: if the first one did arrive after all, its run is the answer. */
export function tryAgain(): void {
  if (start.value.state === "failed" && syncButton.value.state === "ready") void send(start.value.intent);
}

export function dismissStart(): void {
  if (start.value.state === "failed" || start.value.state === "joined") start.value = { state: "idle" };
}

async function send(intent: Intent): Promise<void> {
  start.value = { state: "sending", intent };
  const answer = await ask<ReturnType<typeof triggerAnswer>>("POST", "/api/force-sync/trigger", {
    body: { sync_scope: intent.scope },
    headers: { "Idempotency-Key": intent.key },
  });
  if (answer.ok) {
    const sessionId = answer.value.session_id;
    start.value = { state: "sent", sessionId };
    goTo(runAddress(sessionId));
    return;
  }
  const { problem } = answer;
  if (problem.code === "run_active" && problem.activeSession !== null) {
    start.value = { state: "joined", sessionId: problem.activeSession };
    goTo(runAddress(problem.activeSession));
    return;
  }
  start.value = { state: "failed", intent, problem };
}
