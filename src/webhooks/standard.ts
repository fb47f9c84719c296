// Standard Webhooks signatures (standardwebhooks.com): HMAC-SHA256 over `<id>.<unix seconds>.<raw body>`, in base64.
// The same secret may sign both forms: what is genuine in one can be JSON in the other only for a bare number.
import {
  concat,
  HEADER_LIMIT_CHARACTERS,
  importHmacKey,
  MAX_SIGNATURES,
  type SignatureRefusal,
  TOLERANCE_SECONDS,
  UNIX_SECONDS,
} from "./signature.ts";

const ID = /^[\x21-\x7e]{1,256}$/;
const ITEM = /^(v[0-9]+[a-z]*),([\x21-\x7e]+)$/;
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;
const KEY_PREFIX = "whsec_";
/** Shorter key material is no key; the text around it is then the secret. */
const MIN_KEY_BYTES = 16;

export interface StandardHeaders {
  /** webhook-id */
  readonly id: string | null;
  /** webhook-timestamp */
  readonly timestamp: string | null;
  /** webhook-signature */
  readonly signature: string | null;
}

/** Headers of the right form, signed at an acceptable time; whether they are genuine only the body can tell. */
export interface ReadableStandardSignature {
  readonly ok: true;
  readonly id: string;
  readonly timestamp: string;
  /** Decoded `v1` signatures of whatever length. */
  readonly digests: readonly Uint8Array[];
  readonly scheme: "standard";
  readonly skewSeconds: number;
}

export type StandardVerification<Name extends string> =
  | { readonly ok: true; readonly secret: Name; readonly scheme: "standard"; readonly skewSeconds: number }
  | SignatureRefusal;

/** What can be refused before the body is read. Knows no secret. */
export function readStandardSignature(
  { id, timestamp, signature }: StandardHeaders,
  nowMs: number,
): ReadableStandardSignature | SignatureRefusal {
  if (signature === null) return { ok: false, reason: "missing_signature", skewSeconds: null };
  const digests = parseSignatures(signature);
  if (id === null || !ID.test(id) || timestamp === null || !UNIX_SECONDS.test(timestamp) || digests === undefined) {
    return { ok: false, reason: "invalid_signature_format", skewSeconds: null };
  }
  const skewSeconds = Math.floor(nowMs / 1000) - Number(timestamp);
  if (Math.abs(skewSeconds) > TOLERANCE_SECONDS) {
    return { ok: false, reason: "timestamp_out_of_tolerance", skewSeconds };
  }
  return { ok: true, id, timestamp, digests, scheme: "standard", skewSeconds };
}

/** Never throws for odd input. Every active secret is tried on every signature, so the time taken tells nothing. */
export async function verifyStandardBody<Name extends string>(
  { id, timestamp, digests, scheme, skewSeconds }: ReadableStandardSignature,
  body: Uint8Array,
  secrets: readonly { readonly name: Name; readonly value: string }[],
): Promise<StandardVerification<Name>> {
  const signedBytes = concat(new TextEncoder().encode(`${id}.${timestamp}.`), body);
  let match: Name | undefined;
  for (const { name, value } of secrets) {
    const key = await importHmacKey(standardKey(value), "verify");
    for (const digest of digests) {
      const isGenuine = await crypto.subtle.verify("HMAC", key, digest, signedBytes);
      if (isGenuine) match ??= name;
    }
  }
  if (match === undefined) return { ok: false, reason: "signature_mismatch", skewSeconds };
  return { ok: true, secret: match, scheme, skewSeconds };
}

/** The key bytes a secret stands for: what follows `whsec_` in base64, or else the text itself in UTF-8. */
export function standardKey(secret: string): Uint8Array {
  const key = secret.startsWith(KEY_PREFIX) ? bytesFromBase64(secret.slice(KEY_PREFIX.length)) : undefined;
  return key !== undefined && key.length >= MIN_KEY_BYTES ? key : new TextEncoder().encode(secret);
}

/** Undefined for what is not base64 as an encoder writes it: with its padding and without stray bits. */
export function bytesFromBase64(text: string): Uint8Array | undefined {
  if (text.length % 4 !== 0 || !BASE64.test(text)) return undefined;
  const binary = atob(text);
  if (btoa(binary) !== text) return undefined;
  return Uint8Array.from(binary, (character) => character.charCodeAt(0));
}

/** The `v1` signatures, at least one. Versions nobody here knows are passed over. */
function parseSignatures(header: string): readonly Uint8Array[] | undefined {
  if (header.length > HEADER_LIMIT_CHARACTERS) return undefined;
  const digests: Uint8Array[] = [];
  for (const item of header.split(" ")) {
    const [, version, value] = ITEM.exec(item) ?? [];
    if (version === undefined || value === undefined) return undefined;
    if (version !== "v1") continue;
    const digest = bytesFromBase64(value);
    if (digest === undefined || digests.length === MAX_SIGNATURES) return undefined;
    digests.push(digest);
  }
  return digests.length === 0 ? undefined : digests;
}
