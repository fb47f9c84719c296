// What a listener wants of the live feed: as it is asked for, as it is kept with the socket, and what it lets through.
import { z } from "zod";
import { runIdsFrom } from "../platform/ids.ts";
import { agentId } from "../sync/run/request.ts";
import { agentId as spelledAgentId } from "../sync/schema.ts";
import { LIVE_EVENT_NAMES, type LiveEvent, liveEventName, PRIORITIES, priority } from "./event.ts";

const id = z.string().min(1).max(128);
/** As JSON text. */
const FILTER_LIMIT = 4_096;
/** Sent to everybody, whatever else is wanted, so asking for it changes nothing. */
const HEARTBEAT = "heartbeat";

const filterFields = z.strictObject({
  /** One of ours or of OPAL's. */
  workflow_id: id.optional(),
  /** In any spelling that OPAL uses. */
  agent_ids: z.array(spelledAgentId).min(1).max(50).optional(),
  event_types: z
    .array(z.enum([...LIVE_EVENT_NAMES, HEARTBEAT]))
    .min(1)
    .max(50)
    .optional(),
  min_priority: z.enum(PRIORITIES).optional(),
  /** Without an id to go on from: first what the feed still holds. */
  include_historical: z.boolean().optional(),
});

const json = z
  .string()
  .max(FILTER_LIMIT)
  .transform((text, context): unknown => {
    try {
      return JSON.parse(text);
    } catch {
      context.addIssue({ code: "custom", message: "is not JSON" });
      return z.NEVER;
    }
  });

/** The query parameters that both forms of the feed have. */
export const filterQuery = z.strictObject({
  filter: json.pipe(filterFields).optional(),
  /** A session, correlation, workflow or OPAL id. One that names nothing lets nothing through. */
  session_id: id.optional(),
});

/** A run by the id it was named with, and its session as far as that is known. */
const runName = z.object({ id: z.string(), sessionId: z.string().nullable() });
export type RunName = z.infer<typeof runName>;

export const liveFilter = z.object({
  /** An event is about the run that all of these name. */
  runs: z.array(runName).readonly(),
  agentIds: z.array(agentId).readonly().nullable(),
  names: z.array(liveEventName).readonly().nullable(),
  minPriority: priority.nullable(),
});
export type LiveFilter = z.infer<typeof liveFilter>;

export function filterFrom({ filter, session_id: sessionId }: z.infer<typeof filterQuery>): LiveFilter {
  const names = filter?.event_types?.filter((name) => name !== HEARTBEAT);
  return {
    runs: [sessionId, filter?.workflow_id].flatMap((name) => (name === undefined ? [] : [runNamed(name)])),
    agentIds: filter?.agent_ids === undefined ? null : [...new Set(filter.agent_ids)],
    names: names === undefined ? null : [...new Set(names)],
    minPriority: filter?.min_priority ?? null,
  };
}

function runNamed(name: string): RunName {
  return { id: name, sessionId: runIdsFrom(name)?.sessionId ?? null };
}

/** Whether an event passes. What is about no run or no agent passes no filter that asks for one. */
export function passes({ runs, agentIds, names, minPriority }: LiveFilter, event: LiveEvent): boolean {
  return (
    runs.every((run) => isAbout(event, run)) &&
    (agentIds === null || (event.agentId !== null && agentIds.includes(event.agentId))) &&
    (names === null || names.includes(event.name)) &&
    (minPriority === null || PRIORITIES.indexOf(event.priority) >= PRIORITIES.indexOf(minPriority))
  );
}

function isAbout({ sessionId, workflowIds }: LiveEvent, run: RunName): boolean {
  return (run.sessionId !== null && run.sessionId === sessionId) || workflowIds.includes(run.id);
}
