// Why a request was not accepted, told from the request and the secrets' names.
import { createHmac } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { diagnose } from "../../../src/webhooks/doctor.ts";
import type { NamedSecret } from "../../../src/webhooks/doctor-hints.ts";

const SECRET = "the-current-secret-of-forty-characters--";
const PREVIOUS = "the-previous-secret-of-forty-characters-";
const RETIRED = "a-retired-secret-of-forty-characters----";
const T = 1_700_000_000;
const MS = T * 1000;
const BODY = '{ "a": 1 }\n';

const active: readonly NamedSecret[] = [
  { name: "current", value: SECRET },
  { name: "previous", value: PREVIOUS },
];

type Encoding = "hex" | "base64";
const hmac = (signed: string, secret = SECRET, encoding: Encoding = "hex") =>
  createHmac("sha256", secret).update(signed).digest(encoding);
const GOOD = hmac(`${T}.${BODY}`);

interface Given {
  readonly body?: string;
  readonly ageSeconds?: number;
  readonly acceptsLegacy?: boolean;
  readonly retired?: readonly NamedSecret[];
}

function examine(headers: Readonly<Record<string, string>>, given: Given = {}) {
  const { body = BODY, ageSeconds = 0, acceptsLegacy = false } = given;
  return diagnose(
    {
      headers: new Map(Object.entries(headers)),
      body: new TextEncoder().encode(body),
      receivedAtMs: (T + ageSeconds) * 1000,
    },
    { active, retired: given.retired ?? [{ name: "older", value: RETIRED }], acceptsLegacy, acceptsBare: false },
  );
}

const own = (value: string) => ({ "x-osa-signature": value });
const standard = (value: string, timestamp = String(T)) => ({
  ...{ "webhook-id": "msg_1", "webhook-timestamp": timestamp, "webhook-signature": value },
});

type Verdicts = Readonly<Record<string, boolean | null>>;
function verdicts(checks: readonly { readonly check: string; readonly ok: boolean | null }[]): Verdicts {
  return Object.fromEntries(checks.map(({ check, ok }) => [check, ok]));
}

describe("the checks", () => {
  test.each([
    ["our form", own(`t=${T},v1=${GOOD}`), "osa", "current"],
    ["the previous secret", own(`t=${T},v1=${hmac(`${T}.${BODY}`, PREVIOUS)}`), "osa", "previous"],
    [
      "standard webhooks",
      standard(`v1,${hmac(`msg_1.${T}.${BODY}`, PREVIOUS, "base64")}`),
      ...(["standard", "previous"] as const),
    ],
  ] as const)("all pass: %s", async (_what, headers, scheme, secret) => {
    const found = await examine(headers, { ageSeconds: 7 });
    expect(found).toMatchObject({ scheme, secret, ageSeconds: 7, failedCheck: null, hints: [], hintedSecret: null });
    expect(verdicts(found.checks)).toEqual({ header_present: true, format: true, time: true, signature: true });
  });

  test("no header: nothing else can be looked at", async () => {
    const found = await examine({ "x-webhook-signature": GOOD });
    expect(found).toMatchObject({ scheme: null, failedCheck: "header_present", ageSeconds: null, secret: null });
    expect(verdicts(found.checks)).toEqual({ header_present: false, format: null, time: null, signature: null });
  });

  test.each([
    ["our form", own(`t=${T},v1=${GOOD},`)],
    ["standard webhooks", standard(GOOD.slice(1))],
    ["standard webhooks without an id", { "webhook-timestamp": String(T), "webhook-signature": "v1,AAAA" }],
  ])("a wrong form: %s", async (_what, headers) => {
    const found = await examine(headers);
    expect(found).toMatchObject({ failedCheck: "format", ageSeconds: null, secret: null, hints: [] });
    expect(verdicts(found.checks)).toEqual({ header_present: true, format: false, time: null, signature: null });
  });

  test.each([301, -301, 86_400])("a genuine signature %i seconds old fails by its time alone", async (ageSeconds) => {
    const headers = [
      own(`t=${T},v1=${GOOD}`),
      standard(`v1,${hmac(`msg_1.${T}.${BODY}`, SECRET, "base64")}`),
      own(`t=${MS},v1=${hmac(`${MS}${BODY}`)}`),
    ];
    for (const signed of headers) {
      const found = await examine(signed, { ageSeconds, acceptsLegacy: true });
      expect(found).toMatchObject({ failedCheck: "time", ageSeconds, secret: "current", hints: [] });
      expect(verdicts(found.checks)).toMatchObject({ time: false, signature: true });
    }
  });

  test("an old signature that fits nothing fails by both, the time first", async () => {
    const found = await examine(own(`t=${T},v1=${"0".repeat(64)}`), { ageSeconds: 400 });
    expect(found).toMatchObject({ failedCheck: "time", secret: null, hints: [] });
    expect(verdicts(found.checks)).toEqual({ header_present: true, format: true, time: false, signature: false });
  });

  test("X-OSA-Signature decides even beside a good other one", async () => {
    const good = standard(`v1,${hmac(`msg_1.${T}.${BODY}`, SECRET, "base64")}`);
    const found = await examine({ ...good, ...own(`t=${T},v1=${"0".repeat(64)}`) });
    expect(found).toMatchObject({ scheme: "osa", failedCheck: "signature", secret: null });
  });

  test("the old application's form passes where it is switched on", async () => {
    const headers = own(`t=${MS},v1=${hmac(`${MS}${BODY}`)}`);
    expect(await examine(headers, { acceptsLegacy: true })).toMatchObject({ scheme: "legacy", failedCheck: null });
  });
});

describe("the hints", () => {
  const plain = '{"a":1}';
  const lines = "[1,\r\n2]";
  test.each([
    ["old_application_form", own(`t=${MS},v1=${hmac(`${MS}${BODY}`)}`), BODY],
    ["time_in_milliseconds", own(`t=${MS},v1=${hmac(`${MS}.${BODY}`)}`), BODY],
    ["signed_without_time", own(`t=${T},v1=${hmac(BODY)}`), BODY],
    ["digest_in_upper_case", own(`t=${T},v1=${GOOD.toUpperCase()}`), BODY],
    ["digest_in_base64", own(`t=${T},v1=${hmac(`${T}.${BODY}`, SECRET, "base64")}`), BODY],
    ["body_reserialised", own(`t=${T},v1=${hmac(`${T}.${plain}`)}`), BODY],
    ["body_without_last_newline", own(`t=${T},v1=${hmac(`${T}.${BODY.trim()}`)}`), BODY],
    ["body_with_lf", own(`t=${T},v1=${hmac(`${T}.${lines.replace("\r", "")}`)}`), lines],
    ["body_with_crlf", own(`t=${T},v1=${hmac(`${T}.${lines}`)}`), lines.replace("\r", "")],
    ["secret_not_active", own(`t=${T},v1=${hmac(`${T}.${BODY}`, RETIRED)}`), BODY],
    ["digest_in_hex", standard(`v1,${hmac(`msg_1.${T}.${BODY}`)}`), BODY],
    [
      "time_in_milliseconds",
      standard(`v1,${hmac(`msg_1.${MS}.${BODY}`, SECRET, "base64")}`, String(MS)),
      ...([BODY] as const),
    ],
    ["signed_without_time", standard(`v1,${hmac(BODY, SECRET, "base64")}`), BODY],
    ["signed_without_time", standard(`v1,${hmac(`msg_1.${BODY}`, SECRET, "base64")}`), BODY],
    ["body_reserialised", standard(`v1,${hmac(`msg_1.${T}.${plain}`, SECRET, "base64")}`), BODY],
    ["secret_not_active", standard(`v1,${hmac(`msg_1.${T}.${BODY}`, RETIRED, "base64")}`), BODY],
  ] as const)("%s", async (hint, headers, body) => {
    const found = await examine(headers, { body });
    expect([found.hints, found.secret]).toEqual([[hint], null]);
    expect(found.hintedSecret).toBe(hint === "secret_not_active" ? "older" : "current");
    expect(["format", "signature"]).toContain(found.failedCheck);
  });

  test("several mistakes at once are all named", async () => {
    const signed = hmac(`${MS}.{"a":1}`, PREVIOUS).toUpperCase();
    const found = await examine(own(`t=${MS},v1=${signed}`));
    expect(new Set(found.hints)).toEqual(
      new Set(["time_in_milliseconds", "body_reserialised", "digest_in_upper_case"]),
    );
    expect(found.hintedSecret).toBe("previous");
  });

  test("of two signatures that would fit, the one that needs fewer changes counts", async () => {
    const twoChanges = hmac(`${T}.${BODY.trimEnd()}`).toUpperCase();
    const oneChange = hmac(`${T}.{"a":1}`, PREVIOUS);
    const found = await examine(own(`t=${T},v1=${twoChanges},v1=${oneChange}`));
    expect([found.hints, found.hintedSecret]).toEqual([["body_reserialised"], "previous"]);
  });

  test("a good digest in a malformed header needs none", async () => {
    expect(await examine(own(`t=${T},v1=${GOOD},`))).toMatchObject({ failedCheck: "format", hints: [] });
  });

  test("a secret nobody knows gives none", async () => {
    const found = await examine(own(`t=${T},v1=${hmac(`${T}.${BODY}`, RETIRED)}`), { retired: [] });
    expect(found).toMatchObject({ failedCheck: "signature", hints: [], hintedSecret: null });
  });
});

test("whatever comes in, it neither throws nor shows a secret or the right digest", async () => {
  const value = fc.oneof(
    fc.string({ unit: "binary", maxLength: 80 }),
    fc.stringMatching(/^(t=[0-9]{1,14}|v1=[0-9a-fA-F]{63,65}|v1,[A-Za-z0-9+/]{43}=|,| |=){1,6}$/),
    fc.constantFrom(`t=${T},v1=${"0".repeat(64)}`, `t=${MS},v1=${"0".repeat(64)}`),
  );
  const names = ["x-osa-signature", "x-osa-timestamp", "webhook-id", "webhook-timestamp", "webhook-signature"] as const;
  const headers = fc.dictionary(fc.constantFrom(...names), value);
  await fc.assert(
    fc.asyncProperty(headers, fc.string({ maxLength: 40 }), async (given, body) => {
      const said = JSON.stringify(await examine(given, { body }));
      for (const secret of [SECRET, PREVIOUS, RETIRED]) {
        expect(said).not.toContain(secret);
        expect(said).not.toContain(hmac(`${T}.${body}`, secret));
        expect(said).not.toContain(hmac(`${MS}${body}`, secret));
      }
    }),
    { numRuns: 300 },
  );
});
