// Which signatures are genuine, by vectors and by an independent signer.
import { createHmac } from "node:crypto";
import Stripe from "stripe";
import { describe, expect, test } from "vitest";
import { signBody, verifySignature } from "../../../src/webhooks/signature.ts";

const SECRET = "whsec_test";
const T = 1_700_000_000;
const NOW = T * 1000;
const BODY = '{"a":1}';
const OTHER_SECRET = "whsec_other";

const bytes = (text: string) => new TextEncoder().encode(text);
const hmac = (secret: string, signed: string | Uint8Array) => createHmac("sha256", secret).update(signed).digest("hex");

interface Given {
  readonly signature: string | null;
  readonly timestamp?: string | null;
  readonly body?: Uint8Array;
  readonly now?: number;
  readonly secrets?: readonly { readonly name: string; readonly value: string }[];
  readonly acceptsLegacy?: boolean;
}

function verify({ signature, timestamp = null, body = bytes(BODY), now = NOW, secrets, acceptsLegacy = false }: Given) {
  return verifySignature(
    { body, signature, timestamp },
    secrets ?? [{ name: "current", value: SECRET }],
    now,
    acceptsLegacy,
  );
}

describe("the published vectors", () => {
  test.each<[string, Uint8Array, string]>([
    ["a small body", bytes('{"a":1}'), "38877139021993b830af32feea6e18a8da83eb2f6e49ee50bd9e4cf4ca4d3789"],
    ["an empty body", bytes(""), "5967f3c560522fa40cf2876ebc3c3a08551dd6959aaade3b413460591895bdcc"],
    [
      "bytes that are no UTF-8",
      Uint8Array.of(0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d),
      "08c2dfd2b32bd82917ae44a45e8f9e2e4e5f604c4be1cec06608af436b6454b4",
    ],
    ["letters beyond ASCII", bytes('{"e":"é"}'), "be5172b4a34796fb9b58187adcb6277d63bc2412b916f0b6a54bcc8ccaabd321"],
  ])("%s: accepted, and signed alike by us", async (_what, body, digest) => {
    const signature = `t=${T},v1=${digest}`;
    expect(await verify({ signature, body })).toEqual({ ok: true, secret: "current", scheme: "osa", skewSeconds: 0 });
    expect(await signBody(body, SECRET, NOW)).toBe(signature);
  });
});

describe("an independent signer", () => {
  test.each([
    ["an ordinary body", '{"workflow_id":"opal-1","execution_status":"success"}'],
    ["odd spacing", '{ "a" :\t1 ,\r\n"a":2}'],
    ["letters beyond ASCII", '{"name":"Zoë 😀"}'],
    ["nothing at all", ""],
  ])("signs %s, and we accept it", async (_what, payload) => {
    const signature = Stripe.webhooks.generateTestHeaderString({ payload, secret: SECRET, timestamp: T });
    expect(await verify({ signature, body: bytes(payload) })).toMatchObject({ ok: true });
  });

  test("accepts what we sign", async () => {
    const signature = await signBody(bytes(BODY), SECRET, NOW + 999);
    expect(Stripe.webhooks.signature?.verifyHeader(BODY, signature, SECRET, 300, undefined, NOW)).toBe(true);
    expect(signature).toBe(`t=${T},v1=${hmac(SECRET, `${T}.${BODY}`)}`);
  });
});

describe("the signed bytes", () => {
  const signature = `t=${T},v1=${hmac(SECRET, `${T}.${BODY}`)}`;

  test.each<[string, Uint8Array]>([
    ["one byte more", bytes(`${BODY} `)],
    ["one byte less", bytes(BODY.slice(0, -1))],
    ["one bit different", bytes('{"a":0}')],
    ["the same JSON spelled differently", bytes('{"a": 1}')],
    ["a byte order mark in front", Uint8Array.of(0xef, 0xbb, 0xbf, ...bytes(BODY))],
  ])("are the body's own: %s is refused", async (_what, body) => {
    expect(await verify({ signature, body })).toEqual({ ok: false, reason: "signature_mismatch", skewSeconds: 0 });
  });

  test("hold the time: another one is refused", async () => {
    const moved = signature.replace(`t=${T}`, `t=${T + 1}`);
    expect(await verify({ signature: moved })).toMatchObject({ ok: false, reason: "signature_mismatch" });
  });

  test("are ten megabytes if need be", async () => {
    const body = new Uint8Array(10 * 1024 * 1024).fill(0x20);
    const large = await signBody(body, SECRET, NOW);
    expect(await verify({ signature: large, body })).toMatchObject({ ok: true });
  });
});

describe("the window", () => {
  const signature = `t=${T},v1=${hmac(SECRET, `${T}.${BODY}`)}`;

  test.each([-300, -299, 0, 299, 300])("accepts a signature that is %i seconds old", async (age) => {
    expect(await verify({ signature, now: (T + age) * 1000 })).toEqual({
      ok: true,
      secret: "current",
      scheme: "osa",
      skewSeconds: age,
    });
  });

  test.each([-301, 301, 3_600, -315_360_000])("refuses a signature that is %i seconds old", async (age) => {
    expect(await verify({ signature, now: (T + age) * 1000 })).toEqual({
      ...{ ok: false, reason: "timestamp_out_of_tolerance", skewSeconds: age },
    });
  });
});

describe("two active secrets", () => {
  const secrets = [
    { name: "current", value: SECRET },
    { name: "previous", value: OTHER_SECRET },
  ];

  test("are both accepted, and the one that matched is named", async () => {
    const byCurrent = `t=${T},v1=${hmac(SECRET, `${T}.${BODY}`)}`;
    const byPrevious = `t=${T},v1=${hmac(OTHER_SECRET, `${T}.${BODY}`)}`;
    expect(await verify({ signature: byCurrent, secrets })).toMatchObject({ ok: true, secret: "current" });
    expect(await verify({ signature: byPrevious, secrets })).toMatchObject({ ok: true, secret: "previous" });
  });

  test("may have signed both", async () => {
    const signature = `t=${T},v1=${hmac(OTHER_SECRET, `${T}.${BODY}`)},v1=${hmac(SECRET, `${T}.${BODY}`)}`;
    expect(await verify({ signature, secrets })).toMatchObject({ ok: true, secret: "current" });
  });

  test("do not make a retired one good", async () => {
    const signature = `t=${T},v1=${hmac("whsec_retired", `${T}.${BODY}`)}`;
    expect(await verify({ signature, secrets })).toMatchObject({ ok: false, reason: "signature_mismatch" });
  });

  test("or none: nothing is genuine", async () => {
    const signature = `t=${T},v1=${hmac(SECRET, `${T}.${BODY}`)}`;
    expect(await verify({ signature, secrets: [] })).toMatchObject({ ok: false, reason: "signature_mismatch" });
  });
});

describe("the old application's form: milliseconds, directly followed by the body", () => {
  const legacy = `t=${NOW},v1=${hmac(SECRET, `${NOW}${BODY}`)}`;

  test("is refused as long as it is not switched on", async () => {
    expect(await verify({ signature: legacy })).toEqual({
      ok: false,
      reason: "invalid_signature_format",
      skewSeconds: null,
    });
  });

  test("is accepted when it is switched on, and named", async () => {
    expect(await verify({ signature: legacy, acceptsLegacy: true })).toEqual({
      ...{ ok: true, secret: "current", scheme: "legacy", skewSeconds: 0 },
    });
  });

  test("has the same window", async () => {
    expect(await verify({ signature: legacy, acceptsLegacy: true, now: NOW + 300_000 })).toMatchObject({ ok: true });
    expect(await verify({ signature: legacy, acceptsLegacy: true, now: NOW + 301_000 })).toMatchObject({
      ...{ ok: false, reason: "timestamp_out_of_tolerance" },
    });
  });

  test("does not replace the documented one", async () => {
    const documented = `t=${T},v1=${hmac(SECRET, `${T}.${BODY}`)}`;
    expect(await verify({ signature: documented, acceptsLegacy: true })).toMatchObject({ ok: true, scheme: "osa" });
  });

  test.each([
    ["milliseconds with a dot", `t=${NOW},v1=${hmac(SECRET, `${NOW}.${BODY}`)}`],
    ["seconds without a dot", `t=${T},v1=${hmac(SECRET, `${T}${BODY}`)}`],
    ["a time of nought over the bare body", `t=0,v1=${hmac(SECRET, BODY)}`],
  ])("is one form only: %s is refused", async (_what, signature) => {
    expect(await verify({ signature, acceptsLegacy: true })).toMatchObject({ ok: false });
  });
});
