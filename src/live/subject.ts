// What the live events of one run have in common.
import type { AgentId } from "../opal/agents.ts";
import type { KnownRun } from "../sync/run/state.ts";
import type { LiveEvent, LiveEventName, Priority } from "./event.ts";

/** An event about a run as it was left by what happened. */
export function eventAbout(
  run: KnownRun,
  at: number,
  what: {
    readonly name: LiveEventName;
    readonly priority: Priority;
    readonly agentId?: AgentId | null | undefined;
    readonly data: LiveEvent["data"];
  },
): LiveEvent {
  const { sessionId, workflowId } = run.request;
  const { name, priority, agentId = null, data } = what;
  return { name, priority, sessionId, workflowIds: [workflowId, ...run.remoteIds], agentId, at, data };
}
