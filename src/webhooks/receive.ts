// The receiver's pipeline: announced size > content type > signature header > body > signature > JSON > normalise > find
// the run > store > answer.
// D1 is not touched here; a delivery is answered once the object that owns it has written it down.
import { type Env, settingsFrom } from "../env.ts";
import { readBytes, refuseUnreadable } from "../platform/body.ts";
import { sha256Hex } from "../platform/hash.ts";
import { objectName, runIdsFrom } from "../platform/ids.ts";
import { parseJsonBytes } from "../platform/json.ts";
import { describeError, log } from "../platform/log.ts";
import { randomLetters } from "../platform/random.ts";
import { type Refusal, refuse } from "../platform/refusal.ts";
import type { DeliveryOutcome, IncomingDelivery } from "../sync/delivery.ts";
import { type NormalisedDelivery, normalise, type Receipt } from "./normalise.ts";
import { readSignature, verifyBody } from "./signature.ts";
import { readStandardSignature, verifyStandardBody } from "./standard.ts";

/** Largest body a webhook may have: 10 MiB. */
export const WEBHOOK_LIMIT_BYTES = 10 * 1024 * 1024;

const DELIVERY_LETTERS = 20;
const RETRY_SOON_SECONDS = 2;
const RETRY_LATER_SECONDS = 60;

export type Received =
  | {
      readonly ok: true;
      readonly deliveryId: string;
      readonly correlationId: string | undefined;
      readonly result: Extract<DeliveryOutcome, { outcome: "recorded" | "duplicate" }> | { readonly outcome: "held" };
    }
  | Refusal;

export interface Reception {
  readonly request: Request;
  readonly workspace: string;
  readonly requestId: string;
  readonly now: number;
}

/** Refuses: those of readJsonBody, resource_not_found, signature_invalid, unreadable_body, service_unavailable. */
export async function receive(env: Env, reception: Reception): Promise<Received> {
  const { request, workspace, now } = reception;
  const settings = settingsFrom(env);
  const secrets = settings.webhookSecrets(workspace);
  if (secrets === undefined) return refuse("resource_not_found");
  const refused = refuseUnreadable(request, WEBHOOK_LIMIT_BYTES);
  if (refused) return refused;
  // Whoever cannot even write the header costs us no more than that.
  const header = readSignatureOf(request.headers, now, settings.acceptsLegacySignatures);
  if (!header.ok) return refuseSignature(reception, header, undefined);
  const body = await readBytes(request, WEBHOOK_LIMIT_BYTES);
  if (!body.ok) return body;
  const verified =
    header.scheme === "standard"
      ? await verifyStandardBody(header, body.bytes, secrets)
      : await verifyBody(header, body.bytes, secrets);
  if (!verified.ok) return refuseSignature(reception, verified, body.bytes);
  const read = await readDelivery(body.bytes, {
    deliveryId: newDeliveryId(),
    source: "opal",
    receivedAt: now,
    secret: `${verified.secret}${SCHEME_NOTE[verified.scheme]}`,
  });
  return read.ok ? takeIn(env, reception, read) : read;
}

export function newDeliveryId(): string {
  return `whd_${randomLetters(DELIVERY_LETTERS)}`;
}

/** What a body says, whether it has just come or is read again. Refuses: unreadable_body, payload_too_large. */
export async function readDelivery(
  raw: Uint8Array,
  receipt: Receipt,
): Promise<({ readonly ok: true } & NormalisedDelivery) | Refusal> {
  const document = parseJsonBytes(raw);
  if (!document.ok) return refuse(document.code, { detail: `${document.why}.` });
  return { ok: true, ...(await normalise(raw, document.value, receipt)) };
}

/** How a receipt names the form in which a secret was used. */
const SCHEME_NOTE = { osa: "", legacy: " (legacy form)", standard: " (standard webhooks)" } as const;

/** X-OSA-Signature decides whenever it is there: another form must not make good what it got wrong. */
function readSignatureOf(headers: Headers, now: number, acceptsLegacy: boolean) {
  const signature = headers.get("X-OSA-Signature");
  const standard = headers.get("webhook-signature");
  if (signature === null && standard !== null) {
    const [id, timestamp] = [headers.get("webhook-id"), headers.get("webhook-timestamp")];
    return readStandardSignature({ id, timestamp, signature: standard }, now);
  }
  return readSignature({ signature, timestamp: headers.get("X-OSA-Timestamp") }, now, acceptsLegacy);
}

/** Insiders learn from the log what was wrong; outsiders do not. */
async function refuseSignature(
  { request, workspace, requestId }: Reception,
  { reason, skewSeconds }: { reason: string; skewSeconds: number | null },
  body: Uint8Array | undefined,
): Promise<Refusal> {
  log("warn", "hmac_verification_failure", {
    request_id: requestId,
    workspace,
    reason,
    signature_provided: request.headers.has("X-OSA-Signature") || request.headers.has("webhook-signature"),
    skew_seconds: skewSeconds,
    source_ip: request.headers.get("CF-Connecting-IP"),
    bytes: body?.length,
    payload_hash: body && (await sha256Hex(body)),
  });
  return refuse("signature_invalid");
}

/** Which session a workflow id of OPAL's belongs to never changes, so an isolate may remember it. */
const sessionOfRemote = new Map<string, string>();
const REMEMBERED_REMOTES = 1_000;

/** Whoever sent it has been verified: finds the run and stores. Refuses: service_unavailable. */
export async function takeIn(
  env: Env,
  { workspace, requestId }: Pick<Reception, "workspace" | "requestId">,
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

/** Undefined when the session knows of no run. */
async function deliverTo(
  env: Env,
  workspace: string,
  sessionId: string,
  incoming: IncomingDelivery,
): Promise<Received | undefined> {
  const result = await env.SYNC_SESSION.getByName(objectName(workspace, sessionId)).deliver(incoming);
  if (result.outcome === "unknown") return undefined;
  const { deliveryId } = incoming.delivery;
  return { ok: true, deliveryId, correlationId: runIdsFrom(sessionId)?.correlationId, result };
}

function remember(cacheKey: string, sessionId: string): void {
  if (sessionOfRemote.size >= REMEMBERED_REMOTES) sessionOfRemote.clear();
  sessionOfRemote.set(cacheKey, sessionId);
}
