// What hostile senders write to the receivers of GA4, Salesforce and other systems: digests that are nearly right, bodies
// that are nearly theirs.
import { exports } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ACME_SECRET, bytesOf, hmac, ORIGIN, SECRET, signature, unixSeconds } from "../support/worker/client.ts";
import { stopClock } from "../support/worker/faults.ts";
import { inboxObject, startOver } from "../support/worker/objects.ts";

type HeaderLine = readonly [name: string, value: string];

const DOORS = ["ga4", "salesforce", "external/crm"] as const;
const BODY = '{"type":"analytics_update","data":{"visits":3}}';
const JSON_TYPE: HeaderLine = ["Content-Type", "application/json"];
const REFUSED = [401, "signature_invalid"] as const;
const UNREADABLE = [400, "unreadable_body"] as const;
/** Kept, but not taken for what it says it is. */
const QUARANTINED = [202, undefined] as const;

beforeEach(stopClock);
afterEach(startOver);

async function post(path: string, lines: readonly HeaderLine[], body: string | Uint8Array) {
  const headers = new Headers([["X-Correlation-ID", "the-same"]]);
  for (const [name, value] of lines) headers.append(name, value);
  const init = { method: "POST", headers, body: bytesOf(body) };
  const response = await exports.default.fetch(`${ORIGIN}/api/webhooks/${path}`, init);
  const text = await response.text();
  const { code, verdict }: { code?: string; verdict?: string } = JSON.parse(text);
  return { status: response.status, code, verdict, text };
}

async function kept(): Promise<number> {
  const ledgers = await Promise.all(
    ["ga4", "salesforce", "external"].map(async (name) => (await inboxObject(name).account()).ledger.received),
  );
  return ledgers.reduce((sum, received) => sum + received, 0);
}

describe("a bare digest that is nearly right is refused like none at all", () => {
  const now = () => unixSeconds();
  const digest = (time = String(now()), body = BODY, secret = SECRET) => hmac(`${time}.${body}`, secret);
  const bare = async (value: string | Promise<string>, time: string | undefined = String(now())) =>
    [
      ["x-webhook-signature", await value],
      ...(time === undefined ? [] : [["x-webhook-timestamp", time] as const]),
    ] as readonly HeaderLine[];

  const rows: Readonly<Record<string, () => Promise<readonly HeaderLine[]>>> = {
    "without its time": async () => [["x-webhook-signature", await digest()]],
    "with only its time": async () => [["x-webhook-timestamp", String(now())]],
    "with an empty time": () => bare(digest(""), ""),
    "with a time of zero": () => bare(digest("0"), "0"),
    "with a negative time": () => bare(digest(`-${now()}`), `-${now()}`),
    "with milliseconds": () => bare(digest(`${now()}000`), `${now()}000`),
    "with a date": () => bare(digest("2026-11-21T10:00:00Z"), "2026-11-21T10:00:00Z"),
    "with two times": async () => [...(await bare(digest())), ["x-webhook-timestamp", String(now())]],
    "301 seconds old": () => bare(digest(String(now() - 301)), String(now() - 301)),
    "301 seconds ahead": () => bare(digest(String(now() + 301)), String(now() + 301)),
    "of another time": () => bare(digest(String(now() - 1))),
    "of the body alone": () => bare(hmac(BODY, SECRET)),
    "without the dot": () => bare(hmac(`${now()}${BODY}`, SECRET)),
    "of another body": () => bare(digest(undefined, "{}")),
    "of another workspace": () => bare(digest(undefined, BODY, ACME_SECRET)),
    "in capital letters": async () => bare((await digest()).toUpperCase()),
    "cut short": async () => bare((await digest()).slice(0, 63)),
    "twice as long": async () => bare(`${await digest()}${await digest()}`),
    "with its algorithm": async () => bare(`sha256=${await digest()}`),
    "with its version": async () => bare(`v1=${await digest()}`),
    "in base64": async () => bare(btoa(await digest())),
    "in quotes": async () => bare(`"${await digest()}"`),
    "on two lines": async () => [...(await bare(digest())), ["x-webhook-signature", await digest()]],
    "that is empty": () => bare(""),
    "beside our own header, which is wrong": async () => [...(await bare(digest())), ["X-OSA-Signature", "t=1,v1=0"]],
    "beside our own header, which is empty": async () => [...(await bare(digest())), ["X-OSA-Signature", ""]],
  };

  test.for(Object.entries(rows))("%s", async ([, linesOf]) => {
    const plain = await post("external/crm", [JSON_TYPE], BODY);
    expect([plain.status, plain.code]).toEqual(REFUSED);
    expect(await post("external/crm", [JSON_TYPE, ...(await linesOf())], BODY)).toEqual(plain);
    expect(await kept()).toBe(0);
  });

  test.for(["ga4", "salesforce", "opal-workflow"])("and a right one opens no other receiver: %s", async (path) => {
    expect((await post(path, [JSON_TYPE, ...(await bare(digest()))], BODY)).status).toBe(401);
  });
});

describe("a body is kept whatever it says, once it is signed and can be read", () => {
  const deep = `${"[".repeat(10_000)}1${"]".repeat(10_000)}`;
  const rows: Readonly<Record<string, readonly [string | Uint8Array, readonly [number, string | undefined]]>> = {
    nothing: ["", UNREADABLE],
    "plain text": ["hello", UNREADABLE],
    "half a document": ['{"type":', UNREADABLE],
    "a form": ["type=analytics_update", UNREADABLE],
    "invalid UTF-8": [Uint8Array.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]), UNREADABLE],
    "10,000 levels": [deep, UNREADABLE],
    "more lists than there is memory for": [`[${"[],".repeat(250_001)}[]]`, [413, "payload_too_large"]],
    null: ["null", QUARANTINED],
    "a number": ["1e400", QUARANTINED],
    "a list": ["[]", QUARANTINED],
    "an empty object": ["{}", QUARANTINED],
    "a type of another receiver": ['{"event_type":"agent.completed","type":"agent.completed"}', QUARANTINED],
    "a type that is a prototype": ['{"event_type":"__proto__","type":"constructor","data":{}}', QUARANTINED],
    "a prototype": ['{"__proto__":{"isAdmin":true},"type":7}', QUARANTINED],
    "data that is a list": ['{"type":"analytics_update","event_type":"lead_created","data":[]}', QUARANTINED],
    "keys that come twice": ['{"type":"hello","type":"hello again"}', QUARANTINED],
    "a type of 100,000 letters": [`{"type":"${"t".repeat(100_000)}"}`, QUARANTINED],
    "a script for a type": ['{"type":"<script>alert(1)</script>","data":{}}', QUARANTINED],
  };

  test.for(DOORS.flatMap((door) => Object.entries(rows).map(([name, row]) => [door, name, row] as const)))(
    "%s: %s",
    async ([door, , [body, expected]]) => {
      const forged = await post(door, [JSON_TYPE, ["X-OSA-Signature", await signature(body, ACME_SECRET)]], body);
      expect([forged.status, forged.code]).toEqual(REFUSED);
      expect(await kept()).toBe(0);
      const signed = await post(door, [JSON_TYPE, ["X-OSA-Signature", await signature(body)]], body);
      expect([signed.status, signed.code]).toEqual(expected);
      expect(signed.verdict).toBe(expected === QUARANTINED ? "quarantined" : undefined);
      expect(await kept()).toBe(expected === QUARANTINED ? 1 : 0);
      expect("isAdmin" in {}).toBe(false);
    },
  );
});
