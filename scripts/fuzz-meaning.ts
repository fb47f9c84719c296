// What a signature header means, read as generously as anybody might: the judge of what the receiver accepted. It shares
// no code with the receiver. Runs in Node and in the Worker alike.
import type { Scheme, SignatureFields } from "./fuzz-headers.ts";

/** HMAC-SHA256, by whichever implementation the receiver does not use. */
export type Hmac = (key: Uint8Array, signed: Uint8Array) => Uint8Array | Promise<Uint8Array>;

export interface Judgement {
  readonly scheme: Scheme;
  readonly fields: SignatureFields;
  readonly body: Uint8Array;
  readonly nowSeconds: number;
  /** Keys of the active secrets in this scheme. */
  readonly keys: readonly Uint8Array[];
}

const WINDOW_SECONDS = 300;

/** Whether the headers hold the HMAC of this very body and of the one time they name, with an active secret, in time. */
export async function isGenuine({ scheme, fields, body, nowSeconds, keys }: Judgement, hmac: Hmac): Promise<boolean> {
  const { times, digests, prefix } = READ[scheme](fields);
  const [time] = times;
  if (time === undefined || times.some((other) => other !== time) || !/^[0-9]+$/.test(time)) return false;
  if (Math.abs(nowSeconds - Number(time)) > WINDOW_SECONDS) return false;
  const head = new TextEncoder().encode(prefix(time));
  const signed = new Uint8Array(head.length + body.length);
  signed.set(head);
  signed.set(body, head.length);
  for (const key of keys) {
    const digest = await hmac(key, signed);
    if (digests.includes(scheme === "standard" ? base64Of(digest) : hexOf(digest))) return true;
  }
  return false;
}

interface Claims {
  readonly times: readonly string[];
  readonly digests: readonly string[];
  readonly prefix: (time: string) => string;
}

const READ: Readonly<Record<Scheme, (fields: SignatureFields) => Claims>> = {
  osa: readOwn,
  standard: readStandard,
  bare: ({ signature, timestamp }) => ({
    times: timestamp === null ? [] : [timestamp.trim()],
    digests: [(signature ?? "").trim()],
    prefix: (time) => `${time}.`,
  }),
};

function readOwn({ signature, timestamp }: SignatureFields): Claims {
  const items = (signature ?? "").split(",").map((item) => item.trim());
  const valuesOf = (key: string) => items.filter((item) => item.startsWith(key)).map((item) => item.slice(key.length));
  const times = [...valuesOf("t="), ...(timestamp === null ? [] : [timestamp.trim()])];
  return { times, digests: valuesOf("v1="), prefix: (time) => `${time}.` };
}

function readStandard({ signature, timestamp, id }: SignatureFields): Claims {
  const items = (signature ?? "").split(" ").filter((item) => item.startsWith("v1,"));
  const times = timestamp === null ? [] : [timestamp.trim()];
  return { times, digests: items.map((item) => item.slice(3)), prefix: (time) => `${(id ?? "").trim()}.${time}.` };
}

function hexOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function base64Of(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes));
}
