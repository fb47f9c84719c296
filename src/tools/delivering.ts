// Data that comes with the tools token goes the webhooks' way: one document for each agent, normalised, stored by the
// object that owns the run, and only then answered.
import type { Env } from "../env.ts";
import { type Refusal, refuse } from "../platform/refusal.ts";
import type { Headers } from "../sync/delivery.ts";
import { deliveryAnswer, type TakenIn } from "../webhooks/answers.ts";
import { WEBHOOK_LIMIT_BYTES } from "../webhooks/authenticate.ts";
import type { NormalisedDelivery } from "../webhooks/normalise.ts";
import { newDeliveryId, readDelivery, takeIn } from "../webhooks/receive.ts";
import type { Fields } from "./documents.ts";
import { TOKEN_NAME } from "./token.ts";

export interface ToolDelivery {
  /** By which door it came. */
  readonly source: string;
  /** They name a workflow. In the order in which they are to be delivered. */
  readonly documents: readonly Fields[];
  readonly workspace: string;
  readonly requestId: string;
  /** As they may be kept. */
  readonly headers: Headers;
  readonly now: number;
}

type Delivered = {
  readonly ok: true;
  readonly deliveries: readonly DeliveryAnswer[];
  readonly correlationId: string | undefined;
};

export type DeliveryAnswer = ReturnType<typeof answerOf>;

/**
 * Nothing is stored before all documents have been read. When the store gives up between two of them, the whole call is
 * refused; sent again, what was stored is a duplicate. Refuses: unreadable_body, payload_too_large, service_unavailable.
 */
export async function deliverData(env: Env, delivery: ToolDelivery): Promise<Delivered | Refusal> {
  const read: (NormalisedDelivery & { readonly agent: unknown })[] = [];
  for (const document of delivery.documents) {
    const raw = new TextEncoder().encode(JSON.stringify(document));
    if (raw.length > WEBHOOK_LIMIT_BYTES) return refuse("payload_too_large");
    // Read back from the bytes that are kept, so that a replay reads the same.
    const receipt = {
      deliveryId: newDeliveryId(),
      source: delivery.source,
      receivedAt: delivery.now,
      secret: TOKEN_NAME,
    };
    const normalised = await readDelivery(raw, receipt, { headers: delivery.headers, messageId: undefined });
    if (!normalised.ok) return normalised;
    read.push({ ...normalised, agent: document.agent_id });
  }
  const deliveries: DeliveryAnswer[] = [];
  let correlationId: string | undefined;
  for (const { agent, ...normalised } of read) {
    const taken = await takeIn(env, delivery, normalised);
    if (!taken.ok) return taken;
    correlationId ??= taken.correlationId;
    deliveries.push(answerOf(taken, agent));
  }
  return { ok: true, deliveries, correlationId };
}

/** 200 when a run took any of them in or had it already, 202 when all are only stored. */
export function codeOf(deliveries: readonly DeliveryAnswer[]): 200 | 202 {
  return deliveries.some(({ status }) => status !== "stored") ? 200 : 202;
}

/** One answer for several: the best that became of any of them, and the id of the first. */
export function severalAnswer(deliveries: readonly DeliveryAnswer[]) {
  const count = (status: DeliveryAnswer["status"]) =>
    deliveries.filter((delivery) => delivery.status === status).length;
  const counts = { processed: count("processed"), duplicate: count("duplicate"), stored: count("stored") };
  const status = counts.processed > 0 ? "processed" : counts.duplicate > 0 ? "duplicate" : "stored";
  const message = `${counts.processed} taken in, ${counts.duplicate} taken in before, ${counts.stored} only stored.`;
  return { webhook_id: deliveries[0]?.webhook_id ?? null, status, message, ...counts } as const;
}

/** As the receiver of webhooks says it. */
function answerOf(taken: TakenIn, agent: unknown) {
  const agentId = typeof agent === "string" && agent !== "" ? agent : null;
  return { webhook_id: taken.deliveryId, agent_id: agentId, ...deliveryAnswer(taken).said };
}
