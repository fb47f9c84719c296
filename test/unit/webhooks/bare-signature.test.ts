// A bare hexadecimal digest with its time in a header of its own, as other systems send it.
import { expect, test } from "vitest";
import { readBareSignature, signBody, verifyBody } from "../../../src/webhooks/signature.ts";

const NOW = 1_700_000_000_000;
const SECRETS = [{ name: "current", value: "a-secret-of-at-least-thirty-two-characters" }];
const BODY = new TextEncoder().encode('{"a":1}');

async function digestAt(seconds: number): Promise<string> {
  const header = await signBody(BODY, SECRETS[0]?.value ?? "", seconds * 1000);
  return header.replace(/^.*v1=/, "");
}

async function isAccepted(signature: string | null, timestamp: string | null): Promise<boolean | string> {
  const read = readBareSignature({ signature, timestamp }, NOW);
  if (!read.ok) return read.reason;
  const verified = await verifyBody(read, BODY, SECRETS);
  return verified.ok ? true : verified.reason;
}

test("is the same HMAC over the same bytes as in our own header", async () => {
  expect(await isAccepted(await digestAt(1_700_000_000), "1700000000")).toBe(true);
});

test("is accepted within 300 seconds either way, and not beyond", async () => {
  for (const [seconds, expected] of [
    [1_699_999_700, true],
    [1_700_000_300, true],
    [1_699_999_699, "timestamp_out_of_tolerance"],
    [1_700_000_301, "timestamp_out_of_tolerance"],
  ] as const) {
    expect(await isAccepted(await digestAt(seconds), String(seconds))).toBe(expected);
  }
});

test("binds the time: another one in the header does not fit", async () => {
  expect(await isAccepted(await digestAt(1_700_000_000), "1700000001")).toBe("signature_mismatch");
});

test.for([
  ["no signature", null, "1700000000", "missing_signature"],
  ["no time", "a".repeat(64), null, "invalid_signature_format"],
  ["capital letters", "A".repeat(64), "1700000000", "invalid_signature_format"],
  ["63 digits", "a".repeat(63), "1700000000", "invalid_signature_format"],
  ["two digests", `${"a".repeat(64)}, ${"b".repeat(64)}`, "1700000000", "invalid_signature_format"],
  ["milliseconds", "a".repeat(64), "1700000000000", "invalid_signature_format"],
  ["time zero", "a".repeat(64), "0", "invalid_signature_format"],
  ["another secret", "a".repeat(64), "1700000000", "signature_mismatch"],
] as const)("%s is refused", async ([, signature, timestamp, reason]) => {
  expect(await isAccepted(signature, timestamp)).toBe(reason);
});
