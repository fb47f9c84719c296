// What each event changed: old and new status of the run and of its agents. The log read as an audit trail.
import type { AgentId } from "../../opal/agents.ts";
import type { RunEvent } from "./events.ts";
import { reduce } from "./reduce.ts";
import { type Agent, NO_RUN, type Run } from "./state.ts";

export interface Change {
  readonly from: string | null;
  readonly to: string;
}

export interface Changes {
  readonly status: Change | null;
  readonly agents: Readonly<Partial<Record<AgentId, Change>>>;
}

export interface ChangingEvent {
  readonly event: RunEvent;
  readonly changed: Changes;
  /** The run as this event left it. */
  readonly run: Run;
}

/** `events` from the first one on; answers those after `after`. */
export function withChanges(events: readonly RunEvent[], after: number): ChangingEvent[] {
  let run: Run = NO_RUN;
  const found: ChangingEvent[] = [];
  for (const event of events) {
    const next = reduce(run, event);
    if (event.seq > after) found.push({ event, changed: changesBetween(run, next), run: next });
    run = next;
  }
  return found;
}

function changesBetween(before: Run, after: Run): Changes {
  if (after.status === "absent") return { status: null, agents: {} };
  const known = before.status === "absent" ? {} : before.agents;
  const agents: Partial<Record<AgentId, Change>> = {};
  for (const { id } of after.request.workflow.agents) {
    const change = changeOf(known[id], after.agents[id]);
    if (change) agents[id] = change;
  }
  const from = before.status === "absent" ? null : before.status;
  return { status: from === after.status ? null : { from, to: after.status }, agents };
}

function changeOf(before: Agent | undefined, after: Agent | undefined): Change | undefined {
  if (after === undefined || before?.state === after.state) return undefined;
  return { from: before?.state ?? null, to: after.state };
}
