// Cancelling the run that is looked at: asked first, requested, then confirmed by the run itself.
import { signal } from "@preact/signals";
import type { Problem } from "./api.ts";
import { ask } from "./session.ts";

export type Cancel =
  | { readonly state: "idle" }
  /** The question is open. */
  | { readonly state: "asking"; readonly sessionId: string }
  | { readonly state: "sending"; readonly sessionId: string }
  | { readonly state: "failed"; readonly sessionId: string; readonly problem: Problem };

export const cancel = signal<Cancel>({ state: "idle" });

/** Asked for, and not answered yet. */
export function isCancelSent(sessionId: string): boolean {
  return cancel.value.state === "sending" && cancel.value.sessionId === sessionId;
}

export function askToCancel(sessionId: string): void {
  if (cancel.value.state !== "sending") cancel.value = { state: "asking", sessionId };
}

export function dismissCancel(): void {
  if (cancel.value.state !== "sending") cancel.value = { state: "idle" };
}

export async function confirmCancel(sessionId: string): Promise<void> {
  cancel.value = { state: "sending", sessionId };
  const answer = await ask<unknown>("DELETE", `/api/force-sync/status/${encodeURIComponent(sessionId)}`);
  // A run that ended in the same moment needs no cancelling any more.
  const isDone = answer.ok || answer.problem.code === "run_ended";
  cancel.value = isDone ? { state: "idle" } : { state: "failed", sessionId, problem: answer.problem };
}
