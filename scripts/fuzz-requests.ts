// Requests drawn by chance against the real Worker: signed and forged, several at a time. Every answer is judged when it
// comes; what was accepted is remembered, to be looked for in the storage at the end.
import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import fc from "fast-check";
import { acknowledgedIn, faultIn } from "./fuzz-answers.ts";
import type { RunNames } from "./fuzz-bodies.ts";
import { forgedKnock, genuineKnock, type Knock, largeKnock } from "./fuzz-doors.ts";
import { type Keys, type Prepared, prepare } from "./fuzz-knocking.ts";
import { type Memory, workerdMemory } from "./fuzz-memory.ts";
import type { Tally } from "./fuzz-signatures.ts";
import { keyOf, nodeHmac, signBytes, signText } from "./fuzz-signers.ts";
import type { Target } from "./fuzz-target.ts";

const AT_ONCE = 6;
/** Requests that one run gets; the next ones get another. */
const BATCH = 500;
/** Of these, so many are as large as a body may be, or larger. */
const LARGE = 3;
/** Objects that nobody asks anything are put away by then. */
const REST_MS = 30_000;
const ANSWER_LIMIT_MS = 20_000;

export interface Knocked {
  readonly requests: number;
  /** Answers by status. */
  readonly genuine: Tally;
  readonly forged: Tally;
  readonly accepted: Map<string, string | null>;
  readonly findings: string[];
  /** After the first batches, half-way, at the end, and when nobody had asked anything for a while. */
  readonly memory: readonly (Memory | undefined)[];
  readonly durationMs: number;
}

export interface Knocking {
  readonly seed: number;
  readonly requests: number;
  readonly say: (line: string) => void;
}

export async function knockAll(target: Target, { seed, requests, say }: Knocking): Promise<Knocked> {
  const startedAt = performance.now();
  const [genuine, forged]: [Tally, Tally] = [{}, {}];
  const accepted = new Map<string, string | null>();
  const findings: string[] = [];
  let [early, halfway]: (Memory | undefined)[] = [];
  for (let begin = 0; begin < requests; begin += BATCH) {
    const run = await target.newRun();
    // The memory of a Worker that has seen everything once.
    if (begin <= 2 * BATCH) early = workerdMemory(target.group);
    if (begin <= requests / 2) halfway = workerdMemory(target.group);
    const numRuns = Math.min(BATCH, requests - begin);
    const drawn = fc.sample(fc.oneof(genuineKnock, forgedKnock), { seed: seed + begin, numRuns });
    const large = fc.sample(largeKnock, { seed: seed + begin, numRuns: LARGE });
    await inTurns([...large, ...drawn.slice(large.length)].entries(), async ([index, knock]) => {
      const prepared = await prepare(knock, run, keysOf(target), Math.floor(Date.now() / 1000));
      const answer = await answerTo(target, prepared);
      const tally = prepared.isGenuine ? genuine : forged;
      tally[answer.status] = (tally[answer.status] ?? 0) + 1;
      const fault = faultIn(answer, prepared.allowed);
      if (fault !== undefined) findings.push(describe(begin + index, knock, run, fault, answer.text));
      if (answer.status >= 300) return;
      for (const id of acknowledgedIn(answer.text)) {
        const isOurs = knock.door.opens === "signature";
        accepted.set(id, isOurs ? createHash("sha256").update(prepared.body).digest("hex") : null);
      }
    });
    if ((begin / BATCH) % 4 === 3) {
      say(
        `${begin + numRuns} requests, ${findings.length} findings, the Worker has ${workerdMemory(target.group)?.worker ?? "?"} MiB`,
      );
    }
  }
  const durationMs = performance.now() - startedAt;
  const late = workerdMemory(target.group);
  await sleep(REST_MS);
  const memory = [early, halfway, late, workerdMemory(target.group)];
  return { requests, genuine, forged, accepted, findings, memory, durationMs };
}

function keysOf({ secrets, token }: Target): Keys {
  return {
    ...{ secrets, token, keyOf, hmac: nodeHmac },
    sign: (body, signing) => {
      const text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(body);
      return Buffer.from(text).equals(body) ? signText(text, signing) : signBytes(body, signing);
    },
    unsendable: /[^\t\x20-\x7e\x80-\xff]/g,
  };
}

async function answerTo({ url }: Target, { path, headers, body }: Prepared) {
  try {
    const response = await fetch(`${url}${path}`, {
      ...{ method: "POST", headers: [...headers], body: new Uint8Array(body) },
      signal: AbortSignal.timeout(ANSWER_LIMIT_MS),
    });
    const type = response.headers.get("Content-Type") ?? "";
    return { status: response.status, type, text: await response.text() };
  } catch (error) {
    const { cause, message } = error instanceof Error ? error : { cause: undefined, message: String(error) };
    return { status: 0, type: "", text: `no answer: ${message} ${cause === undefined ? "" : String(cause)}` };
  }
}

function describe(number: number, knock: Knock, run: RunNames, fault: string, answer: string): string {
  const { isGenuine, ...drawn } = knock;
  const request = fc.stringify(drawn).slice(0, 2_000);
  return `request ${number} (${isGenuine ? "signed" : "forged"}, ${run.session}): ${fault}; ${answer.slice(0, 500)}; ${request}`;
}

async function inTurns<Item>(items: Iterator<Item>, work: (item: Item) => Promise<void>): Promise<void> {
  const worker = async () => {
    for (let next = items.next(); !next.done; next = items.next()) await work(next.value);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}
