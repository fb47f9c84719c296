// One stored event with everything that is kept of it, and its body with every byte.
import { and, asc, eq, sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import type { Env } from "../env.ts";
import { joinParts } from "../platform/bodies.ts";
import { sha256Hex } from "../platform/hash.ts";
import { describeError, log } from "../platform/log.ts";
import { type Refusal, refuse } from "../platform/refusal.ts";
import { bodies, webhookEvents } from "../sync/tables.ts";
import { bodyOf } from "./owner.ts";
import { eventRetention } from "./tables.ts";

export type StoredEvent = Extract<Awaited<ReturnType<typeof findEvent>>, { ok: true }>["event"];

/** Refuses: resource_not_found, delivery_expired. Rejects when D1 does not answer. */
export async function findEvent(env: Env, workspace: string, deliveryId: string) {
  const db = drizzle(env.DB);
  const [[row], [retention]] = await db.batch([
    db
      .select()
      .from(webhookEvents)
      .where(and(eq(webhookEvents.workspace, workspace), eq(webhookEvents.deliveryId, deliveryId))),
    db.select().from(eventRetention).where(eq(eventRetention.workspace, workspace)),
  ]);
  const before = retention?.before ?? 0;
  if (row === undefined) return notFound(deliveryId, before);
  if (row.receivedAt < before) return expired(deliveryId, row.receivedAt);
  return { ok: true, event: asListed(row) } as const;
}

type Row = typeof webhookEvents.$inferSelect;

function asListed({ deliveryId, sessionId, remoteId, eventType, dedupHash, agentId, verdictSeq, ...row }: Row) {
  const { httpStatus, processingTimeMs, receivedAt, ...rest } = row;
  return {
    ...rest,
    ...{ delivery_id: deliveryId, session_id: sessionId, workflow_id: remoteId, event_type: eventType },
    ...{ dedup_hash: dedupHash, agent_id: agentId, verdict_seq: verdictSeq, http_status: httpStatus },
    ...{ processing_time_ms: processingTimeMs, received_at: receivedAt },
  };
}

function notFound(deliveryId: string, before: number): Refusal {
  const kept = before === 0 ? "" : ` Of deliveries received before ${new Date(before).toISOString()} none is kept.`;
  return refuse("resource_not_found", {
    detail: `There is no delivery of this id; one that has just come is here in a moment.${kept}`,
    members: { resource_type: "webhook_event", resource_id: deliveryId },
  });
}

function expired(deliveryId: string, receivedAt: number): Refusal {
  const received = new Date(receivedAt).toISOString();
  return refuse("delivery_expired", {
    detail: `Delivery ${deliveryId}, received ${received}, is no longer kept.`,
    members: { delivery_id: deliveryId, received_at: received },
  });
}

export type StoredBody = { readonly ok: true; readonly bytes: Uint8Array } | Refusal;

/** What identifies a body and proves it whole. */
export type BodyReceipt = Pick<StoredEvent, "workspace" | "delivery_id" | "session_id" | "received_at" | "sha256">;

/**
 * The body exactly as it was received, up to 10 MiB: from D1, or from the object that took it in where D1 has not been
 * told of it or has other bytes. Refuses: delivery_expired, service_unavailable.
 */
export async function loadBody(env: Env, event: BodyReceipt): Promise<StoredBody> {
  const inD1 = await withoutFailing("body_not_in_d1", () => readParts(env, event));
  if (inD1 && (await sha256Hex(inD1)) === event.sha256) return { ok: true, bytes: inD1 };
  const owned = await withoutFailing("body_owner_unreachable", async () => joinParts(await bodyOf(env, event)));
  if (owned === undefined) {
    const detail = "The body cannot be read at the moment.";
    return refuse("service_unavailable", { detail, retryAfterSeconds: 2 });
  }
  return (await sha256Hex(owned)) === event.sha256
    ? { ok: true, bytes: owned }
    : expired(event.delivery_id, event.received_at);
}

/** D1 answers bytes as numbers in text, many times their size, so it is asked for one part after the other. */
async function readParts(env: Env, { workspace, delivery_id: deliveryId }: BodyReceipt): Promise<Uint8Array> {
  const db = drizzle(env.DB);
  const ofBody = and(eq(bodies.workspace, workspace), eq(bodies.bodyId, deliveryId));
  const parts: ArrayBuffer[] = [];
  for (;;) {
    const [row] = await db
      .select({ bytes: bodies.bytes })
      .from(bodies)
      .where(and(ofBody, eq(bodies.part, parts.length)));
    if (row === undefined) return joinParts(parts);
    parts.push(row.bytes);
  }
}

async function withoutFailing<Value>(event: string, read: () => Promise<Value>): Promise<Value | undefined> {
  try {
    return await read();
  } catch (error) {
    log("warn", event, { error: describeError(error) });
    return undefined;
  }
}

/** Bodies of several events at once, as far as D1 has them; meant for small ones. Rejects when D1 does not answer. */
export async function readSmallBodies(env: Env, workspace: string, deliveryIds: readonly string[]) {
  const list = sql.join(
    deliveryIds.map((id) => sql`${id}`),
    sql`, `,
  );
  const rows = await drizzle(env.DB)
    .select({ bodyId: bodies.bodyId, bytes: bodies.bytes })
    .from(bodies)
    .where(and(eq(bodies.workspace, workspace), sql`${bodies.bodyId} IN (${list})`))
    .orderBy(asc(bodies.bodyId), asc(bodies.part));
  return new Map(rows.map(({ bodyId, bytes }) => [bodyId, new Uint8Array(bytes)]));
}
