// From a drawn request to one that can be sent, and to what it may be answered. Runs in Node and in the Worker alike.
import { bodyOf, headersOf, type Signatory } from "./fuzz-attempts.ts";
import { bytesOf, type RunNames } from "./fuzz-bodies.ts";
import { allowedAnswers, type Knock, tokenOf } from "./fuzz-doors.ts";
import type { Scheme, SignatureFields } from "./fuzz-headers.ts";
import { type Hmac, isGenuine } from "./fuzz-meaning.ts";

export interface Signing {
  readonly scheme: Scheme;
  readonly secret: string;
  readonly time: number;
  readonly id: string;
}

/** What the sender knows. */
export interface Keys {
  readonly secrets: Readonly<Record<Signatory, string>>;
  readonly token: string;
  readonly sign: (body: Uint8Array, signing: Signing) => SignatureFields | Promise<SignatureFields>;
  readonly keyOf: (scheme: Scheme, secret: string) => Uint8Array;
  readonly hmac: Hmac;
  /** Letters that this client cannot put into a header. */
  readonly unsendable: RegExp;
}

export interface Prepared {
  readonly path: string;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Uint8Array;
  readonly isGenuine: boolean;
  readonly allowed: readonly number[];
}

/** No clock is exact to the second on both sides, so nothing is signed that close to the window's edge. */
const EDGE_SECONDS = 280;

/** Where no other scheme is written, so that nothing else decides. */
const NAMES = {
  osa: { signature: "X-OSA-Signature", timestamp: "X-OSA-Timestamp", id: undefined },
  standard: { signature: "webhook-signature", timestamp: "webhook-timestamp", id: "webhook-id" },
  bare: { signature: "x-webhook-signature", timestamp: "x-webhook-timestamp", id: undefined },
} as const;

export async function prepare(knock: Knock, names: RunNames, keys: Keys, nowSeconds: number): Promise<Prepared> {
  const { door, attempt, media } = knock;
  const { scheme } = attempt;
  const sent = bytesOf(knock.body, names);
  const headers = new Map<string, string>();
  if (media !== "") headers.set("Content-Type", media);
  if (door.opens === "token") {
    const token = tokenOf(knock, keys.token);
    if (token !== null) headers.set("Authorization", token);
    const { isGenuine } = knock;
    return { path: door.path, headers, body: sent, isGenuine, allowed: allowedAnswers(knock, isGenuine) };
  }
  const age = Math.max(-EDGE_SECONDS, Math.min(EDGE_SECONDS, attempt.ageSeconds));
  const isEdge = Math.abs(attempt.ageSeconds) <= 301;
  const time = nowSeconds - (isEdge ? age : attempt.ageSeconds);
  const signing = { scheme, secret: keys.secrets[attempt.signatory], time, id: "msg_fuzz" };
  const fields = onTheWire(headersOf(attempt, await keys.sign(sent, signing)), keys.unsendable);
  for (const field of ["signature", "timestamp", "id"] as const) {
    const name = NAMES[scheme][field];
    const text = fields[field];
    if (name !== undefined && text !== null) headers.set(name, text);
  }
  const body = bodyOf(attempt, sent);
  const active = [keys.secrets.current, keys.secrets.previous].map((secret) => keys.keyOf(scheme, secret));
  const isRead = scheme !== "bare" || door.readsBare;
  const genuine =
    knock.isGenuine || (isRead && (await isGenuine({ scheme, fields, body, nowSeconds, keys: active }, keys.hmac)));
  return { path: door.path, headers, body, isGenuine: genuine, allowed: allowedWith(knock, genuine) };
}

/** The receiver's grammar is narrower than the meaning: what was changed and is genuine still may be refused as well. */
function allowedWith(knock: Knock, genuine: boolean): readonly number[] {
  const allowed = allowedAnswers(knock, genuine);
  return genuine && !knock.isGenuine ? [...allowed, 401] : allowed;
}

/** HTTP has no white space around a header's text either. */
function onTheWire(fields: SignatureFields, unsendable: RegExp): SignatureFields {
  const plain = (text: string | null) =>
    text === null ? null : text.replaceAll(unsendable, "?").replaceAll(/^[\t ]+|[\t ]+$/g, "");
  return { signature: plain(fields.signature), timestamp: plain(fields.timestamp), id: plain(fields.id) };
}
