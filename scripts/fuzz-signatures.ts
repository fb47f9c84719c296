// The signature check itself, without HTTP: headers changed by chance, headers written otherwise, and genuine ones over
// bodies of every size. The same seed draws the same.
import fc from "fast-check";
import { type Draw, drawFrom } from "../simulator/random.ts";
import { readBareSignature, readSignature, verifyBody } from "../src/webhooks/signature.ts";
import { readStandardSignature, verifyStandardBody } from "../src/webhooks/standard.ts";
import { type Attempt, bodyOf, forgedAttempt, genuineAttempt, headersOf, type Signatory } from "./fuzz-attempts.ts";
import type { Scheme, SignatureFields } from "./fuzz-headers.ts";
import { isGenuine } from "./fuzz-meaning.ts";
import { keyOf, nodeHmac, signBytes, signText } from "./fuzz-signers.ts";

export const SECRETS: Readonly<Record<Signatory, string>> = {
  current: "a-plain-text-secret-of-forty-characters-",
  previous: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=",
  stranger: "another-plain-secret-of-forty-characters",
};

const ACTIVE = (["current", "previous"] as const).map((name) => ({ name, value: SECRETS[name] }));
/** The pure check is asked at one moment, so that a seed repeats everything. */
const NOW_SECONDS = 1_767_603_600;
const ID = "msg_2KWPBgLlAfxdpx2AI54pPJ85f4W";
const MIB = 1024 * 1024;

export interface Drawn {
  readonly seed: number;
  readonly runs: number;
}

/** How often each answer was given: `accepted`, or the reason of the refusal. */
export type Tally = Record<string, number>;

export interface Checked {
  readonly runs: number;
  readonly answers: Tally;
  /** What fast-check says about a broken promise, with the smallest example; undefined when all were kept. */
  readonly broken: string | undefined;
}

const text = fc.oneof(fc.string({ unit: "binary", maxLength: 60 }), fc.json({ maxDepth: 2 }), fc.constant(""));
const body = fc.oneof({ weight: 3, arbitrary: text }, { weight: 1, arbitrary: fc.uint8Array({ maxLength: 80 }) });

/** Whatever chance makes of a header, it is accepted only if it still holds the HMAC of that body and time. */
export function checkForged(drawn: Drawn): Promise<Checked> {
  return check(drawn, forgedAttempt, body, async (attempt, signed) => {
    const { fields, arrived } = arrive(attempt, signed);
    const answer = await verdict(attempt.scheme, fields, arrived);
    if (answer !== "accepted") return answer;
    const keys = ACTIVE.map(({ value }) => keyOf(attempt.scheme, value));
    const judged = { scheme: attempt.scheme, fields, body: arrived, nowSeconds: NOW_SECONDS, keys };
    if (!(await isGenuine(judged, nodeHmac))) throw new Error("accepted, but it holds no HMAC of what arrived");
    return "accepted";
  });
}

/** However a genuine header is written, it is accepted. */
export function checkGenuine(drawn: Drawn): Promise<Checked> {
  return check(drawn, genuineAttempt(), body, acceptedAlways);
}

/** Genuine headers are accepted over bodies of 0 to 1 MiB, text and bytes. */
export function checkGenuineBodies(drawn: Drawn): Promise<Checked> {
  const drawnBody = fc.record({ name: fc.nat(), isText: fc.boolean() }).map(({ name, isText }) => {
    const draw = drawFrom("body", name);
    const size = Math.floor(2 ** (draw.fraction() * 20.01)) - 1;
    return isText ? textOf(draw, Math.min(size, MIB)) : bytesOf(draw, Math.min(size, MIB));
  });
  return check(drawn, genuineAttempt(), drawnBody, acceptedAlways);
}

async function acceptedAlways(attempt: Attempt, signed: string | Uint8Array): Promise<string> {
  const { fields, arrived } = arrive(attempt, signed);
  const answer = await verdict(attempt.scheme, fields, arrived);
  if (answer !== "accepted") throw new Error(`genuine, but refused: ${answer}`);
  return answer;
}

type Try = (attempt: Attempt, signed: string | Uint8Array) => Promise<string>;

async function check(
  { seed, runs }: Drawn,
  attempts: fc.Arbitrary<Attempt>,
  bodies: fc.Arbitrary<string | Uint8Array>,
  tryOnce: Try,
): Promise<Checked> {
  const answers: Tally = {};
  const property = fc.asyncProperty(attempts, bodies, async (attempt, signed) => {
    const answer = await tryOnce(attempt, signed);
    answers[answer] = (answers[answer] ?? 0) + 1;
  });
  const details = await fc.check(property, { seed, numRuns: runs });
  const broken = details.failed ? fc.defaultReportMessage(details) : undefined;
  return { runs: details.numRuns, answers, broken };
}

function arrive(attempt: Attempt, signed: string | Uint8Array): { fields: SignatureFields; arrived: Uint8Array } {
  const { scheme, signatory, ageSeconds } = attempt;
  const signing = { scheme, secret: SECRETS[signatory], time: NOW_SECONDS - ageSeconds, id: ID };
  const isText = typeof signed === "string";
  const written = isText ? signText(signed, signing) : signBytes(signed, signing);
  const sent = isText ? new TextEncoder().encode(signed) : signed;
  return { fields: headersOf(attempt, written), arrived: bodyOf(attempt, sent) };
}

async function verdict(scheme: Scheme, fields: SignatureFields, arrived: Uint8Array): Promise<string> {
  const nowMs = NOW_SECONDS * 1000;
  if (scheme !== "standard") {
    const header = scheme === "osa" ? readSignature(fields, nowMs, false) : readBareSignature(fields, nowMs);
    const verified = header.ok ? await verifyBody(header, arrived, ACTIVE) : header;
    return verified.ok ? "accepted" : verified.reason;
  }
  const header = readStandardSignature(fields, nowMs);
  const verified = header.ok ? await verifyStandardBody(header, arrived, ACTIVE) : header;
  return verified.ok ? "accepted" : verified.reason;
}

function bytesOf(draw: Draw, size: number): Uint8Array {
  return Uint8Array.from({ length: size }, () => draw.integer(0, 255));
}

const PLANES = [0x20, 0x7f, 0xe9, 0x2028, 0xd800, 0xdc00, 0xfeff, 0xfffd, 0x1_f600, 0x10_ffff, 0, 0x0a, 0x22, 0x5c];

/** Letters of every plane, lone surrogates and the byte order mark among them; so many bytes at most. */
function textOf(draw: Draw, size: number): string {
  const block = Array.from({ length: Math.min(size, 4_096) / 4 }, () => String.fromCodePoint(draw.pick(PLANES)));
  const once = block.join("");
  const times = Math.max(1, Math.floor(size / Math.max(1, Buffer.byteLength(once))));
  return size === 0 ? "" : once.repeat(times);
}
