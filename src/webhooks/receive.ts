// A verified delivery finds the object that owns it: the run it names, the run its workflow is bound to, the workspace while
// that is not known, or the inbox of what belongs to no run. It is answered once that object has written it down; D1 is
// not touched here.
import type { Env } from "../env.ts";
import { type InboxDelivery, type InboxName, type InboxOutcome, inboxId, withoutRun } from "../inbox/delivery.ts";
import { objectName, runIdsFrom } from "../platform/ids.ts";
import { parseJsonBytes } from "../platform/json.ts";
import { describeError, log } from "../platform/log.ts";
import { randomLetters } from "../platform/random.ts";
import { type Refusal, refuse } from "../platform/refusal.ts";
import type { DeliveryOutcome, IncomingDelivery } from "../sync/delivery.ts";
import { debugDelivery } from "./debug.ts";
import { type Arrival, type NormalisedDelivery, normalise, type Receipt } from "./normalise.ts";

const DELIVERY_LETTERS = 20;
const RETRY_SOON_SECONDS = 2;
const RETRY_LATER_SECONDS = 60;

export type Received =
  | {
      readonly ok: true;
      readonly deliveryId: string;
      readonly correlationId: string | undefined;
      readonly result:
        | Extract<DeliveryOutcome, { outcome: "recorded" | "duplicate" }>
        | { readonly outcome: "held" }
        | Extract<InboxOutcome, { outcome: "recorded" }>;
    }
  | Refusal;

/** For whom it is, and the request it came in. */
export interface Addressee {
  readonly workspace: string;
  readonly requestId: string;
}

export function newDeliveryId(): string {
  return `whd_${randomLetters(DELIVERY_LETTERS)}`;
}

const NOT_SENT_NOW: Arrival = { headers: [], messageId: undefined };

/** What a body says, whether it has just come or is read again. Refuses: unreadable_body, payload_too_large. */
export async function readDelivery(
  raw: Uint8Array,
  receipt: Receipt,
  arrival: Arrival = NOT_SENT_NOW,
): Promise<({ readonly ok: true } & NormalisedDelivery) | Refusal> {
  const document = parseJsonBytes(raw);
  if (!document.ok) return refuse(document.code, { detail: `${document.why}.` });
  return { ok: true, ...(await normalise(raw, document.value, receipt, arrival)) };
}

/** Which session a workflow id of OPAL's belongs to never changes, so an isolate may remember it. */
const sessionOfRemote = new Map<string, string>();
const REMEMBERED_REMOTES = 1_000;

/** Whoever sent it has been verified: finds the run and stores. Refuses: service_unavailable. */
export async function takeIn(env: Env, addressee: Addressee, delivery: NormalisedDelivery): Promise<Received> {
  const received = await findAndStore(env, addressee, delivery);
  debugDelivery(env, addressee, delivery.incoming, received);
  return received;
}

async function findAndStore(
  env: Env,
  { workspace, requestId }: Addressee,
  { incoming, ourRun }: NormalisedDelivery,
): Promise<Received> {
  const { deliveryId, remoteId } = incoming.delivery;
  try {
    const cacheKey = remoteId === null ? undefined : objectName(workspace, remoteId);
    const guess = ourRun?.sessionId ?? (cacheKey && sessionOfRemote.get(cacheKey));
    const taken = guess && (await deliverTo(env, workspace, guess, incoming));
    if (taken) return taken;
    const placed = await env.WORKSPACE.getByName(objectName(workspace, "workspace")).place(incoming);
    switch (placed.outcome) {
      case "held":
        return { ok: true, deliveryId, correlationId: undefined, result: { outcome: "held" } };
      case "duplicate":
        return { ok: true, deliveryId, correlationId: undefined, result: placed };
      case "without_run":
        return await takeIntoInbox(env, workspace, "opal", withoutRun(incoming));
      case "full":
        return refuse("service_unavailable", { retryAfterSeconds: RETRY_LATER_SECONDS });
      case "bound":
        if (cacheKey !== undefined) remember(cacheKey, placed.sessionId);
        return (
          (await deliverTo(env, workspace, placed.sessionId, incoming)) ??
          refuse("service_unavailable", { retryAfterSeconds: RETRY_SOON_SECONDS })
        );
    }
  } catch (error) {
    // The sender keeps the delivery and sends it again; nothing is half written.
    log("error", "delivery_not_stored", { request_id: requestId, workspace, error: describeError(error) });
    return refuse("service_unavailable", { retryAfterSeconds: RETRY_SOON_SECONDS });
  }
}

/** The sender keeps it and sends it again. */
const TOO_MANY = refuse("service_unavailable", {
  detail: "More deliveries arrive than are taken in at a time. Nothing of this one was stored.",
  retryAfterSeconds: RETRY_SOON_SECONDS,
});

/** Refuses: service_unavailable. Rejects when the inbox cannot be reached. */
export async function takeIntoInbox(
  env: Env,
  workspace: string,
  inbox: InboxName,
  delivery: InboxDelivery,
): Promise<Received> {
  const { deliveryId } = delivery.facts;
  const result = await env.INBOX.getByName(objectName(workspace, inboxId(inbox))).take(delivery);
  if (result.outcome === "throttled") return TOO_MANY;
  return { ok: true, deliveryId, correlationId: undefined, result };
}

/** Undefined when the session knows of no run. */
async function deliverTo(
  env: Env,
  workspace: string,
  sessionId: string,
  incoming: IncomingDelivery,
): Promise<Received | undefined> {
  const result = await env.SYNC_SESSION.getByName(objectName(workspace, sessionId)).deliver(incoming);
  if (result.outcome === "unknown") return undefined;
  if (result.outcome === "throttled") return TOO_MANY;
  const { deliveryId } = incoming.delivery;
  return { ok: true, deliveryId, correlationId: runIdsFrom(sessionId)?.correlationId, result };
}

function remember(cacheKey: string, sessionId: string): void {
  if (sessionOfRemote.size >= REMEMBERED_REMOTES) sessionOfRemote.clear();
  sessionOfRemote.set(cacheKey, sessionId);
}
