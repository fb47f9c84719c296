// What the fuzzer has to say at its end: for the terminal, and for docs/results/fuzz.md. Pure.
import type { Memory } from "./fuzz-memory.ts";
import type { Knocked } from "./fuzz-requests.ts";
import type { Checked, Tally } from "./fuzz-signatures.ts";
import type { SlowSender } from "./fuzz-slow.ts";
import type { Timing } from "./fuzz-timing.ts";

export interface Outcome {
  readonly forged: Checked;
  readonly written: Checked;
  readonly bodies: Checked;
  readonly timing: Timing;
  readonly knocked: Knocked;
  readonly slow: readonly SlowSender[];
  readonly stored: number;
  readonly findings: readonly string[];
}

export interface Circumstances {
  readonly seed: number;
  readonly durationMs: number;
  readonly startedAt: Date;
  readonly versions: string;
  readonly machine: string;
  /** How to draw the same again. */
  readonly repeat: string;
}

type Row = readonly [name: string, value: string | number];

export function rows(outcome: Outcome, circumstances: Circumstances): Row[] {
  const { forged, written, bodies, timing, knocked, slow, stored, findings } = outcome;
  return [
    ["verdict", findings.length === 0 ? "passed" : `failed: ${findings.length} broken promises`],
    ["headers changed by chance", forged.runs],
    ["of these accepted without the HMAC of what arrived", forged.broken === undefined ? 0 : "one or more"],
    ["answers to them", tallied(forged.answers)],
    ["genuine headers, written in every way", written.runs],
    ["genuine headers over bodies of 0 to 1 MiB", bodies.runs],
    ["of these rejected", written.broken === undefined && bodies.broken === undefined ? 0 : "one or more"],
    ["requests to the real Worker", knocked.requests],
    ["answers to signed requests", tallied(knocked.genuine)],
    ["answers to forged requests", tallied(knocked.forged)],
    ["5xx", fivefold(knocked)],
    ["without an answer within 20 s", (knocked.genuine[0] ?? 0) + (knocked.forged[0] ?? 0)],
    ["deliveries acknowledged", knocked.accepted.size],
    ["deliveries found in the storage", stored],
    [
      "senders that stopped in the middle",
      slow.map(({ status, afterMs }) => `${status} after ${seconds(afterMs)}`).join(", "),
    ],
    ["memory of the Worker's workerd", grown(knocked, "worker")],
    ["memory of wrangler's own workerd in front of it", grown(knocked, "proxy")],
    ["time of a refusal, first byte wrong", `${timing.firstUs.toFixed(2)} µs (mean of ${timing.times})`],
    ["time of a refusal, last byte wrong", `${timing.lastUs.toFixed(2)} µs (mean of ${timing.times})`],
    ["Welch's t between them", `${timing.t.toFixed(2)}; ${timing.croppedT.toFixed(2)} without the slowest twentieth`],
    ["requests per second", Math.round(knocked.requests / (knocked.durationMs / 1_000))],
    ["duration", seconds(circumstances.durationMs)],
    ["seed", circumstances.seed],
    ["the same again", `\`${circumstances.repeat}\``],
    ["when", circumstances.startedAt.toISOString()],
    ["versions", circumstances.versions],
    ["machine", circumstances.machine],
  ];
}

export function markdown(outcome: Outcome, circumstances: Circumstances): string {
  const table = rows(outcome, circumstances).map(([name, value]) => `| ${name} | ${value} |`);
  return `# Last run of \`npm run fuzz\`

${["| | |", "|---|---|", ...table].join("\n")}

Judged for every header: what the signature check accepts holds, read as generously as anybody might, the HMAC of that very body and of the one time it names, with an active secret and within 300 s. Headers that are genuine come from the \`stripe\` and \`standardwebhooks\` libraries wherever the body is text, and from Node's own HMAC where it is not. Headers that were changed and are genuine still (an item more that nobody knows, spaces, the same time twice) are among the accepted ones.

Judged for every request: its status is one that this address may answer to this sender, a refusal is a well-formed problem document, an answer comes within 20 s. At the end the Worker is stopped, and every body in the objects' SQLite and in D1 is held against what senders were told: what was acknowledged is there byte for byte, and nothing else is. A 401 among the answers to signed requests is a header that chance has changed: it holds the HMAC still, but is not written as documented. One that nobody has changed may not be answered so.

Welch's t compares the time of refusals whose digest is wrong in its first byte with those wrong in its last one, in Node's WebCrypto: beyond 4.5 either way nobody calls it chance.
`;
}

export function plain(outcome: Outcome, circumstances: Circumstances): string {
  const listed = rows(outcome, circumstances);
  const width = Math.max(...listed.map(([name]) => name.length));
  return listed.map(([name, value]) => `${name.padEnd(width)}  ${value}`).join("\n");
}

/** None of our code is in the proxy: what it grows by, the local runtime grows by. */
function grown({ memory }: Knocked, which: keyof Memory): string {
  const [early, halfway, late, atRest] = memory.map((measured) => measured?.[which] ?? "?");
  return `${early} MiB after the first thousand requests, ${halfway} half-way, ${late} at the end, ${atRest} at rest`;
}

function tallied(tally: Tally): string {
  const parts = Object.entries(tally).map(([answer, times]) => `${answer} ${times}`);
  return parts.length === 0 ? "none" : parts.join(", ");
}

function fivefold({ genuine, forged }: Knocked): number {
  const all = [...Object.entries(genuine), ...Object.entries(forged)];
  return all.filter(([status]) => Number(status) >= 500).reduce((sum, [, times]) => sum + times, 0);
}

function seconds(ms: number): string {
  return `${Math.round(ms / 1_000)} s`;
}
