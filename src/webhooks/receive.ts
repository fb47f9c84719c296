// The receiver's pipeline: size > content type > signature > JSON > normalise > find the run > store > answer.
// D1 is not touched here; a delivery is answered once the object that owns it has written it down.
import { type Env, type Settings, settingsFrom } from "../env.ts";
import { readJsonBody } from "../platform/body.ts";
import { objectName } from "../platform/ids.ts";
import { parseJsonBytes } from "../platform/json.ts";
import { log } from "../platform/log.ts";
import { randomLetters } from "../platform/random.ts";
import { type Refusal, refuse } from "../platform/refusal.ts";
import type { DeliveryOutcome } from "../sync/delivery.ts";
import { type NormalisedDelivery, normalise } from "./normalise.ts";
import { verifySignature } from "./signature.ts";

/** Largest body a webhook may have: 10 MiB. */
export const WEBHOOK_LIMIT_BYTES = 10 * 1024 * 1024;

const DELIVERY_LETTERS = 20;
const RETRY_SOON_SECONDS = 2;

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
  const settings = settingsFrom(env);
  const secrets = settings.webhookSecrets(reception.workspace);
  if (secrets === undefined) return refuse("resource_not_found");
  const body = await readJsonBody(reception.request, WEBHOOK_LIMIT_BYTES);
  if (!body.ok) return body;
  const secret = await verify(reception, body.bytes, secrets, settings);
  if (secret === undefined) return refuse("signature_invalid");
  const document = parseJsonBytes(body.bytes);
  if (!document.ok) return refuse("unreadable_body", { detail: `${document.why}.` });
  const receipt = {
    deliveryId: `whd_${randomLetters(DELIVERY_LETTERS)}`,
    source: "opal",
    receivedAt: reception.now,
    secret,
  };
  return store(env, reception, await normalise(body.bytes, document.value, receipt));
}

/** The matching secret's name. Insiders learn from the log why there is none; outsiders do not. */
async function verify(
  { request, requestId, now, workspace }: Reception,
  body: Uint8Array,
  secrets: NonNullable<ReturnType<Settings["webhookSecrets"]>>,
  settings: Settings,
): Promise<string | undefined> {
  const signed = {
    body,
    signature: request.headers.get("X-OSA-Signature"),
    timestamp: request.headers.get("X-OSA-Timestamp"),
  };
  const verified = await verifySignature(signed, secrets, now, settings.acceptsLegacySignatures);
  if (verified.ok) return verified.scheme === "legacy" ? `${verified.secret} (legacy form)` : verified.secret;
  log("warn", "hmac_verification_failure", {
    request_id: requestId,
    workspace,
    reason: verified.reason,
    skew_seconds: verified.skewSeconds,
    source_ip: request.headers.get("CF-Connecting-IP"),
    bytes: body.length,
  });
  return undefined;
}

/** Which session a workflow id of OPAL's belongs to never changes, so an isolate may remember it. */
const sessionOfRemote = new Map<string, string>();
const REMEMBERED_REMOTES = 1_000;

async function store(env: Env, reception: Reception, { incoming, ourRun }: NormalisedDelivery): Promise<Received> {
  const { workspace } = reception;
  const { deliveryId, remoteId } = incoming.delivery;
  const session = (id: string) => env.SYNC_SESSION.getByName(objectName(workspace, id));
  try {
    if (ourRun) {
      const outcome = await session(ourRun.sessionId).deliver(incoming);
      if (outcome.outcome !== "unknown") {
        return { ok: true, deliveryId, correlationId: ourRun.correlationId, result: outcome };
      }
    }
    const cacheKey = objectName(workspace, remoteId ?? "");
    const remembered = sessionOfRemote.get(cacheKey);
    if (remembered !== undefined) {
      const outcome = await session(remembered).deliver(incoming);
      if (outcome.outcome !== "unknown") return { ok: true, deliveryId, correlationId: undefined, result: outcome };
      sessionOfRemote.delete(cacheKey);
    }
    const placed = await env.WORKSPACE.getByName(objectName(workspace, "workspace")).place(incoming);
    if (placed.outcome === "held")
      return { ok: true, deliveryId, correlationId: undefined, result: { outcome: "held" } };
    if (placed.outcome === "duplicate") return { ok: true, deliveryId, correlationId: undefined, result: placed };
    if (sessionOfRemote.size >= REMEMBERED_REMOTES) sessionOfRemote.clear();
    sessionOfRemote.set(cacheKey, placed.sessionId);
    const outcome = await session(placed.sessionId).deliver(incoming);
    if (outcome.outcome === "unknown") return refuse("service_unavailable", { retryAfterSeconds: RETRY_SOON_SECONDS });
    return { ok: true, deliveryId, correlationId: undefined, result: outcome };
  } catch (error) {
    // The sender keeps the delivery and sends it again; nothing is half written.
    log("error", "delivery_not_stored", { request_id: reception.requestId, workspace, error: String(error) });
    return refuse("service_unavailable", { retryAfterSeconds: RETRY_SOON_SECONDS });
  }
}
