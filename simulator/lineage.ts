// Which workflows play the same run, so that "only the first time" means the same to a re-run, a retry and a double.

import type { AgentId } from "./agents.ts";
import type { Run } from "./records.ts";

/**
 * The first workflow of the run that carries this correlation id, or that `retryOf` names by any id; undefined when
 * there is none yet.
 */
export function originOf(
  { correlationId, retryOf }: { correlationId: string | null; retryOf: string | null },
  runs: readonly Run[],
): string | undefined {
  const isSame = (run: Run) => correlationId !== null && run.correlationId === correlationId;
  const isRepeated = (run: Run) =>
    retryOf !== null && [run.workflowId, run.correlationId, run.sessionId, run.idempotencyKey].includes(retryOf);
  return runs.find((run) => isSame(run) || isRepeated(run))?.origin;
}

/** 1 for the first time. A turn that never came, because its workflow ended before, is no play. */
export function playOf(agentId: AgentId, origin: string, runs: readonly Run[]): number {
  const earlier = runs.filter(
    (run) =>
      run.origin === origin &&
      run.agents.some((agent) => agent.agentId === agentId && (agent.startedAt !== null || run.state === "playing")),
  );
  return earlier.length + 1;
}
