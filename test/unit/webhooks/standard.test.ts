// Standard Webhooks signatures, by the published vector and by a signer that shares no code with ours.
import { createHmac } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test, vi } from "vitest";
import { verifySignature } from "../../../src/webhooks/signature.ts";
import {
  bytesFromBase64,
  readStandardSignature,
  type StandardHeaders,
  standardKey,
  verifyStandardBody,
} from "../../../src/webhooks/standard.ts";

vi.setConfig({ testTimeout: 60_000 });

const SECRET = "a-plain-text-secret-of-forty-characters-";
const KEYED = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const ID = "msg_2f";
const T = 1_700_000_000;
const BODY = '{"a":1}';

const bytes = (text: string) => new TextEncoder().encode(text);

function sign(signed: string, key: string | Uint8Array = SECRET): string {
  return `v1,${createHmac("sha256", key).update(signed).digest("base64")}`;
}

const GOOD = sign(`${ID}.${T}.${BODY}`);
const BAD = `v1,${Buffer.alloc(32).toString("base64")}`;

interface Given extends Partial<StandardHeaders> {
  readonly body?: string | Uint8Array;
  readonly now?: number;
  readonly secrets?: readonly { readonly name: string; readonly value: string }[];
}

async function verify({ body = BODY, now = T * 1000, secrets, ...headers }: Given) {
  const read = readStandardSignature({ id: ID, timestamp: String(T), signature: GOOD, ...headers }, now);
  if (!read.ok) return read;
  const raw = typeof body === "string" ? bytes(body) : body;
  return verifyStandardBody(read, raw, secrets ?? [{ name: "current", value: SECRET }]);
}

async function verdict(given: Given): Promise<string> {
  const verified = await verify(given);
  return verified.ok ? "accepted" : verified.reason;
}

test("the published vector is accepted at its time", async () => {
  const given = {
    id: "msg_p5jXN8AQM9LWM0D4loKWxJek",
    timestamp: "1614265330",
    signature: "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    body: '{"test": 2432232314}',
    now: 1_614_265_330_000,
    secrets: [{ name: "current", value: KEYED }],
  };
  expect(await verify(given)).toEqual({ ok: true, secret: "current", scheme: "standard", skewSeconds: 0 });
  expect(await verdict({ ...given, body: '{"test":2432232314}' })).toBe("signature_mismatch");
  expect(await verdict({ ...given, id: "msg_p5jXN8AQM9LWM0D4loKWxJeK" })).toBe("signature_mismatch");
  expect(await verdict({ ...given, now: T * 1000 })).toBe("timestamp_out_of_tolerance");
});

describe("what a secret stands for", () => {
  test("is the text itself, or the key material after its prefix", () => {
    expect(standardKey(SECRET)).toEqual(bytes(SECRET));
    expect(standardKey(KEYED)).toEqual(new Uint8Array(Buffer.from(KEYED.slice(6), "base64")));
  });

  test.each([
    "whsec_",
    "whsec_AAAA",
    "whsec_no base64 at all, but a text of some length",
    "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS",
    "WHSEC_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
  ])("%s is a text, and never an empty or tiny key", (secret) => {
    expect(standardKey(secret)).toEqual(bytes(secret));
  });

  test("is one key: the prefixed text itself does not sign", async () => {
    const secrets = [{ name: "current", value: KEYED }];
    expect(await verdict({ secrets, signature: sign(`${ID}.${T}.${BODY}`, KEYED) })).toBe("signature_mismatch");
    const key = Buffer.from(KEYED.slice(6), "base64");
    expect(await verdict({ secrets, signature: sign(`${ID}.${T}.${BODY}`, key) })).toBe("accepted");
  });
});

describe("the window", () => {
  test.each([-300, -299, 0, 299, 300])("accepts what is %i seconds old", async (age) => {
    expect(await verify({ now: (T + age) * 1000 })).toMatchObject({ ok: true, skewSeconds: age });
  });

  test.each([-301, 301, 86_400])("refuses what is %i seconds old", async (age) => {
    expect(await verify({ now: (T + age) * 1000 })).toEqual({
      ...{ ok: false, reason: "timestamp_out_of_tolerance", skewSeconds: age },
    });
  });
});

test.each<[string, Given]>([
  ["one signature", {}],
  ["the good one last of five", { signature: `${BAD} ${BAD} ${BAD} ${BAD} ${GOOD}` }],
  ["versions nobody knows beside it", { signature: `v1a,MzE= ${GOOD} v2,something-else` }],
  ["one of another length beside it", { signature: `v1,AAAA ${GOOD}` }],
  ["an id of 256 characters", { id: "i".repeat(256), signature: sign(`${"i".repeat(256)}.${T}.${BODY}`) }],
  ["bytes that are no text", { body: Uint8Array.of(0xff), signature: binary(Uint8Array.of(0xff)) }],
  ["no body", { body: "", signature: sign(`${ID}.${T}.`) }],
  ["a header of 1,024 characters", { signature: `v9,${"x".repeat(1_024 - 4 - GOOD.length)} ${GOOD}` }],
])("accepted: %s", async (_what, given) => {
  expect(await verdict(given)).toBe("accepted");
});

function binary(body: Uint8Array): string {
  return `v1,${createHmac("sha256", SECRET).update(`${ID}.${T}.`).update(body).digest("base64")}`;
}

test.each<[string, Given]>([
  ["no id", { id: null }],
  ["an empty id", { id: "" }],
  ["an id with a space", { id: "msg 2f" }],
  ["an id beyond ASCII", { id: "msgé" }],
  ["an id of 257 characters", { id: "i".repeat(257) }],
  ["no time", { timestamp: null }],
  ["an empty time", { timestamp: "" }],
  ["time zero", { timestamp: "0" }],
  ["a negative time", { timestamp: `-${T}` }],
  ["a padded time", { timestamp: `0${T}` }],
  ["a fraction", { timestamp: `${T}.0` }],
  ["milliseconds", { timestamp: `${T}000` }],
  ["an exponent", { timestamp: "17e8" }],
  ["two times", { timestamp: `${T}, ${T}` }],
  ["an empty header", { signature: "" }],
  ["only unknown versions", { signature: "v2,AAAA v1a,AAAA" }],
  ["no version", { signature: GOOD.slice(3) }],
  ["an equals sign for the comma", { signature: GOOD.replace("v1,", "v1=") }],
  ["a capital version", { signature: GOOD.replace("v1", "V1") }],
  ["no value", { signature: "v1," }],
  ["two spaces", { signature: `${GOOD}  ${BAD}` }],
  ["a trailing space", { signature: `${GOOD} ` }],
  ["a tab", { signature: `${GOOD}\t${BAD}` }],
  ["two header lines joined", { signature: `${GOOD}, ${GOOD}` }],
  ["no padding", { signature: GOOD.slice(0, -1) }],
  ["letters of the other alphabet", { signature: `v1,${"-_".repeat(22)}` }],
  ["stray bits at the end", { signature: `v1,${"A".repeat(42)}B=` }],
  ["letters beyond ASCII", { signature: `${GOOD} v2,é` }],
  ["six signatures", { signature: Array(6).fill(GOOD).join(" ") }],
  ["1,025 characters", { signature: `v9,${"x".repeat(1_025 - 4 - GOOD.length)} ${GOOD}` }],
])("malformed: %s", async (_what, given) => {
  expect(await verdict(given)).toBe("invalid_signature_format");
});

test.each<[string, Given]>([
  ["another body", { body: `${BODY} ` }],
  ["another id", { id: "msg_2g" }],
  ["another time", { timestamp: String(T + 1) }],
  ["31 bytes", { signature: `v1,${Buffer.alloc(31).toString("base64")}` }],
  ["33 bytes", { signature: `v1,${Buffer.alloc(33).toString("base64")}` }],
  ["a body signed alone", { signature: sign(BODY) }],
  ["a body signed in our own form", { signature: sign(`${T}.${BODY}`) }],
  ["no active secret", { secrets: [] }],
  ["another secret", { secrets: [{ name: "current", value: `${SECRET}x` }] }],
])("not genuine: %s", async (_what, given) => {
  expect(await verdict(given)).toBe("signature_mismatch");
});

test("no header at all is told apart", async () => {
  expect(await verify({ signature: null })).toEqual({ ok: false, reason: "missing_signature", skewSeconds: null });
});

test("both active secrets are tried, and the one that matched is named", async () => {
  const secrets = [
    { name: "current", value: "another-plain-text-secret-of-forty-chars" },
    { name: "previous", value: SECRET },
  ];
  expect(await verify({ secrets })).toMatchObject({ ok: true, secret: "previous" });
  const byBoth = `${GOOD} ${sign(`${ID}.${T}.${BODY}`, secrets[0]?.value)}`;
  expect(await verify({ secrets, signature: byBoth })).toMatchObject({ ok: true, secret: "current" });
});

test("what is signed in this form is nothing in our own form but for bodies that are a bare number", async () => {
  // The id looks like our time, so the signed bytes are those of our form over another body.
  const digest = createHmac("sha256", SECRET).update(`${T}.${T}.${BODY}`).digest("hex");
  const request = { body: bytes(`${T}.${BODY}`), signature: `t=${T},v1=${digest}`, timestamp: null };
  const secrets = [{ name: "current", value: SECRET }];
  expect(await verifySignature(request, secrets, T * 1000, false)).toMatchObject({ ok: true });
  expect(() => JSON.parse(`${T}.${BODY}`)).toThrow(SyntaxError);
});

test("no headers make the check throw, and none but the genuine signature is accepted", async () => {
  const noise = fc.oneof(
    fc.string({ unit: "binary", maxLength: 200 }),
    fc.stringMatching(/^(v1,[A-Za-z0-9+/]{40,46}={0,2}|v[0-9]|,| |=){1,8}$/),
    fc.uint8Array({ maxLength: 40 }).map((value) => `v1,${Buffer.from(value).toString("base64")}`),
  );
  await fc.assert(
    fc.asyncProperty(noise, fc.option(noise), fc.option(noise), async (signature, id, timestamp) => {
      fc.pre(!signature.includes(GOOD.slice(3)));
      expect(await verdict({ signature })).not.toBe("accepted");
      expect(await verdict({ id })).not.toBe("accepted");
      expect(await verdict({ timestamp })).not.toBe("accepted");
    }),
    { numRuns: 2_000 },
  );
});

test("changing any character of the signature makes it worthless", async () => {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=";
  for (let place = 3; place < GOOD.length; place++) {
    for (const letter of alphabet) {
      if (letter === GOOD[place]) continue;
      const forged = GOOD.slice(0, place) + letter + GOOD.slice(place + 1);
      expect(await verdict({ signature: forged })).not.toBe("accepted");
    }
  }
});

test("base64 is read as it is written, for any bytes", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 70 }), (value) => {
      expect(bytesFromBase64(Buffer.from(value).toString("base64"))).toEqual(new Uint8Array(value));
    }),
  );
});
