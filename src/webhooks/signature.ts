// The webhook signature, for receiving and sending: HMAC-SHA256 over `<unix seconds>.<raw body>`, written as
// `X-OSA-Signature: t=<unix seconds>,v1=<64 lower-case hex>`. The scheme is Stripe's, with a stricter grammar.

import { hex } from "../platform/hash.ts";

/** Accepted distance between the signed time and ours, in both directions. */
export const TOLERANCE_SECONDS = 300;

export const HEADER_LIMIT_CHARACTERS = 1024;
export const MAX_SIGNATURES = 5;
const DIGEST = /^[0-9a-f]{64}$/;
/** Unix seconds in plain decimal digits, without sign, padding or fraction. */
export const UNIX_SECONDS = /^[1-9][0-9]{8,11}$/;
/** The old application signed 13-digit milliseconds directly followed by the body. */
export const LEGACY_MILLISECONDS = /^[1-9][0-9]{12}$/;

export type SignatureFailure =
  | "missing_signature"
  | "invalid_signature_format"
  | "timestamp_out_of_tolerance"
  | "signature_mismatch";

/** Ours, the old application's, and a bare digest with the time in a header of its own. */
export type OwnScheme = "osa" | "legacy" | "bare";

export type Verification<Name extends string> =
  | { readonly ok: true; readonly secret: Name; readonly scheme: OwnScheme; readonly skewSeconds: number }
  | SignatureRefusal;

interface ParsedHeader {
  readonly timestamp: string;
  readonly digests: readonly string[];
}

export interface SignatureHeaders {
  /** X-OSA-Signature */
  readonly signature: string | null;
  /** X-OSA-Timestamp: needed when the signature header has no `t`, and must agree with it when it has. */
  readonly timestamp: string | null;
}

export interface SignedRequest extends SignatureHeaders {
  readonly body: Uint8Array;
}

/** A header of the right form, signed at an acceptable time; whether it is genuine only the body can tell. */
export interface ReadableSignature {
  readonly ok: true;
  readonly timestamp: string;
  readonly digests: readonly string[];
  readonly scheme: OwnScheme;
  readonly skewSeconds: number;
}

export interface SignatureRefusal {
  readonly ok: false;
  readonly reason: SignatureFailure;
  readonly skewSeconds: number | null;
}

/** What can be refused before the body is read. Knows no secret, so its time tells nothing about one. */
export function readSignature(
  headers: SignatureHeaders,
  nowMs: number,
  acceptsLegacy: boolean,
): ReadableSignature | SignatureRefusal {
  if (headers.signature === null) return { ok: false, reason: "missing_signature", skewSeconds: null };
  const header = parseHeader(headers.signature, headers.timestamp);
  const isLegacy = acceptsLegacy && header !== undefined && LEGACY_MILLISECONDS.test(header.timestamp);
  if (header === undefined || !(isLegacy || UNIX_SECONDS.test(header.timestamp))) {
    return { ok: false, reason: "invalid_signature_format", skewSeconds: null };
  }
  const signedSeconds = Math.floor(Number(header.timestamp) / (isLegacy ? 1000 : 1));
  const skewSeconds = Math.floor(nowMs / 1000) - signedSeconds;
  if (Math.abs(skewSeconds) > TOLERANCE_SECONDS)
    return { ok: false, reason: "timestamp_out_of_tolerance", skewSeconds };
  return { ok: true, ...header, scheme: isLegacy ? "legacy" : "osa", skewSeconds };
}

/** `x-webhook-signature: <hex>` and `x-webhook-timestamp: <unix seconds>`, over the same bytes as ours. */
export function readBareSignature(headers: SignatureHeaders, nowMs: number): ReadableSignature | SignatureRefusal {
  const { signature, timestamp } = headers;
  if (signature === null) return { ok: false, reason: "missing_signature", skewSeconds: null };
  if (timestamp === null || !DIGEST.test(signature) || !UNIX_SECONDS.test(timestamp)) {
    return { ok: false, reason: "invalid_signature_format", skewSeconds: null };
  }
  const skewSeconds = Math.floor(nowMs / 1000) - Number(timestamp);
  if (Math.abs(skewSeconds) > TOLERANCE_SECONDS) {
    return { ok: false, reason: "timestamp_out_of_tolerance", skewSeconds };
  }
  return { ok: true, timestamp, digests: [signature], scheme: "bare", skewSeconds };
}

/** Never throws for odd input. Every active secret is tried on every signature, so the time taken tells nothing. */
export async function verifyBody<Name extends string>(
  { timestamp, digests, scheme, skewSeconds }: ReadableSignature,
  body: Uint8Array,
  secrets: readonly { readonly name: Name; readonly value: string }[],
): Promise<Verification<Name>> {
  const signedBytes = concat(new TextEncoder().encode(scheme === "legacy" ? timestamp : `${timestamp}.`), body);
  let match: Name | undefined;
  for (const { name, value } of secrets) {
    const key = await verifyingKey(value);
    for (const digest of digests) {
      const isGenuine = await crypto.subtle.verify("HMAC", key, bytesFromHex(digest), signedBytes);
      if (isGenuine) match ??= name;
    }
  }
  if (match === undefined) return { ok: false, reason: "signature_mismatch", skewSeconds };
  return { ok: true, secret: match, scheme, skewSeconds };
}

/** Both steps for a request whose body is at hand. */
export async function verifySignature<Name extends string>(
  request: SignedRequest,
  secrets: readonly { readonly name: Name; readonly value: string }[],
  nowMs: number,
  acceptsLegacy: boolean,
): Promise<Verification<Name>> {
  const header = readSignature(request, nowMs, acceptsLegacy);
  return header.ok ? verifyBody(header, request.body, secrets) : header;
}

/** The header's value for a body we send. */
export async function signBody(body: Uint8Array, secret: string, nowMs: number): Promise<string> {
  const seconds = Math.floor(nowMs / 1000);
  const key = await importKey(secret, "sign");
  const digest = await crypto.subtle.sign("HMAC", key, concat(new TextEncoder().encode(`${seconds}.`), body));
  return `t=${seconds},v1=${hex(new Uint8Array(digest))}`;
}

function parseHeader(signature: string, timestamp: string | null): ParsedHeader | undefined {
  if (signature.length > HEADER_LIMIT_CHARACTERS) return undefined;
  const items = signature.split(",").map((item) => /^ *([a-z0-9]+)=([^ =]+) *$/.exec(item));
  const times: string[] = [];
  const digests: string[] = [];
  for (const item of items) {
    const [, key, value] = item ?? [];
    if (key === undefined || value === undefined) return undefined;
    if (key === "t") times.push(value);
    if (key === "v1") digests.push(value);
  }
  if (timestamp !== null) times.push(timestamp.trim());
  const [time] = times;
  const isOneTime = time !== undefined && times.every((other) => other === time);
  const hasDoubleTime = times.length > (timestamp === null ? 1 : 2);
  if (!isOneTime || hasDoubleTime || digests.length === 0 || digests.length > MAX_SIGNATURES) return undefined;
  return digests.every((digest) => DIGEST.test(digest)) ? { timestamp: time, digests } : undefined;
}

/** Keys of secrets that were used to verify; a secret never becomes another key. */
const verifyingKeys = new Map<string, Promise<CryptoKey>>();
const KEYS_REMEMBERED = 100;

function verifyingKey(secret: string): Promise<CryptoKey> {
  const known = verifyingKeys.get(secret);
  if (known !== undefined) return known;
  if (verifyingKeys.size >= KEYS_REMEMBERED) verifyingKeys.clear();
  const key = importKey(secret, "verify");
  verifyingKeys.set(secret, key);
  return key;
}

function importKey(secret: string, usage: "sign" | "verify"): Promise<CryptoKey> {
  return importHmacKey(new TextEncoder().encode(secret), usage);
}

/** A key for HMAC-SHA256; throws when it has no bytes. */
export function importHmacKey(key: Uint8Array, usage: "sign" | "verify"): Promise<CryptoKey> {
  return crypto.subtle.importKey("raw", key, { name: "HMAC", hash: "SHA-256" }, false, [usage]);
}

export function concat(head: Uint8Array, tail: Uint8Array): Uint8Array {
  const all = new Uint8Array(head.length + tail.length);
  all.set(head);
  all.set(tail, head.length);
  return all;
}

/** The digits must be hexadecimal, in pairs. */
export function bytesFromHex(digits: string): Uint8Array {
  return Uint8Array.from({ length: digits.length / 2 }, (_, index) =>
    Number.parseInt(digits.slice(index * 2, index * 2 + 2), 16),
  );
}
