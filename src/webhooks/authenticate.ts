// Who sent it? Announced size > content type > signature header > body > signature. The same for every receiver.
import type { WebhookSecret } from "../env.ts";
import { readBytes, refuseUnreadable } from "../platform/body.ts";
import { type Refusal, type RefusalCode, refuse } from "../platform/refusal.ts";
import { readBareSignature, readSignature, type SignatureFailure, verifyBody } from "./signature.ts";
import { readStandardSignature, verifyStandardBody } from "./standard.ts";

/** Largest body a webhook may have: 10 MiB. */
export const WEBHOOK_LIMIT_BYTES = 10 * 1024 * 1024;

export interface Acceptance {
  readonly secrets: readonly WebhookSecret[];
  readonly acceptsLegacy: boolean;
  /** Also a bare hexadecimal digest in `x-webhook-signature`. */
  readonly acceptsBare: boolean;
}

export interface Authenticated {
  readonly ok: true;
  readonly bytes: Uint8Array;
  /** Name of the secret, and the form when it is not ours. */
  readonly secret: string;
  /** The signed id of a Standard Webhooks message: the same when it is sent again. */
  readonly messageId: string | undefined;
}

/** Insiders learn from the rejection what was wrong; outsiders do not. */
export interface Rejected {
  readonly ok: false;
  readonly refusal: Refusal;
  readonly reason: SignatureFailure | RefusalCode;
  readonly skewSeconds: number | null;
  /** The body, as far as it was read. */
  readonly bytes: Uint8Array | undefined;
}

/** Refuses: payload_too_large, unsupported_media_type, signature_invalid, read_timeout, unreadable_body. */
export async function authenticate(
  request: Request,
  { secrets, acceptsLegacy, acceptsBare }: Acceptance,
  now: number,
): Promise<Authenticated | Rejected> {
  const refused = refuseUnreadable(request, WEBHOOK_LIMIT_BYTES);
  if (refused) return rejected(refused);
  // Whoever cannot even write the header costs us no more than that.
  const header = readSignatureOf(request.headers, now, acceptsLegacy, acceptsBare);
  if (!header.ok) return { ...rejected(refuse("signature_invalid")), ...header, bytes: undefined };
  const body = await readBytes(request, WEBHOOK_LIMIT_BYTES);
  if (!body.ok) return rejected(body);
  const { bytes } = body;
  const verified =
    header.scheme === "standard"
      ? await verifyStandardBody(header, bytes, secrets)
      : await verifyBody(header, bytes, secrets);
  if (!verified.ok) return { ...rejected(refuse("signature_invalid")), ...verified, bytes };
  const messageId = header.scheme === "standard" ? header.id : undefined;
  return { ok: true, bytes, secret: `${verified.secret}${SCHEME_NOTE[verified.scheme]}`, messageId };
}

export function rejected(refusal: Refusal, bytes?: Uint8Array): Rejected {
  return { ok: false, refusal, reason: refusal.code, skewSeconds: null, bytes };
}

/** How a receipt names the form in which a secret was used. */
const SCHEME_NOTE = {
  osa: "",
  legacy: " (legacy form)",
  bare: " (bare digest)",
  standard: " (standard webhooks)",
} as const;

/** The first of the forms that is there decides: another one must not make good what it got wrong. */
function readSignatureOf(headers: Headers, now: number, acceptsLegacy: boolean, acceptsBare: boolean) {
  const signature = headers.get("X-OSA-Signature");
  const bare = headers.get("x-webhook-signature");
  const standard = headers.get("webhook-signature");
  if (signature === null && bare !== null && acceptsBare) {
    return readBareSignature({ signature: bare, timestamp: headers.get("x-webhook-timestamp") }, now);
  }
  if (signature === null && standard !== null) {
    const [id, timestamp] = [headers.get("webhook-id"), headers.get("webhook-timestamp")];
    return readStandardSignature({ id, timestamp, signature: standard }, now);
  }
  return readSignature({ signature, timestamp: headers.get("X-OSA-Timestamp") }, now, acceptsLegacy);
}
