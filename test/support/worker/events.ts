// Rows of the event store, written to D1 as the objects write them, for tests that need many or old ones.
import { env } from "cloudflare:workers";
import { drizzle } from "drizzle-orm/d1";
import { batch, inChunks } from "../../../src/platform/d1.ts";
import type { DeliveryRow } from "../../../src/sync/delivery-rows.ts";
import { webhookEvents } from "../../../src/sync/tables.ts";
import { type Answer, call } from "./client.ts";

export const RUN = "sync-1767603600000-abcde";
export const T0 = Date.UTC(2026, 0, 5, 9, 0, 0);

/** A delivery with number `n`, received so many ms after the first one. */
export function eventRow(n: number, change: Partial<DeliveryRow> = {}): DeliveryRow {
  return {
    ...{ workspace: "default", deliveryId: deliveryId(n), sessionId: RUN, remoteId: "opal-workflow", source: "opal" },
    ...{ eventType: "execution.completed", dedupHash: `key ${n}`, sha256: "aa", bytes: 2, verdict: "processed" },
    ...{ reason: null, agentId: "geo_audit", verdictSeq: n, summary: "geo_audit completed", error: null },
    ...{ httpStatus: 200, processingTimeMs: 5, secret: "current", headers: [["user-agent", "OPAL"]] as const },
    ...{ receivedAt: T0 + n, seq: n, ...change },
  };
}

export function deliveryId(n: number): string {
  return `whd_${String(n).padStart(20, "0")}`;
}

export async function storeEvents(rows: readonly DeliveryRow[]): Promise<void> {
  const db = drizzle(env.DB);
  const statements = inChunks(rows).map((chunk) => db.insert(webhookEvents).values(chunk));
  for (let first = 0; first < statements.length; first += 200) await batch(db, statements.slice(first, first + 200));
}

/** Numbers of the events on a page of the list. */
export function numbers(answer: Answer): number[] {
  return answer.body.events.map((event: Answer["body"]) => Number(event.delivery_id.slice(4)));
}

export function list(query = ""): Promise<Answer> {
  return call("GET", `/api/webhook-events${query}`);
}

/** Every page of a list, one after the other; `between` happens after each page. */
export async function allPages(query: string, between: () => Promise<void> = async () => {}): Promise<number[]> {
  const found: number[] = [];
  let cursor: string | null = null;
  do {
    const answer: Answer = await list(`${query}${cursor === null ? "" : `&cursor=${cursor}`}`);
    if (answer.status !== 200) throw new Error(JSON.stringify(answer.body));
    found.push(...numbers(answer));
    cursor = answer.body.next_cursor;
    await between();
  } while (cursor !== null);
  return found;
}
