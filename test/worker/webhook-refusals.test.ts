import { createExecutionContext, waitOnExecutionContext } from "cloudflare:test";
import { env, exports } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { app } from "../../src/app.ts";
import {
  ACME_SECRET,
  bytesOf,
  call,
  hmac,
  ORIGIN,
  PREVIOUS_SECRET,
  SECRET,
  signature,
  unixSeconds,
  WEBHOOKS,
  webhook,
} from "../support/worker/client.ts";
import { stopClock } from "../support/worker/faults.ts";
import { query, startOver, workspaceObject } from "../support/worker/objects.ts";

beforeEach(stopClock);
afterEach(() => {
  vi.useRealTimers();
});

const BODY = '{"workflow_id":"wf-1","event_type":"workflow_progress"}';

async function post(headers: Readonly<Record<string, string>>, body = BODY) {
  const response = await exports.default.fetch(`${ORIGIN}${WEBHOOKS}`, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-Correlation-ID": "the-same", ...headers },
    body,
  });
  return { status: response.status, text: await response.text(), headers: [...response.headers].sort() };
}

async function nothingIsHeld(): Promise<void> {
  expect(await query(workspaceObject(), "SELECT * FROM held")).toEqual([]);
}

describe("a signature that is not good is refused, and the answer does not tell why", () => {
  const now = () => unixSeconds();
  const digest = (at: number | string, secret = SECRET, body = BODY) => hmac(`${at}.${body}`, secret);
  const failures: Readonly<Record<string, () => Promise<Record<string, string>>>> = {
    "no signature": async () => ({}),
    "an empty one": async () => ({ "X-OSA-Signature": "" }),
    "a word": async () => ({ "X-OSA-Signature": "nonsense" }),
    "no time": async () => ({ "X-OSA-Signature": `v1=${await digest(now())}` }),
    "no digest": async () => ({ "X-OSA-Signature": `t=${now()}` }),
    "another digest": async () => ({ "X-OSA-Signature": `t=${now()},v1=${"0".repeat(64)}` }),
    "one letter changed": async () => {
      const good = await signature(BODY);
      return { "X-OSA-Signature": good.slice(0, -1) + (good.endsWith("0") ? "1" : "0") };
    },
    "63 letters": async () => ({ "X-OSA-Signature": (await signature(BODY)).slice(0, -1) }),
    "65 letters": async () => ({ "X-OSA-Signature": `${await signature(BODY)}0` }),
    "no hexadecimal": async () => ({ "X-OSA-Signature": `t=${now()},v1=${"z".repeat(64)}` }),
    "capital letters": async () => ({ "X-OSA-Signature": `t=${now()},v1=${(await digest(now())).toUpperCase()}` }),
    "another body": async () => ({ "X-OSA-Signature": await signature(`${BODY} `) }),
    "a body without its time": async () => ({ "X-OSA-Signature": `t=${now()},v1=${await hmac(BODY, SECRET)}` }),
    "another time": async () => ({ "X-OSA-Signature": `t=${now() - 1},v1=${await digest(now())}` }),
    "301 seconds old": async () => ({ "X-OSA-Signature": await signature(BODY, SECRET, now() - 301) }),
    "301 seconds ahead": async () => ({ "X-OSA-Signature": await signature(BODY, SECRET, now() + 301) }),
    "time zero": async () => ({ "X-OSA-Signature": `t=0,v1=${await digest(0)}` }),
    "two times": async () => ({ "X-OSA-Signature": `t=${now()},${await signature(BODY)}` }),
    "another time in the second header": async () => ({
      ...{ "X-OSA-Signature": await signature(BODY), "X-OSA-Timestamp": String(now() - 1) },
    }),
    "the old application's form": async () => ({
      "X-OSA-Signature": `t=${Date.now()},v1=${await hmac(`${Date.now()}${BODY}`, SECRET)}`,
    }),
    "a trailing comma": async () => ({ "X-OSA-Signature": `${await signature(BODY)},` }),
    "six digests": async () => ({ "X-OSA-Signature": `${await signature(BODY)}${`,v1=${"0".repeat(64)}`.repeat(5)}` }),
    "more than a header's worth": async () => ({
      "X-OSA-Signature": `${await signature(BODY)}${`,v0=${"0".repeat(64)}`.repeat(20)}`,
    }),
    "an unknown secret": async () => ({
      "X-OSA-Signature": await signature(BODY, "whoever-guesses-this-is-not-opal-at-all"),
    }),
    "another workspace's secret": async () => ({ "X-OSA-Signature": await signature(BODY, ACME_SECRET) }),
    "another header": async () => ({ "X-Webhook-Signature": await signature(BODY) }),
  };

  test.for(Object.entries(failures))("%s", async ([, headersOf]) => {
    const plain = await post({});
    expect(plain.status).toBe(401);
    expect(JSON.parse(plain.text)).toMatchObject({ success: false, code: "signature_invalid" });
    expect(await post(await headersOf())).toEqual(plain);
    await nothingIsHeld();
  });
});

describe("a good signature is accepted", () => {
  afterEach(startOver);

  test.for([-300, -299, 0, 299, 300])("%i seconds from now", async (offset) => {
    expect((await webhook(BODY, { at: unixSeconds() + offset })).status).toBe(202);
  });

  test("beside others, in any order, with spaces and with keys nobody knows", async () => {
    const [time, good] = (await signature(BODY)).split(",");
    const [, previous] = (await signature(BODY, PREVIOUS_SECRET)).split(",");
    const other = `v1=${"0".repeat(64)}`;
    for (const header of [`${good},${time}`, `${time}, ${other} , ${good}`, `v0=x,${time},${previous}`]) {
      expect((await post({ "X-OSA-Signature": header })).status).toBeLessThan(203);
    }
  });

  test("with its time in the second header", async () => {
    const [, good] = (await signature(BODY)).split(",");
    const headers = { "X-OSA-Signature": good ?? "", "X-OSA-Timestamp": String(unixSeconds()) };
    expect((await post(headers)).status).toBe(202);
  });
});

describe("a body that cannot be read is refused, signed or not", () => {
  afterEach(startOver);

  const nested = (depth: number) => `${"[".repeat(depth)}${"]".repeat(depth)}`;

  test.for([
    ["nothing", ""],
    ["spaces", "  \n"],
    ["half a document", BODY.slice(0, -1)],
    ["two documents", `${BODY}${BODY}`],
    ["broken UTF-8", new Uint8Array([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d])],
    ["a hundred levels", nested(100)],
    ["a hundred thousand levels", nested(100_000)],
  ] as const)("%s", async ([, body]) => {
    const answer = await webhook(body);
    expect([answer.status, answer.body.code]).toEqual([400, "unreadable_body"]);
    expect((await webhook(body, { secret: ACME_SECRET })).status).toBe(401);
    await nothingIsHeld();
  });

  test("sixty-four levels can be read", async () => {
    expect((await webhook(nested(64))).status).toBe(202);
    expect((await webhook(nested(65))).status).toBe(400);
    expect((await webhook(`{"a":"${"[".repeat(100)}"}`)).status).toBe(202);
  });
});

describe("the type must be JSON in UTF-8, and nothing else", () => {
  afterEach(startOver);

  test.for([
    ["text/plain", 415],
    ["application/x-www-form-urlencoded", 415],
    ["multipart/form-data; boundary=x", 415],
    ["application/jsonp", 415],
    ["application/json; charset=iso-8859-1", 415],
    ["application/json; charset=utf-8", 202],
    ['Application/JSON; Charset="UTF-8"', 202],
  ] as const)("%s: %i", async ([type, expected]) => {
    expect((await webhook(BODY, { headers: { "Content-Type": type } })).status).toBe(expected);
  });

  test.for([
    ["gzip", 415],
    ["br", 415],
    ["identity", 202],
  ] as const)("Content-Encoding %s: %i", async ([encoding, expected]) => {
    expect((await webhook(BODY, { headers: { "Content-Encoding": encoding } })).status).toBe(expected);
  });
});

describe("without a secret worth the name nothing is accepted", () => {
  afterEach(startOver);

  const NONE = { OSA_WEBHOOK_SHARED_SECRET: undefined, OSA_WEBHOOK_SECRET: undefined };

  async function postTo(changes: Readonly<Record<string, unknown>>, secret: string) {
    const request = new Request(`${ORIGIN}${WEBHOOKS}`, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-OSA-Signature": await signature(BODY, secret) },
      body: bytesOf(BODY),
    });
    const context = createExecutionContext();
    const response = await app.fetch(request, { ...env, ...changes }, context);
    await waitOnExecutionContext(context);
    return { status: response.status, body: await response.json() };
  }

  test.for([
    ["missing", NONE, "x"],
    ["empty", { ...NONE, OSA_WEBHOOK_SHARED_SECRET: "" }, "x"],
    ["too short", { ...NONE, OSA_WEBHOOK_SHARED_SECRET: "s".repeat(31) }, "s".repeat(31)],
    [
      "a placeholder",
      { ...NONE, OSA_WEBHOOK_SHARED_SECRET: `change-me-${"x".repeat(30)}` },
      `change-me-${"x".repeat(30)}`,
    ],
  ] as const)("%s", async ([, changes, secret]) => {
    const answer = await postTo(changes, secret);
    expect(answer).toMatchObject({ status: 500, body: { success: false, code: "configuration_error" } });
    expect(JSON.stringify(answer.body)).not.toMatch(/OSA_WEBHOOK|change-me|ssss/);
    await nothingIsHeld();
  });

  test("the secret's older name still works", async () => {
    const changes = { ...NONE, OSA_WEBHOOK_SECRET: "the-older-name-of-the-same-shared-secret" };
    expect((await postTo(changes, changes.OSA_WEBHOOK_SECRET)).status).toBe(202);
    expect((await call("GET", "/api/health")).body.status).toBe("healthy");
  });
});
