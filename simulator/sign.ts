// The signature of both directions: `t=<unix seconds>,v1=<64 hex>`, HMAC-SHA256 over `t`, a dot and the raw body.
// Independent of src/ on purpose: two implementations that agree prove the format, one used twice proves nothing.

import { createHmac, timingSafeEqual } from "node:crypto";

export const TOLERANCE_SECONDS = 300;

const HEADER = /^t=([1-9]\d{0,11}),v1=([0-9a-f]{64})$/;

export type SignatureCheck = "valid" | "missing" | "malformed" | "outside the time window" | "mismatch";

export function sign(secret: string, body: Buffer, atSeconds: number): string {
  return `t=${atSeconds},v1=${digest(secret, body, atSeconds).toString("hex")}`;
}

/** What is wrong is told apart here, because people use the simulator to find out why their signature fails. */
export function checkSignature(
  secret: string,
  body: Buffer,
  header: string | undefined,
  nowSeconds: number,
): SignatureCheck {
  if (header === undefined) return "missing";
  const [, seconds, hex] = HEADER.exec(header.trim()) ?? [];
  if (seconds === undefined || hex === undefined) return "malformed";
  const atSeconds = Number(seconds);
  if (Math.abs(nowSeconds - atSeconds) > TOLERANCE_SECONDS) return "outside the time window";
  return timingSafeEqual(Buffer.from(hex, "hex"), digest(secret, body, atSeconds)) ? "valid" : "mismatch";
}

function digest(secret: string, body: Buffer, atSeconds: number): Buffer {
  return createHmac("sha256", secret).update(`${atSeconds}.`).update(body).digest();
}
