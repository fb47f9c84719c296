// The dashboard's cookie session: a signed statement of who signed in and until when.
import { z } from "zod";

export const SESSION_MS = 12 * 60 * 60_000;

const utf8 = new TextEncoder();

const claims = z.object({ subject: z.string(), expiresAt: z.number() });
export type SessionClaims = z.infer<typeof claims>;

/** `<claims>.<HMAC-SHA256>`, both base64url. */
export async function sealSession(session: SessionClaims, secret: string): Promise<string> {
  const payload = utf8.encode(JSON.stringify(session));
  const seal = await crypto.subtle.sign("HMAC", await sessionKey(secret), payload);
  return `${base64url(payload)}.${base64url(new Uint8Array(seal))}`;
}

/** The claims of a genuine session that has not expired; undefined for anything else. */
export async function openSession(cookie: string, secret: string, now: number): Promise<SessionClaims | undefined> {
  const [payload, seal, ...more] = cookie.split(".").map(bytesFromBase64url);
  if (!payload || !seal || more.length > 0) return undefined;
  if (!(await crypto.subtle.verify("HMAC", await sessionKey(secret), seal, payload))) return undefined;
  const parsed = claims.safeParse(JSON.parse(new TextDecoder().decode(payload)));
  return parsed.success && parsed.data.expiresAt > now ? parsed.data : undefined;
}

/** Equal or not, in a time that tells nothing about where two texts differ: as many bytes as expected are compared. */
export function isSameText(given: string, expected: string): boolean {
  const right = utf8.encode(expected);
  const left = new Uint8Array(right.length);
  const { read, written } = utf8.encodeInto(given, left);
  const isSame = crypto.subtle.timingSafeEqual(left, right);
  return isSame && read === given.length && written === right.length;
}

/** Of the one secret that an isolate has. */
let imported: { readonly secret: string; readonly key: CryptoKey } | undefined;

async function sessionKey(secret: string): Promise<CryptoKey> {
  if (imported?.secret === secret) return imported.key;
  const bytes = utf8.encode(`dashboard session:${secret}`);
  const key = await crypto.subtle.importKey("raw", bytes, { name: "HMAC", hash: "SHA-256" }, false, ["sign", "verify"]);
  imported = { secret, key };
  return key;
}

function base64url(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replaceAll("=", "");
}

function bytesFromBase64url(text: string): Uint8Array | undefined {
  if (!/^[A-Za-z0-9_-]{1,1024}$/.test(text)) return undefined;
  try {
    return Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (character) =>
      character.charCodeAt(0),
    );
  } catch {
    return undefined;
  }
}
