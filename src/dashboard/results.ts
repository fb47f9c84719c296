// What the agents handed over, in a few words: read once for each result, when its row first needs it.
import { signal } from "@preact/signals";
import type { ResultSummary } from "../opal/results.ts";
import type { Fallback } from "../sync/run/state.ts";
import type { AgentView } from "../sync/run/view.ts";
import type { Problem } from "./api.ts";
import { ask } from "./session.ts";

export type ShownResult =
  | { readonly state: "loading" }
  | { readonly state: "loaded"; readonly summary: ResultSummary }
  | { readonly state: "failed"; readonly problem: Problem };

/** By result id, which is another one when an agent's result is replaced. */
export const results = signal<ReadonlyMap<string, ShownResult>>(new Map());

/** A result, and the run whose result it is. */
export interface ResultSource {
  readonly sessionId: string;
  readonly agentId: string;
  readonly resultId: string;
  /** Set when it stands in for one that is missing. */
  readonly fallback: Fallback | null;
}

/** What to show of an agent: what stands in for its result, else what it handed over itself; null while there is none. */
export function shownResult(sessionId: string, { id, resultId, fallback }: AgentView): ResultSource | null {
  if (fallback !== null) {
    return { sessionId: fallback.fromSessionId, agentId: id, resultId: fallback.result.bodyId, fallback };
  }
  return resultId === null ? null : { sessionId, agentId: id, resultId, fallback };
}

/** Where the whole of it can be read. */
export function resultAddress(sessionId: string, agentId: string): string {
  return `/api/force-sync/results/${encodeURIComponent(sessionId)}/${encodeURIComponent(agentId)}`;
}

/** Enough for a few dozen runs. */
const RESULTS_KEPT = 400;

export async function loadResult({ sessionId, agentId, resultId }: ResultSource): Promise<void> {
  const known = results.peek().get(resultId);
  if (known !== undefined && known.state !== "failed") return;
  remember(resultId, { state: "loading" });
  const answer = await ask<{ readonly summary: ResultSummary }>("GET", resultAddress(sessionId, agentId));
  remember(
    resultId,
    answer.ok ? { state: "loaded", summary: answer.value.summary } : { state: "failed", problem: answer.problem },
  );
}

function remember(resultId: string, result: ShownResult): void {
  results.value = new Map([...results.peek(), [resultId, result] as const].slice(-RESULTS_KEPT));
}
