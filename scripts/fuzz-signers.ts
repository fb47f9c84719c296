// Genuine signatures by signers that share no code with the receiver: the `stripe` and `standardwebhooks` libraries where
// the body is text (they take nothing else), and Node's own HMAC where it is not.
import { createHmac } from "node:crypto";
import { Webhook } from "standardwebhooks";
import Stripe from "stripe";
import type { Scheme, SignatureFields } from "./fuzz-headers.ts";
import type { Hmac } from "./fuzz-meaning.ts";

export interface Signing {
  readonly scheme: Scheme;
  readonly secret: string;
  /** Unix seconds. */
  readonly time: number;
  /** For the standard form. */
  readonly id: string;
}

const KEYED = "whsec_";

export function signText(text: string, { scheme, secret, time, id }: Signing): SignatureFields {
  if (scheme !== "standard") {
    const signature = Stripe.webhooks.generateTestHeaderString({ payload: text, secret, timestamp: time });
    if (scheme === "osa") return { signature, timestamp: null, id: null };
    return { signature: signature.replace(/^.*v1=/, ""), timestamp: String(time), id: null };
  }
  const signer = secret.startsWith(KEYED) ? new Webhook(secret) : new Webhook(secret, { format: "raw" });
  return { signature: signer.sign(id, new Date(time * 1000), text), timestamp: String(time), id };
}

export function signBytes(body: Uint8Array, { scheme, secret, time, id }: Signing): SignatureFields {
  const mac = createHmac("sha256", keyOf(scheme, secret));
  if (scheme !== "standard") {
    const digest = mac.update(`${time}.`).update(body).digest("hex");
    if (scheme === "bare") return { signature: digest, timestamp: String(time), id: null };
    return { signature: `t=${time},v1=${digest}`, timestamp: null, id: null };
  }
  const digest = mac.update(`${id}.${time}.`).update(body).digest("base64");
  return { signature: `v1,${digest}`, timestamp: String(time), id };
}

/** The bytes a secret stands for in a scheme. */
export function keyOf(scheme: Scheme, secret: string): Uint8Array {
  const isKeyed = scheme === "standard" && secret.startsWith(KEYED);
  return isKeyed ? Buffer.from(secret.slice(KEYED.length), "base64") : Buffer.from(secret);
}

export const nodeHmac: Hmac = (key, signed) => createHmac("sha256", key).update(signed).digest();
