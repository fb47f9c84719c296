// Reliability 2.2: our grammar of the header, stricter than Stripe's. One genuine digest, written in every odd way.
import { createHmac } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test, vi } from "vitest";
import { verifySignature } from "../../../src/webhooks/signature.ts";

// Thousands of cases each, on a machine that may be busy with other files.
vi.setConfig({ testTimeout: 60_000 });

const T = 1_700_000_000;
const body = new TextEncoder().encode('{"a":1}');
const GOOD = createHmac("sha256", "whsec_test").update(`${T}.{"a":1}`).digest("hex");
const BAD = "0".repeat(64);

async function verdict(signature: string | null, timestamp: string | null = null): Promise<string> {
  const secrets = [{ name: "current", value: "whsec_test" }];
  const verified = await verifySignature({ body, signature, timestamp }, secrets, T * 1000, false);
  return verified.ok ? "accepted" : verified.reason;
}

test.each<[string, string]>([
  ["as documented", `t=${T},v1=${GOOD}`],
  ["the digest first", `v1=${GOOD},t=${T}`],
  ["a space after the comma", `t=${T}, v1=${GOOD}`],
  ["spaces around the items", ` t=${T} , v1=${GOOD} `],
  ["several digests, the last one good", `t=${T},v1=${BAD},v1=${GOOD}`],
  ["several digests, the first one good", `t=${T},v1=${GOOD},v1=${BAD}`],
  ["five digests", `t=${T},v1=${BAD},v1=${BAD},v1=${BAD},v1=${BAD},v1=${GOOD}`],
  ["keys nobody knows", `t=${T},v1=${GOOD},v0=${BAD},nonce=7f`],
])("accepted: %s", async (_what, signature) => {
  expect(await verdict(signature)).toBe("accepted");
});

test.each<[string, string]>([
  ["nothing", ""],
  ["words", "not a signature"],
  ["only a time", `t=${T}`],
  ["only a digest", `v1=${GOOD}`],
  ["a bare digest", GOOD],
  ["another scheme's form", `sha256=${GOOD}`],
  ["only the old scheme", `t=${T},v0=${GOOD}`],
  ["an upper-case digest", `t=${T},v1=${GOOD.toUpperCase()}`],
  ["upper-case keys", `T=${T},V1=${GOOD}`],
  ["a digest of 63 digits", `t=${T},v1=${GOOD.slice(1)}`],
  ["a digest of 65 digits", `t=${T},v1=${GOOD}0`],
  ["a digest with a letter beyond f", `t=${T},v1=${GOOD.slice(1)}g`],
  ["a good digest beside a malformed one", `t=${T},v1=${GOOD},v1=zz`],
  ["an empty digest", `t=${T},v1=`],
  ["six digests", `t=${T},${Array(6).fill(`v1=${GOOD}`).join(",")}`],
  ["two times", `t=${T},t=${T},v1=${GOOD}`],
  ["two times that differ", `t=1,t=${T},v1=${GOOD}`],
  ["a time of nought", `t=0,v1=${GOOD}`],
  ["a negative time", `t=-${T},v1=${GOOD}`],
  ["a time with a sign", `t=+${T},v1=${GOOD}`],
  ["a padded time", `t=0${T},v1=${GOOD}`],
  ["a time with a fraction", `t=${T}.0,v1=${GOOD}`],
  ["a time in hexadecimal", `t=0x6553f100,v1=${GOOD}`],
  ["a time with an exponent", `t=17e8,v1=${GOOD}`],
  ["a time with letters after it", `t=${T}abc,v1=${GOOD}`],
  ["a time in milliseconds", `t=${T}000,v1=${GOOD}`],
  ["an empty time", `t=,v1=${GOOD}`],
  ["a trailing comma", `t=${T},v1=${GOOD},`],
  ["a leading comma", `,t=${T},v1=${GOOD}`],
  ["a trailing equals sign", `t=${T},v1=${GOOD}=`],
  ["an item without a value", `t=${T},v1=${GOOD},flag`],
  ["a space inside an item", `t=${T},v1 =${GOOD}`],
  ["semicolons", `t=${T};v1=${GOOD}`],
  ["digits of another script", `t=１７０００００００００,v1=${GOOD}`],
  ["a line break", `t=${T},\nv1=${GOOD}`],
  ["two header lines joined into one", `t=${T},v1=${GOOD}, t=${T},v1=${GOOD}`],
  ["more than 1,024 characters", `t=${T},v1=${GOOD},pad=${"x".repeat(1_024)}`],
])("malformed: %s", async (_what, signature) => {
  expect(await verdict(signature)).toBe("invalid_signature_format");
});

test("no header at all is told apart from a malformed one", async () => {
  expect(await verdict(null)).toBe("missing_signature");
  expect(await verdict(null, String(T))).toBe("missing_signature");
});

test("a header of exactly 1,024 characters is read", async () => {
  const start = `t=${T},v1=${GOOD},pad=`;
  expect(await verdict(start.padEnd(1_024, "x"))).toBe("accepted");
  expect(await verdict(start.padEnd(1_025, "x"))).toBe("invalid_signature_format");
});

describe("a time in a header of its own", () => {
  test("stands in for one that the signature lacks", async () => {
    expect(await verdict(`v1=${GOOD}`, String(T))).toBe("accepted");
    expect(await verdict(`v1=${GOOD}`, ` ${T} `)).toBe("accepted");
  });

  test("may repeat the one in the signature, but not contradict it", async () => {
    expect(await verdict(`t=${T},v1=${GOOD}`, String(T))).toBe("accepted");
    expect(await verdict(`t=${T},v1=${GOOD}`, String(T + 1))).toBe("invalid_signature_format");
    expect(await verdict(`t=${T},v1=${GOOD}`, "")).toBe("invalid_signature_format");
  });

  test("is signed like the other: a different one fits no digest", async () => {
    expect(await verdict(`v1=${GOOD}`, String(T + 1))).toBe("signature_mismatch");
  });

  test("is held to the same grammar", async () => {
    expect(await verdict(`v1=${GOOD}`, `${T}000`)).toBe("invalid_signature_format");
    expect(await verdict(`v1=${GOOD}`, "yesterday")).toBe("invalid_signature_format");
  });

  test("does not excuse two times in the signature", async () => {
    expect(await verdict(`t=${T},t=${T},v1=${GOOD}`, String(T))).toBe("invalid_signature_format");
  });
});

test("no header makes the check throw, and none but the genuine digest is accepted", async () => {
  const noise = fc.oneof(
    fc.string({ unit: "binary", maxLength: 200 }),
    fc.stringMatching(/^(t=[0-9]{1,13}|v1=[0-9a-f]{60,66}|,| |=){1,8}$/),
    fc.tuple(fc.integer(), fc.stringMatching(/^[0-9a-f]{64}$/)).map(([t, v1]) => `t=${t},v1=${v1}`),
  );
  await fc.assert(
    fc.asyncProperty(noise, fc.option(noise), async (signature, timestamp) => {
      fc.pre(!signature.includes(GOOD));
      expect(await verdict(signature, timestamp)).not.toBe("accepted");
    }),
    { numRuns: 5_000 },
  );
});

test("changing any one digit of the digest, or the time, makes it worthless", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.nat(63),
      fc.integer({ min: 1, max: 15 }),
      fc.integer({ min: -300, max: 300 }),
      async (place, change, shift) => {
        const digit = ((Number.parseInt(GOOD.charAt(place), 16) + change) % 16).toString(16);
        const forged = GOOD.slice(0, place) + digit + GOOD.slice(place + 1);
        expect(await verdict(`t=${T},v1=${forged}`)).toBe("signature_mismatch");
        if (shift !== 0) expect(await verdict(`t=${T + shift},v1=${GOOD}`)).toBe("signature_mismatch");
      },
    ),
    { numRuns: 2_000 },
  );
});
