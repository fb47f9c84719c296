// Ids of a run share one suffix (`<milliseconds>-<5 letters>`), so that any of them leads to the session by computing.

const RUN_PREFIXES = ["sync-", "force-sync-", "workflow-"] as const;
const SUFFIX = /^\d{10,14}-[a-z0-9]{5,12}$/;

/** Names of workspaces and of anything else that becomes part of an object's name. */
export const SAFE_NAME = /^[A-Za-z0-9_-]{1,64}$/;

export interface RunIds {
  readonly sessionId: string;
  readonly correlationId: string;
  readonly workflowId: string;
}

export function runIds(nowMs: number, letters: string): RunIds {
  return idsWithSuffix(`${nowMs}-${letters}`);
}

/** All ids of the run that this session, correlation or workflow id names; undefined when we cannot have issued it. */
export function runIdsFrom(id: string): RunIds | undefined {
  const prefix = RUN_PREFIXES.find((candidate) => id.startsWith(candidate));
  if (prefix === undefined) return undefined;
  const suffix = id.slice(prefix.length);
  return SUFFIX.test(suffix) ? idsWithSuffix(suffix) : undefined;
}

function idsWithSuffix(suffix: string): RunIds {
  return { sessionId: `sync-${suffix}`, correlationId: `force-sync-${suffix}`, workflowId: `workflow-${suffix}` };
}

/** Durable Objects are named by workspace and id, so that no two workspaces can meet in one object. */
export function objectName(workspace: string, id: string): string {
  return `${workspace}:${id}`;
}
