// Events in the API's words.
import { runIdsFrom } from "../platform/ids.ts";
import { iso } from "../platform/iso.ts";
import { parseJsonBytes } from "../platform/json.ts";
import { writeCursor } from "./cursor.ts";
import type { EventPage, ListedEvent } from "./list.ts";
import { inboxOf } from "./owner.ts";
import type { StoredEvent } from "./stored-event.ts";

/** Larger bodies are not part of an answer, but behind an address of their own. */
export const SHOWN_BODY_BYTES = 256 * 1024;

export function pageAnswer({ events, next }: EventPage) {
  return {
    success: true as const,
    events: events.map(eventAnswer),
    next_cursor: next === null ? null : writeCursor(next),
  };
}

/** Without headers and body. */
export function eventAnswer(event: ListedEvent) {
  const run = runIdsFrom(event.session_id);
  return {
    delivery_id: event.delivery_id,
    received_at: iso(event.received_at),
    source: event.source,
    event_type: event.event_type,
    status: event.verdict,
    reason: event.reason,
    agent_id: event.agent_id,
    summary: event.summary,
    error: event.error,
    session_id: run?.sessionId ?? null,
    workflow_id: run?.workflowId ?? null,
    opal_workflow_id: event.workflow_id,
    inbox: inboxOf(event.session_id),
    http_status: event.http_status,
    processing_time_ms: event.processing_time_ms,
    bytes: event.bytes,
    sha256: event.sha256,
    seq: event.seq,
  };
}

export interface EventDetail {
  readonly event: StoredEvent;
  /** How often it came again; null when its owner does not say. */
  readonly duplicates: number | null;
  readonly body: Uint8Array | "too_large";
}

export function detailAnswer({ event, duplicates, body }: EventDetail) {
  const address = addressOf(event.delivery_id);
  return {
    success: true as const,
    event: {
      ...eventAnswer(event),
      duplicates,
      headers: event.headers?.map(([name, value]) => ({ name, value })) ?? null,
      signed_with: event.secret,
      dedup_hash: event.dedup_hash,
      verdict_seq: event.verdict_seq,
      ...bodyAnswer(event, body),
      body_url: `${address}/body`,
      curl_url: `${address}/curl`,
    },
  };
}

/** As JSON reads it, so a number may have lost digits; `body_url` has every byte. */
function bodyAnswer({ delivery_id: id, bytes }: StoredEvent, body: EventDetail["body"]) {
  const omitted = (reason: string) => ({
    body: null,
    body_omitted: { reason, bytes, url: `${addressOf(id)}/body` },
  });
  if (body === "too_large") return omitted("too_large");
  const document = parseJsonBytes(body);
  return document.ok ? { body: document.value, body_omitted: null } : omitted("no_json");
}

function addressOf(deliveryId: string): string {
  return `/api/webhook-events/${deliveryId}`;
}
