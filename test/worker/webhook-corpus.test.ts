// What hostile senders write: headers that are nearly a signature, and signed bodies that are nearly JSON.
import { exports } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import {
  ACME_SECRET,
  agentEvent,
  bytesOf,
  hmac,
  ORIGIN,
  SECRET,
  signature,
  unixSeconds,
  WEBHOOKS,
} from "../support/worker/client.ts";
import { stopClock } from "../support/worker/faults.ts";
import { inboxObject, query, startOver, workspaceObject } from "../support/worker/objects.ts";

type HeaderLine = readonly [name: string, value: string];

const BODY = '{"workflow_id":"wf-1","event_type":"workflow_progress"}';
const JSON_TYPE: HeaderLine = ["Content-Type", "application/json"];
const REFUSED = [401, "signature_invalid"] as const;
const UNREADABLE = [400, "unreadable_body"] as const;
const WRONG_TYPE = [415, "unsupported_media_type"] as const;
const STORED = [202, undefined] as const;

beforeEach(stopClock);

afterEach(() => {
  expect([Object.keys(Object.prototype), Object.keys(Array.prototype)]).toEqual([[], []]);
  expect(Object.getPrototypeOf({})).toBe(Object.prototype);
  expect("isAdmin" in {}).toBe(false);
  vi.useRealTimers();
});

async function post(lines: readonly HeaderLine[], body: string | Uint8Array, path = WEBHOOKS) {
  const headers = new Headers([["X-Correlation-ID", "the-same"]]);
  for (const [name, value] of lines) headers.append(name, value);
  const response = await exports.default.fetch(`${ORIGIN}${path}`, { method: "POST", headers, body: bytesOf(body) });
  const text = await response.text();
  const { code, success }: { code?: string; success: boolean } = JSON.parse(text);
  expect(response.status).toBeLessThan(500);
  expect(success).toBe(response.status < 300);
  return { status: response.status, code, text };
}

/** Held for a run that may come, or in the inbox of what names none. */
async function kept(): Promise<number> {
  const held = await query(workspaceObject(), "SELECT * FROM held");
  return held.length + (await inboxObject("opal").account()).ledger.received;
}

describe("a header that is nearly a signature is refused like any other", () => {
  const now = () => unixSeconds();
  const good = () => signature(BODY);
  const digest = async () => (await good()).replace(/^.*v1=/, "");
  /** The right digest for a time as it is written, however it is written. */
  const timed = async (time: string) => `t=${time},v1=${await hmac(`${time}.${BODY}`, SECRET)}`;
  const own = async (value: string | Promise<string>): Promise<readonly HeaderLine[]> => [
    ["X-OSA-Signature", await value],
  ];

  const rows: Readonly<Record<string, () => Promise<readonly HeaderLine[]>>> = {
    "time zero, signed": () => own(timed("0")),
    "a negative time": () => own(timed(`-${now()}`)),
    "a time with a plus": () => own(timed(`+${now()}`)),
    "a fraction of a second": () => own(timed(`${now()}.5`)),
    "a fraction of nothing": () => own(timed(`${now()}.0`)),
    "a padded time": () => own(timed(`0${now()}`)),
    "an exponent": () => own(timed(`${now()}e0`)),
    "a hexadecimal time": () => own(timed(`0x${now().toString(16)}`)),
    milliseconds: () => own(timed(`${now()}000`)),
    microseconds: () => own(timed(`${now()}000000`)),
    "a date": () => own(timed(new Date(now() * 1000).toISOString())),
    "a time of eight digits": () => own(timed("99999999")),
    "the largest number": () => own(timed("9007199254740993")),
    infinity: () => own(timed("Infinity")),
    "no number": () => own(timed("NaN")),
    "an empty time": () => own(timed("")),
    "a space in the time": () => own(timed(`${now()} `)),
    "301 seconds old": () => own(timed(`${now() - 301}`)),
    "301 seconds ahead": () => own(timed(`${now() + 301}`)),
    "an hour old": () => own(timed(`${now() - 3_600}`)),
    "a year ahead": () => own(timed(`${now() + 31_536_000}`)),
    "a bare digest": async () => own(await digest()),
    "another scheme's form": async () => own(`sha256=${await digest()}`),
    "capital keys": async () => own((await good()).replace("t=", "T=").replace("v1=", "V1=")),
    "another version": async () => own((await good()).replace("v1=", "v2=")),
    semicolons: async () => own((await good()).replace(",", ";")),
    "a space for the comma": async () => own((await good()).replace(",", " ")),
    "a tab after the comma": async () => own((await good()).replace(",", ",\t")),
    quotes: async () => own(`"${await good()}"`),
    "quotes around the digest": async () => own(`t=${now()},v1="${await digest()}"`),
    "a space before the digest": async () => own(`t=${now()},v1= ${await digest()}`),
    "0x before the digest": async () => own(`t=${now()},v1=0x${await digest()}`),
    "the digest in base64": async () => own(`t=${now()},v1=${btoa(await digest())}`),
    "the digest cut to 32 digits": async () => own((await good()).slice(0, -32)),
    "the digest twice in one": async () => own(`${await good()}${await digest()}`),
    "an empty digest": () => own(`t=${now()},v1=`),
    "a good digest beside an empty one": async () => own(`${await good()},v1=`),
    "a good digest beside a short one": async () => own(`${await good()},v1=00`),
    "a good digest six times": async () => own(`t=${now()}${`,v1=${await digest()}`.repeat(6)}`),
    "two commas": async () => own((await good()).replace(",", ",,")),
    "a leading comma": async () => own(`,${await good()}`),
    "two equals signs": async () => own((await good()).replace("v1=", "v1==")),
    "a line of 64 KiB": async () => own(`${await good()},${"x".repeat(65_536)}=1`),
    "a letter beyond ASCII": async () => own(`${await good()}é`),
    "a hard space": async () => own(`t=${now()},\u00a0v1=${await digest()}`),
    "the line twice": async () => [...(await own(good())), ...(await own(good()))],
    "a bad line before the good one": async () => [...(await own("nonsense")), ...(await own(good()))],
    "a good line before a bad one": async () => [...(await own(good())), ...(await own("nonsense"))],
    "an empty line before the good one": async () => [...(await own("")), ...(await own(good()))],
    "the second header twice": async () => [
      ...(await own(`v1=${await digest()}`)),
      ...([
        ["X-OSA-Timestamp", String(now())],
        ["X-OSA-Timestamp", String(now())],
      ] as const),
    ],
    "the second header empty": async () => [...(await own(good())), ["X-OSA-Timestamp", ""]],
    "the second header in milliseconds": async () => [...(await own(good())), ["X-OSA-Timestamp", `${now()}000`]],
    "only the second header": async () => [["X-OSA-Timestamp", String(now())]],
    "the signature as a cookie": async () => [["Cookie", `X-OSA-Signature=${await good()}`]],
    "the signature as a bearer": async () => [["Authorization", `Bearer ${await good()}`]],
    "the name with underscores": async () => [["X_OSA_Signature", await good()]],
    "another workspace's secret, twice over": async () => own(signature(BODY, ACME_SECRET)),
    "a digest of the header's own time without the dot": async () =>
      own(`t=${now()},v1=${await hmac(`${now()}${BODY}`, SECRET)}`),
    "a digest with an empty body": async () => own(`t=${now()},v1=${await hmac(`${now()}.`, SECRET)}`),
    "the secret itself": () => own(SECRET),
    "a plain hash": async () => own(`t=${now()},v1=${await sha256(`${now()}.${BODY}`)}`),
    "a plain hash with the secret in front": async () =>
      own(`t=${now()},v1=${await sha256(`${SECRET}${now()}.${BODY}`)}`),
  };

  test.for(Object.entries(rows))("%s", async ([, linesOf]) => {
    const plain = await post([JSON_TYPE], BODY);
    expect([plain.status, plain.code]).toEqual(REFUSED);
    expect(await post([JSON_TYPE, ...(await linesOf())], BODY)).toEqual(plain);
    expect(await kept()).toBe(0);
  });

  test.for(["/api/webhooks/opal-workflow/acme", "/api/webhooks/opal-workflow/nobody"])(
    "and a good one for another workspace is none at %s",
    async (path) => {
      const answer = await post([JSON_TYPE, ...(await own(good()))], BODY, path);
      expect([answer.status, answer.code]).toEqual(path.endsWith("acme") ? REFUSED : [404, "resource_not_found"]);
    },
  );
});

describe("a body is read as what it is, and only when it is signed", () => {
  afterEach(startOver);

  const deep = (opening: string, closing: string, levels: number) =>
    `${opening.repeat(levels)}1${closing.repeat(levels)}`;
  const event = (more: string) => `{"workflow_id":"wf-1","event_type":"workflow_progress",${more}}`;
  const about = (more: Readonly<Record<string, unknown>>) =>
    JSON.stringify(agentEvent({ session_id: "nobody", correlation_id: "nobody" }, "content_review", "completed", more));
  const bytes = (...values: readonly (number | string)[]) =>
    Uint8Array.from(values.flatMap((value) => (typeof value === "number" ? [value] : [...bytesOf(value)])));

  const rows: Readonly<Record<string, readonly [string | Uint8Array, readonly [number, string | undefined]]>> = {
    "a line break alone": ["\n", UNREADABLE],
    "a null byte": [bytes(0), UNREADABLE],
    "a null byte behind": [bytes(BODY, 0), UNREADABLE],
    "a byte order mark alone": [bytes(0xef, 0xbb, 0xbf), UNREADABLE],
    "a byte order mark in front": [bytes(0xef, 0xbb, 0xbf, BODY), STORED],
    "two byte order marks": [bytes(0xef, 0xbb, 0xbf, 0xef, 0xbb, 0xbf, BODY), UNREADABLE],
    "UTF-16": [Uint8Array.from([...BODY].flatMap((letter) => [letter.charCodeAt(0), 0])), UNREADABLE],
    "half a letter": [bytes('{"a":"', 0xc3, '"}'), UNREADABLE],
    "a letter in too many bytes": [bytes('{"a":"', 0xc0, 0xaf, '"}'), UNREADABLE],
    "half a pair as bytes": [bytes('{"a":"', 0xed, 0xa0, 0x80, '"}'), UNREADABLE],
    "half a pair as an escape": [event('"agent_id":"\\ud800"'), STORED],
    "a workflow named by half a pair": ['{"workflow_id":"\\ud800","event_type":"workflow_progress"}', STORED],
    "a null letter in the workflow's name": ['{"workflow_id":"a\\u0000b","event_type":"workflow_progress"}', STORED],
    "plain text": ["hello", UNREADABLE],
    "a form": ["workflow_id=wf-1&event_type=workflow_progress", UNREADABLE],
    XML: ["<workflow_id>wf-1</workflow_id>", UNREADABLE],
    YAML: ["workflow_id: wf-1", UNREADABLE],
    "single quotes": ["{'workflow_id':'wf-1'}", UNREADABLE],
    "keys without quotes": ["{workflow_id:1}", UNREADABLE],
    "a trailing comma": [`${BODY.slice(0, -1)},}`, UNREADABLE],
    "a comment": [`/* hello */${BODY}`, UNREADABLE],
    "a script": [`)]}',\n${BODY}`, UNREADABLE],
    "two lines of JSON": [`${BODY}\n${BODY}`, UNREADABLE],
    "a raw line break in a string": [event('"a":"\n"'), UNREADABLE],
    NaN: [event('"confidence_score":NaN'), UNREADABLE],
    infinity: [event('"confidence_score":-Infinity'), UNREADABLE],
    undefined: [event('"confidence_score":undefined'), UNREADABLE],
    "a hexadecimal number": [event('"offset":0x10'), UNREADABLE],
    "a padded number": [event('"offset":01'), UNREADABLE],
    "a number beyond all measure": [event('"offset":1e400,"timestamp":1e400,"confidence_score":1e400'), STORED],
    "a number below all measure": [event('"offset":-1e400,"timestamp":-1e400,"confidence_score":-1e400'), STORED],
    "a number of 10,000 digits": [event(`"offset":${"9".repeat(10_000)}`), STORED],
    "minus zero": [event('"offset":-0,"timestamp":-0'), STORED],
    "keys that come twice": [event('"workflow_id":"wf-2","workflow_id":"wf-3"'), STORED],
    "a prototype": [event('"__proto__":{"isAdmin":true}'), STORED],
    "a prototype that is a list": [event('"__proto__":[]'), STORED],
    "a prototype by its constructor": [event('"constructor":{"prototype":{"isAdmin":true}}'), STORED],
    "a prototype in the metadata": [event('"metadata":{"__proto__":{"isAdmin":true,"session_id":"x"}}'), STORED],
    "a prototype in the result": [about({ agent_data: JSON.parse('{"__proto__":{"isAdmin":true}}') }), STORED],
    "an agent named by the prototype": [about({ agent_id: "__proto__" }), STORED],
    "an agent named like a method": [about({ agent_id: "hasOwnProperty" }), STORED],
    "a status named like a method": [about({ execution_status: "constructor" }), STORED],
    "an event named like a method": ['{"event_type":"toString","workflow_id":"valueOf"}', STORED],
    "methods that are no methods": [event('"toString":1,"valueOf":2,"toJSON":3,"then":4,"length":5'), STORED],
    "an agent that is an object": [about({ agent_id: { toString: "x" } }), STORED],
    "an empty key": [event('"":{"":{"":null}}'), STORED],
    "a workflow of 100,000 letters": [
      `{"workflow_id":"${"w".repeat(100_000)}","event_type":"agent.completed"}`,
      STORED,
    ],
    "a workflow that looks like SQL": [
      '{"workflow_id":"\'; DROP TABLE held; --","event_type":"agent.completed"}',
      STORED,
    ],
    "a workflow that looks like a path": ['{"workflow_id":"../../default:workspace","event_type":"x"}', STORED],
    "a workflow that looks like an object": [
      '{"workflow_id":"acme:workspace","event_type":"workflow_progress"}',
      STORED,
    ],
    "10,000 levels of lists": [deep("[", "]", 10_000), UNREADABLE],
    "10,000 levels of objects": [deep('{"a":', "}", 10_000), UNREADABLE],
    "10,000 levels in a result": [event(`"agent_data":${deep("[", "]", 10_000)}`), UNREADABLE],
    "10,000 levels that never end": ["[".repeat(10_000), UNREADABLE],
    "closing brackets only": ["]".repeat(10_000), UNREADABLE],
    "more lists than there is memory for": [`[${"[],".repeat(250_001)}[]]`, [413, "payload_too_large"]],
    "a key for every letter": [`{${Array.from({ length: 20_000 }, (_, index) => `"k${index}":1`).join(",")}}`, STORED],
    "a list": [`[${BODY}]`, STORED],
    "an empty list": ["[]", STORED],
    "an empty object": ["{}", STORED],
    "a string": ['"workflow_id"', STORED],
    "an empty string": ['""', STORED],
    "a number": ["0", STORED],
    true: ["true", STORED],
    null: ["null", STORED],
    "nulls everywhere": [about({ agent_id: null, agent_data: null, metadata: null, workflow_id: null }), STORED],
  };

  test.for(Object.entries(rows))("%s", async ([, [body, expected]]) => {
    const forged = await post([JSON_TYPE, ["X-OSA-Signature", await signature(body, ACME_SECRET)]], body);
    expect([forged.status, forged.code]).toEqual(REFUSED);
    expect(await kept()).toBe(0);
    const signed = await post([JSON_TYPE, ["X-OSA-Signature", await signature(body)]], body);
    expect([signed.status, signed.code]).toEqual(expected);
    expect(await kept()).toBe(expected === STORED ? 1 : 0);
  });
});

describe("a type that is not plainly JSON is refused before the signature is looked at", () => {
  const rows: Readonly<Record<string, readonly HeaderLine[]>> = {
    none: [],
    "an empty one": [["Content-Type", ""]],
    "JSON in a list": [["Content-Type", "application/json, text/html"]],
    "two lines": [JSON_TYPE, JSON_TYPE],
    "text behind a semicolon": [["Content-Type", "text/plain; application/json"]],
    "problem details": [["Content-Type", "application/problem+json"]],
    "lines of JSON": [["Content-Type", "application/x-ndjson"]],
    "any type": [["Content-Type", "*/*"]],
    bytes: [["Content-Type", "application/octet-stream"]],
    "UTF-16": [["Content-Type", "application/json; charset=utf-16"]],
    "UTF-7": [["Content-Type", "application/json; charset=utf-7"]],
    "two charsets": [["Content-Type", "application/json; charset=utf-8; charset=utf-16"]],
    deflate: [JSON_TYPE, ["Content-Encoding", "deflate"]],
    "two encodings": [JSON_TYPE, ["Content-Encoding", "gzip, identity"]],
    "an encoding nobody knows": [JSON_TYPE, ["Content-Encoding", "x-bomb"]],
  };

  test.for(Object.entries(rows))("%s", async ([, lines]) => {
    for (const secret of [SECRET, ACME_SECRET]) {
      const answer = await post([...lines, ["X-OSA-Signature", await signature(BODY, secret)]], BODY);
      expect([answer.status, answer.code]).toEqual(WRONG_TYPE);
    }
    expect(await kept()).toBe(0);
  });

  test("gzip bytes that call themselves JSON are no JSON", async () => {
    const zipped = new Blob([bytesOf(BODY)]).stream().pipeThrough(new CompressionStream("gzip"));
    const body = new Uint8Array(await new Response(zipped).arrayBuffer());
    const line: HeaderLine = ["X-OSA-Signature", await signature(body)];
    expect(await post([JSON_TYPE, line], body)).toMatchObject({ status: 400, code: "unreadable_body" });
    expect((await post([JSON_TYPE, ["Content-Encoding", "gzip"], line], body)).status).toBe(415);
    expect(await kept()).toBe(0);
  });
});

async function sha256(text: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", bytesOf(text));
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
