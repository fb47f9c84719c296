// What the agents handed over, in a few words: read once for each result, when its row first needs it.
import { signal } from "@preact/signals";
import type { ResultSummary } from "../opal/results.ts";
import type { Problem } from "./api.ts";
import { ask } from "./session.ts";

export type ShownResult =
  | { readonly state: "loading" }
  | { readonly state: "loaded"; readonly summary: ResultSummary }
  | { readonly state: "failed"; readonly problem: Problem };

/** By result id, which is another one when an agent's result is replaced. */
export const results = signal<ReadonlyMap<string, ShownResult>>(new Map());

/** Enough for a few dozen runs. */
const RESULTS_KEPT = 400;

export async function loadResult(sessionId: string, agentId: string, resultId: string): Promise<void> {
  const known = results.peek().get(resultId);
  if (known !== undefined && known.state !== "failed") return;
  remember(resultId, { state: "loading" });
  const path = `/api/force-sync/results/${encodeURIComponent(sessionId)}/${encodeURIComponent(agentId)}`;
  const answer = await ask<{ readonly summary: ResultSummary }>("GET", path);
  remember(
    resultId,
    answer.ok ? { state: "loaded", summary: answer.value.summary } : { state: "failed", problem: answer.problem },
  );
}

function remember(resultId: string, result: ShownResult): void {
  results.value = new Map([...results.peek(), [resultId, result] as const].slice(-RESULTS_KEPT));
}
