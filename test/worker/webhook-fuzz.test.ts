// The Worker's front doors against chance: the short form of `npm run fuzz` over HTTP. A failure prints the seed and
// the smallest request that repeats it.
import { exports } from "cloudflare:workers";
import fc from "fast-check";
import { Webhook } from "standardwebhooks";
import { afterEach, expect, test, vi } from "vitest";
import { faultIn, storedAs } from "../../scripts/fuzz-answers.ts";
import { forgedKnock, genuineKnock, type Knock } from "../../scripts/fuzz-doors.ts";
import { type Keys, type Prepared, prepare } from "../../scripts/fuzz-knocking.ts";
import { joinParts } from "../../src/platform/bodies.ts";
import {
  bytesOf,
  hmac,
  ORIGIN,
  PREVIOUS_SECRET,
  runningSync,
  SECRET,
  signature,
  unixSeconds,
} from "../support/worker/client.ts";
import { inboxObject, query, sessionObject, startOver, workspaceObject } from "../support/worker/objects.ts";

afterEach(startOver);
vi.setConfig({ testTimeout: 60_000 });

const seed = Math.floor(Math.random() * 2 ** 31);
const RUNS = 150;

const KEYS: Keys = {
  secrets: { current: SECRET, previous: PREVIOUS_SECRET, stranger: "a-secret-that-nobody-here-has-ever-heard-of" },
  token: "test-tools-token-of-at-least-forty-letters",
  sign: async (body, { scheme, secret, time, id }) => {
    const own = await signature(body, secret, time);
    if (scheme === "osa") return { signature: own, timestamp: null, id: null };
    if (scheme === "bare") return { signature: own.replace(/^.*v1=/, ""), timestamp: String(time), id: null };
    const text = new TextDecoder("utf-8", { fatal: false, ignoreBOM: true }).decode(body);
    // The library signs text alone.
    const signed = areEqual(bytesOf(text), body)
      ? new Webhook(secret, { format: "raw" }).sign(id, new Date(time * 1000), text)
      : `v1,${base64(await hmac(concat(`${id}.${time}.`, body), secret))}`;
    return { signature: signed, timestamp: String(time), id };
  },
  keyOf: (_scheme, secret) => bytesOf(secret),
  hmac: async (key, signed) => bytesFrom(await hmac(signed, new TextDecoder().decode(key))),
  unsendable: /[^\t\x20-\x7e]/g,
};

interface Answered extends Prepared {
  readonly status: number;
  readonly text: string;
}

async function knock(drawn: Knock, run: { session: string; correlation: string }): Promise<Answered> {
  const prepared = await prepare(drawn, run, KEYS, unixSeconds());
  const { path, headers, body, allowed } = prepared;
  const response = await exports.default.fetch(`${ORIGIN}${path}`, { method: "POST", headers: [...headers], body });
  const text = await response.text();
  const given = { status: response.status, type: response.headers.get("Content-Type") ?? "", text };
  expect(faultIn(given, allowed)).toBeUndefined();
  return { ...prepared, status: response.status, text };
}

async function activeRun() {
  const { session_id: session, correlation_id: correlation } = await runningSync();
  return { session, correlation };
}

test("whatever is signed is answered, and what is accepted reads back byte for byte", async () => {
  const run = await activeRun();
  const tally: Record<number, number> = {};
  const property = fc.asyncProperty(genuineKnock, async (drawn) => {
    const { status, text, body } = await knock(drawn, run);
    tally[status] = (tally[status] ?? 0) + 1;
    if (status >= 300 || drawn.door.opens !== "signature") return;
    const id = storedAs(text);
    expect(id).toBeDefined();
    expect(areEqual(await storedBody(run.session, id ?? ""), body)).toBe(true);
  });
  await fc.assert(property, { seed, numRuns: RUNS });
  expect(Object.keys(tally)).toEqual(expect.arrayContaining(["200", "202", "400"]));
});

test("whatever is not signed is refused, and nothing of it is stored", async () => {
  const run = await activeRun();
  const before = await stored(run.session);
  let genuine = 0;
  const property = fc.asyncProperty(forgedKnock, async (drawn) => {
    const { status, isGenuine } = await knock(drawn, run);
    if (isGenuine && status < 300) genuine++;
  });
  await fc.assert(property, { seed, numRuns: RUNS });
  expect(await stored(run.session)).toBeLessThanOrEqual(before + genuine);
});

const INBOXES = ["opal", "ga4", "salesforce", "external"] as const;

/** Wherever deliveries are kept: the run, those without a run, those that wait for theirs. */
function keepers(session: string) {
  return [sessionObject(session), workspaceObject(), ...INBOXES.map((name) => inboxObject(name))];
}

/** Bodies of deliveries, wherever they are kept. */
async function stored(session: string): Promise<number> {
  let count = 0;
  for (const object of keepers(session)) {
    count += (await query(object, "SELECT DISTINCT body_id FROM bodies WHERE body_id NOT LIKE '%.%'")).length;
  }
  return count;
}

async function storedBody(session: string, id: string): Promise<Uint8Array> {
  for (const object of keepers(session)) {
    const parts = await query(object, `SELECT bytes FROM bodies WHERE body_id = '${id}' ORDER BY part`);
    if (parts.length > 0) return joinParts(parts.flatMap(({ bytes }) => (bytes instanceof ArrayBuffer ? [bytes] : [])));
  }
  throw new Error(`${id} was accepted and is nowhere`);
}

function concat(head: string, tail: Uint8Array): Uint8Array {
  return Uint8Array.of(...bytesOf(head), ...tail);
}

function bytesFrom(hex: string): Uint8Array {
  return Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

function base64(hex: string): string {
  return btoa(String.fromCharCode(...bytesFrom(hex)));
}

function areEqual(left: Uint8Array, right: Uint8Array): boolean {
  return left.byteLength === right.byteLength && left.every((byte, index) => byte === right[index]);
}
