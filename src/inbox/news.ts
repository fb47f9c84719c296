// What the live feed is told of a delivery that belongs to no run.
import type { News } from "../live/event.ts";
import { VERDICT_PRIORITY } from "../live/priority.ts";
import type { KeptDelivery } from "./journal.ts";

export function newsOf({ seq, recordedAt, facts }: KeptDelivery): News {
  const { deliveryId, source, eventType, verdict, reason, remoteId } = facts;
  return {
    seq,
    event: {
      name: "webhook_processed",
      priority: VERDICT_PRIORITY[verdict],
      sessionId: null,
      workflowIds: remoteId === null ? [] : [remoteId],
      agentId: null,
      at: recordedAt,
      data: { delivery_id: deliveryId, source, event_type: eventType, verdict, reason },
    },
  };
}
