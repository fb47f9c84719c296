// Deliveries of no run > D1, in the same event store as those of runs. Writing them twice changes nothing.
import type { DrizzleD1Database } from "drizzle-orm/d1";
import { batch, batchBySize, inChunks } from "../platform/d1.ts";
import type { DeliveryRow } from "../sync/delivery-rows.ts";
import type { Verdict } from "../sync/run/events.ts";
import { bodies, webhookEvents } from "../sync/tables.ts";
import type { KeptDelivery } from "./journal.ts";

export interface InboxOwner {
  readonly workspace: string;
  /** As in `inbox-ga4`. */
  readonly owner: string;
  readonly bodyParts: (deliveryId: string) => readonly ArrayBuffer[];
}

/** Rejects when D1 does not take it. */
export async function projectInbox(
  db: DrizzleD1Database,
  inbox: InboxOwner,
  deliveries: readonly KeptDelivery[],
): Promise<void> {
  const smallBodies = await batchBySize(db, bodyStatements(db, inbox, deliveries));
  const rows = inChunks(deliveries.map((delivery) => inboxRow(inbox, delivery)));
  const inserts = rows.map((chunk) => db.insert(webhookEvents).values(chunk).onConflictDoNothing());
  await batch(db, [...smallBodies, ...inserts]);
}

/** Bytes of bodies written to D1 in one go; more wait for the next, so that it ends in time. */
const BODY_BUDGET_BYTES = 16 * 1024 * 1024;

/** The first deliveries, at least one, whose bodies fit into one go. */
export function withinBudget(deliveries: readonly KeptDelivery[]): readonly KeptDelivery[] {
  let bytes = 0;
  const firstOver = deliveries.findIndex(({ facts }) => {
    bytes += facts.bytes;
    return bytes > BODY_BUDGET_BYTES;
  });
  return firstOver === -1 ? deliveries : deliveries.slice(0, Math.max(1, firstOver));
}

function* bodyStatements(db: DrizzleD1Database, inbox: InboxOwner, deliveries: readonly KeptDelivery[]) {
  const { workspace, owner: sessionId } = inbox;
  for (const { facts } of deliveries) {
    for (const [part, bytes] of inbox.bodyParts(facts.deliveryId).entries()) {
      const row = { workspace, sessionId, bodyId: facts.deliveryId, part, bytes };
      yield { statement: db.insert(bodies).values(row).onConflictDoNothing(), bytes: bytes.byteLength };
    }
  }
}

function inboxRow({ workspace, owner: sessionId }: InboxOwner, kept: KeptDelivery): DeliveryRow {
  const { seq, recordedAt, dedupKey: dedupHash, facts } = kept;
  const processingTimeMs = Math.max(0, recordedAt - facts.receivedAt);
  const judged = {
    httpStatus: inboxCode(facts.verdict),
    processingTimeMs,
    verdictSeq: seq,
    agentId: null,
    error: null,
  };
  return { workspace, sessionId, ...facts, dedupHash, seq, ...judged };
}

/** 200 when it was understood, 202 when it is only stored. */
export function inboxCode(verdict: Verdict): 200 | 202 {
  return verdict === "processed" ? 200 : 202;
}
