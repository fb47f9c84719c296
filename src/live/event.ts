// What the live feed of a workspace is made of, whatever it comes from, and how it is sent.
import { z } from "zod";
import { iso } from "../platform/iso.ts";
import { agentId, ms } from "../sync/run/request.ts";

export const LIVE_EVENT_NAMES = [
  "agent_status_change",
  "workflow_progress_update",
  "performance_metric_update",
  "error_notification",
  "system_health_alert",
  "webhook_processed",
  "workflow_completed",
  "force_sync_completed",
] as const;

export const liveEventName = z.enum(LIVE_EVENT_NAMES);
export type LiveEventName = z.infer<typeof liveEventName>;

/** Lowest first. */
export const PRIORITIES = ["low", "medium", "high", "critical"] as const;
export const priority = z.enum(PRIORITIES);
export type Priority = z.infer<typeof priority>;

export const liveData = z.record(
  z.string(),
  z.union([z.string(), z.number(), z.boolean(), z.null(), z.array(z.string()).readonly()]),
);

export const liveEvent = z.object({
  name: liveEventName,
  priority,
  /** The run it is about; null for what is about the whole workspace. */
  sessionId: z.string().nullable(),
  /** Ours first, then OPAL's as far as they are known. */
  workflowIds: z.array(z.string()).readonly(),
  agentId: agentId.nullable(),
  at: ms,
  /** In the API's words. What is not known is null. */
  data: liveData.readonly(),
});
export type LiveEvent = z.infer<typeof liveEvent>;

/** An event and its number at the source it comes from; several of one number belong together. */
export interface News {
  readonly seq: number;
  readonly event: LiveEvent;
}

/** The event as clients get it. */
export function liveEventAnswer({ name, priority, sessionId, workflowIds, agentId, at, data }: LiveEvent) {
  return {
    type: name,
    priority,
    session_id: sessionId,
    workflow_id: workflowIds[0] ?? null,
    workflow_ids: workflowIds,
    agent_id: agentId,
    timestamp: iso(at),
    ...data,
  };
}
