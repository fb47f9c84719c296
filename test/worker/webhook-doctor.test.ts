// The signature doctor over HTTP: what an operator hands in, and what never comes out.
import { createExecutionContext, waitOnExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, describe, expect, test } from "vitest";
import { app } from "../../src/app.ts";
import {
  ACME_SECRET,
  type Answer,
  API_KEY,
  call,
  eventually,
  hmac,
  ORIGIN,
  PREVIOUS_SECRET,
  SECRET,
  send,
  signature,
  unixSeconds,
  WEBHOOKS,
  webhook,
} from "../support/worker/client.ts";
import { startOver } from "../support/worker/objects.ts";

const DOCTOR = "/api/webhook-doctor";
const BODY = '{ "workflow_id": "wf-1" }\n';
const T = 1_700_000_000;
const RECEIVED = new Date(T * 1000).toISOString();

async function examine(own: string, more: Readonly<Record<string, unknown>> = {}): Promise<Answer> {
  const headers = { "X-OSA-Signature": own };
  return call("POST", DOCTOR, { body: { headers, body: BODY, received_at: RECEIVED, ...more } });
}

test("a good signature passes every check, and its secret is named", async () => {
  const answer = await examine(await signature(BODY, PREVIOUS_SECRET, T - 12));
  expect(answer.status).toBe(200);
  expect(answer.headers.get("Cache-Control")).toBe("no-store");
  expect(answer.body).toMatchObject({
    ...{ success: true, signature_accepted: true, failed_check: null, scheme: "osa", secret: "previous" },
    ...{ age_seconds: 12, tolerance_seconds: 300, hints: [], hinted_secret: null },
  });
  expect(answer.body.checks.map(({ check, ok }: { check: string; ok: boolean }) => [check, ok])).toEqual([
    ["header_present", true],
    ["format", true],
    ["time", true],
    ["signature", true],
  ]);
});

describe("it names the first check that failed, and what would fit", () => {
  test.for([
    ["nothing there", async () => ({ headers: {} }), "header_present", []],
    ["an old one", async () => ({ received_at: new Date((T + 301) * 1000).toISOString() }), "time", []],
    ["no time of receipt: now", async () => ({ received_at: undefined }), "time", []],
    ["another body", async () => ({ body: "{}" }), "signature", []],
    ["a body written anew", async () => ({ body: JSON.stringify(JSON.parse(BODY), null, 1) }), "signature", []],
    [
      "the old application's form",
      async () => ({ headers: { "x-osa-signature": `t=${T}000,v1=${await hmac(`${T}000${BODY}`, SECRET)}` } }),
      ...(["format", ["old_application_form"]] as const),
    ],
    [
      "capital letters",
      async () => ({
        headers: { "X-OSA-SIGNATURE": `t=${T},v1=${(await hmac(`${T}.${BODY}`, SECRET)).toUpperCase()}` },
      }),
      ...(["format", ["digest_in_upper_case"]] as const),
    ],
    [
      "a body without its line break",
      async () => ({ headers: { "X-OSA-Signature": await signature(BODY.trimEnd(), SECRET, T) } }),
      ...(["signature", ["body_without_last_newline"]] as const),
    ],
    [
      "the header in two lines",
      async () => ({ headers: { "X-OSA-Signature": `t=${T}`, "x-osa-signature": `v1=${"0".repeat(64)}` } }),
      ...(["signature", []] as const),
    ],
    [
      "another workspace's secret",
      async () => ({ headers: { "X-OSA-Signature": await signature(BODY, ACME_SECRET, T) } }),
      ...(["signature", []] as const),
    ],
  ] as const)("%s", async ([, change, failed, hints]) => {
    const { body } = await examine(await signature(BODY, SECRET, T), await change());
    expect([body.signature_accepted, body.failed_check]).toEqual([false, failed]);
    expect(body.hints.map(({ hint }: { hint: string }) => hint)).toEqual(hints);
    for (const { detail } of body.hints) expect(detail.length).toBeGreaterThan(10);
  });

  test("a body in base64 is examined as bytes", async () => {
    const bytes = Uint8Array.of(0x7b, 0xff, 0x7d);
    const given = { body: undefined, body_base64: btoa(String.fromCharCode(...bytes)) };
    expect((await examine(await signature(bytes, SECRET, T), given)).body).toMatchObject({ signature_accepted: true });
  });

  test("it says what the receiver says", async () => {
    const at = unixSeconds();
    for (const secret of [SECRET, PREVIOUS_SECRET, ACME_SECRET]) {
      const said = await examine(await signature(BODY, secret, at), { received_at: undefined });
      const { status } = await webhook(BODY, { secret, at });
      expect(said.body.signature_accepted).toBe(status < 300);
    }
  });
});

test("a secret under its older name that is passed over is named", async () => {
  const OLDER = "the-older-name-of-the-same-shared-secret";
  const request = new Request(`${ORIGIN}${DOCTOR}`, {
    method: "POST",
    headers: { "Content-Type": "application/json", Authorization: `Bearer ${API_KEY}` },
    body: JSON.stringify({
      headers: { "X-OSA-Signature": await signature(BODY, OLDER, T) },
      body: BODY,
      received_at: RECEIVED,
    }),
  });
  const context = createExecutionContext();
  const response = await app.fetch(request, { ...env, OSA_WEBHOOK_SECRET: OLDER }, context);
  await waitOnExecutionContext(context);
  const text = await response.text();
  expect(JSON.parse(text)).toMatchObject({ failed_check: "signature", hinted_secret: "OSA_WEBHOOK_SECRET" });
  expect(text).not.toContain(OLDER);
});

test("no answer holds a secret or the digest that would have been right", async () => {
  const right = await Promise.all(
    [SECRET, PREVIOUS_SECRET].flatMap((secret) =>
      [`${T}.${BODY}`, `${T}${BODY}`, BODY, `${T}000${BODY}`, `m.${T}.${BODY}`].map((signed) => hmac(signed, secret)),
    ),
  );
  const owns = [
    `t=${T},v1=${"0".repeat(64)}`,
    `t=${T}000,v1=${"0".repeat(64)}`,
    `t=${T},v1=${right[0]}`,
    "nonsense",
    "",
  ];
  const standard = {
    "webhook-id": "m",
    "webhook-timestamp": String(T),
    "webhook-signature": `v1,${btoa("x".repeat(32))}`,
  };
  const answers = [...(await Promise.all(owns.map((own) => examine(own)))), await examine("", { headers: standard })];
  const said = answers.map(({ body }) => JSON.stringify(body)).join("\n");
  for (const digest of right) {
    expect(said).not.toContain(digest);
    const bytes = String.fromCharCode(...(digest.match(/../g) ?? []).map((pair) => Number.parseInt(pair, 16)));
    expect(said).not.toContain(btoa(bytes));
  }
  for (const secret of [SECRET, PREVIOUS_SECRET, ACME_SECRET]) expect(said).not.toContain(secret);
});

describe("a recorded rejection", () => {
  afterEach(startOver);

  async function rejected(headers: Readonly<Record<string, string>>, body: string): Promise<number> {
    const json = { "Content-Type": "application/json" };
    expect((await send(WEBHOOKS, { method: "POST", headers: { ...json, ...headers }, body })).status).toBe(401);
    const { rejections } = await eventually(
      async () => (await call("GET", `${DOCTOR}/rejections`)).body,
      (found) => found.rejections.length > 0,
    );
    return rejections[0].id;
  }

  test("is examined by its id, with what it was refused for", async () => {
    const id = await rejected({ "X-OSA-Signature": await signature(JSON.stringify(JSON.parse(BODY))) }, BODY);
    const answer = await call("POST", DOCTOR, { body: { rejection_id: id } });
    expect(answer.body).toMatchObject({
      ...{ signature_accepted: false, failed_check: "signature", refused_for: "signature_mismatch" },
      ...{ receiver: "opal", body_kept: true, hinted_secret: "current" },
      hints: [{ hint: "body_reserialised" }],
    });
  });

  test("whose body was too large to keep is examined as far as that goes", async () => {
    const body = JSON.stringify({ text: "x".repeat(20_000) });
    const id = await rejected({ "X-OSA-Signature": await signature("another body") }, body);
    const answer = await call("POST", DOCTOR, { body: { rejection_id: id } });
    expect(answer.body).toMatchObject({ signature_accepted: false, failed_check: null, body_kept: false, hints: [] });
    expect(answer.body.checks.at(-1)).toMatchObject({ check: "signature", ok: null });
  });

  test("that is not there is a 404, and needs nothing beside it", async () => {
    expect((await call("POST", DOCTOR, { body: { rejection_id: 99 } })).status).toBe(404);
    const answer = await call("POST", DOCTOR, { body: { rejection_id: 99, headers: {} } });
    expect(answer.body.errors).toMatchObject([{ pointer: "/headers" }]);
  });

  test("is listed newest first, page by page, and counted", async () => {
    await rejected({}, "1");
    await rejected({}, "2");
    const { body } = await eventually(
      () => call("GET", `${DOCTOR}/rejections?limit=1`),
      (found) => found.body.totals[0].at_least === 2,
    );
    expect(body.rejections).toHaveLength(1);
    expect(body.totals).toEqual([
      { source: "opal", code: "signature_invalid", reason: "missing_signature", at_least: 2 },
    ]);
    const next = await call("GET", `${DOCTOR}/rejections?limit=1&before=${body.next_before}`);
    expect(next.body.rejections[0].id).toBeLessThan(body.rejections[0].id);
  });
});

describe("a bare digest", () => {
  const examineBare = async (headers: Readonly<Record<string, string>>, receiver = "external:crm") =>
    (await call("POST", DOCTOR, { body: { headers, body: BODY, received_at: RECEIVED, receiver } })).body;

  test("is explained for the receivers that take it", async () => {
    const good = { "x-webhook-signature": await hmac(`${T}.${BODY}`, SECRET), "x-webhook-timestamp": String(T) };
    expect(await examineBare(good)).toMatchObject({ signature_accepted: true, scheme: "bare", secret: "current" });
    const capital = { ...good, "x-webhook-signature": good["x-webhook-signature"].toUpperCase() };
    expect(await examineBare(capital)).toMatchObject({
      ...{ failed_check: "format", hints: [{ hint: "digest_in_upper_case" }] },
    });
    const timeless = { ...good, "x-webhook-signature": await hmac(BODY, SECRET) };
    expect(await examineBare(timeless)).toMatchObject({
      ...{ failed_check: "signature", hints: [{ hint: "signed_without_time" }] },
    });
  });

  test("is no signature for the others", async () => {
    const good = { "x-webhook-signature": await hmac(`${T}.${BODY}`, SECRET), "x-webhook-timestamp": String(T) };
    expect(await examineBare(good, "ga4")).toMatchObject({ signature_accepted: false, failed_check: "header_present" });
  });
});

describe("what it does not take", () => {
  test.for([
    ["no headers", { body: "" }, "/headers"],
    ["headers that are no text", { headers: { a: 1 } }, "/headers/a"],
    ["two bodies", { headers: {}, body: "", body_base64: "" }, "/body_base64"],
    ["base64 without its padding", { headers: {}, body_base64: "AAA" }, "/body_base64"],
    ["a time that is none", { headers: {}, received_at: "yesterday" }, "/received_at"],
    ["a field nobody knows", { headers: {}, secret: SECRET }, "/secret"],
  ] as const)("%s", async ([, body, pointer]) => {
    const answer = await call("POST", DOCTOR, { body });
    expect([answer.status, answer.body.code]).toEqual([400, "validation_failed"]);
    expect(answer.body.errors).toMatchObject([{ pointer }]);
    expect(JSON.stringify(answer.body)).not.toContain(SECRET);
  });

  test("more than 64 KiB", async () => {
    const answer = await call("POST", DOCTOR, { body: { headers: {}, body: "x".repeat(65_536) } });
    expect([answer.status, answer.body.code]).toEqual([413, "payload_too_large"]);
  });

  test("another type, half a document, a prototype for headers", async () => {
    const post = (body: string, type = "application/json") =>
      send(DOCTOR, { method: "POST", headers: { "Content-Type": type, Authorization: `Bearer ${API_KEY}` }, body });
    expect((await post("{}", "text/plain")).status).toBe(415);
    expect((await post('{"headers":')).status).toBe(400);
    const polluting = await post(
      '{"headers":{"__proto__":"x","constructor":"y"},"received_at":"2026-01-01T00:00:00Z"}',
    );
    expect(polluting.body).toMatchObject({ failed_check: "header_present" });
    expect(Object.keys(Object.prototype)).toEqual([]);
  });
});
