// What the flood has to say at its end: for the terminal, and for docs/results/flood.md. Pure.
import { percentile } from "../bench/numbers.ts";
import { isAcknowledged, lostEvents, storedUntold } from "./flood-oracle.ts";
import type { Life } from "./flood-pour.ts";
import type { FloodOutcome } from "./flood-run.ts";
import { sum } from "./flood-state.ts";
import type { Times, UnsignedOutcome } from "./flood-unsigned.ts";

export interface Circumstances {
  readonly seed: number;
  readonly connections: number;
  readonly startedAt: Date;
  readonly durationMs: number;
  readonly versions: string;
  readonly machine: string;
  readonly repeat: string;
}

export type Row = readonly [name: string, value: string | number];

export function floodRows(outcome: FloodOutcome): Row[] {
  const { findings, receivers, sent, state, inFlight, sendingMs, drainMs, lives, parcels, searched } = outcome;
  const { told, latencies } = sent;
  const acknowledged = told.filter(isAcknowledged).length;
  const untold = storedUntold({ receivers, sent, state }).length;
  const answers = sum(Object.values(sent.statuses));
  const lost = sum(inFlight);
  const owners = state.owners.filter(({ ledger }) => ledger.received > 0);
  const of = (outcomeOf: (typeof owners)[number]) => outcomeOf.ledger.received;
  return [
    ["verdict", verdict(findings.length)],
    ["events", told.length],
    ["sent twice and out of order", parcels - told.length],
    ["kill -9 of the Worker", inFlight.length],
    ["requests under way at the kills", `${lost} (${inFlight.join(", ")})`],
    ["of these sent again, the others given up", lost - sent.givenUp],
    ["events acknowledged", acknowledged],
    ["acknowledged events lost", lostEvents({ receivers, sent, state }).length],
    ["stored, though nobody was told so", `${untold}, at most the ${sent.givenUp} given up`],
    [
      "stored before their answer was lost, told when sent again",
      told.filter(({ taken, duplicates }) => taken === 0 && duplicates > 0).length,
    ],
    ["duplicates recognised", sum(state.owners.map(({ ledger }) => ledger.duplicate))],
    ["rows in D1", state.d1.rows.length],
    ["rows that the search knows", `${state.d1.searchable}; ${searched} events looked for by id`],
    ["objects that took them in", owners.length],
    ["most in one object", Math.max(...owners.map(of))],
    ["answers", `${answers}: ${listed(sent.statuses)}`],
    ["answered per second while the Worker was there", Math.round(answers / (sendingMs / 1000))],
    ["answer, p50 and p99", `${ms(percentile(latencies, 0.5))}, ${ms(percentile(latencies, 0.99))}`],
    ["from the last restart until D1 and all others had everything", ms(drainMs)],
    ["memory of workerd", memoryOf(lives)],
    ["D1's file", `${Math.round(state.d1.bytes / 2 ** 20)} MiB`],
  ];
}

export function unsignedRows({
  findings,
  calm,
  flooded,
  signed,
  forged,
  counted,
  kept,
  memory,
}: UnsignedOutcome): Row[] {
  return [
    ["verdict", verdict(findings.length)],
    ["signed events, 50 a second", `${signed.sent}, answered ${listed(signed.statuses)}`],
    ["answer by themselves", timesOf(calm)],
    ["answer beside the flood", timesOf(flooded)],
    ["forged requests", `${forged.sent}, ${Math.round(forged.sent / (forged.tookMs / 1000))} a second`],
    ["taken in", forged.takenIn.length],
    ["refused", listed(forged.refusals)],
    ["connections closed on them", forged.broken],
    ["counted, at least", listed(Object.fromEntries(counted))],
    ["kept to be looked at", `${kept} in the fullest workspace`],
    ["memory of workerd", `${memory.before ?? "?"} MiB before, ${memory.after ?? "?"} MiB after the flood`],
  ];
}

export function markdown(flood: FloodOutcome, unsigned: UnsignedOutcome, circumstances: Circumstances): string {
  return `# Last run of \`npm run flood\`

Events at full speed on ${circumstances.connections} connections, with the Worker killed in between:

${table(floodRows(flood))}
Signed events at a steady pace, beside requests that nobody signed, at full speed on ${circumstances.connections} connections:

${table(unsignedRows(unsigned))}
Both:

${table(circumstanceRows(circumstances))}
The Worker runs on workerd without a proxy before it, and with files that a kill leaves as they are; what one object takes in is limited to 300 a second otherwise, here it is not (\`RECEIVER_RATE_PER_SECOND\`, \`RECEIVER_BURST\`). Events come from many addresses, so that the wall for a single one is not in their way. They go to runs in several workspaces, to the inboxes of GA4, Salesforce, another system and of OPAL, and to a workflow that OPAL began by itself, whose events are held until it is adopted. The whole process group is killed at moments that the seed draws, the last time when everything is answered and not all of it told to D1; D1 is 20 ms away, there and back, so that a kill may also come between what D1 has done and the object's knowing of it. Most requests under way then are sent again with the same bytes, the others are given up.

Judged from the objects' and D1's SQLite when all is over: every acknowledged event is kept once, byte for byte, in the object it was for and in D1, under the id it was acknowledged with; nothing is kept that nobody sent, and nothing unacknowledged unless its answer was lost; no event was taken in twice; each event's repeats are as many as its requests; each object's ledger, receipts and log say the same; D1's ledgers, statistics, logs, bodies and search say what the objects say; no message and no held event is left. The Worker's own ledger (\`GET /api/webhook-events/ledger?verify=d1\`) has to add up in every workspace.
`;
}

export function plain(rows: readonly Row[]): string {
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, value]) => `${name.padEnd(width)}  ${value}`).join("\n");
}

export function circumstanceRows({ durationMs, seed, repeat, startedAt, versions, machine }: Circumstances): Row[] {
  return [
    ["duration", `${Math.round(durationMs / 1000)} s`],
    ["seed", seed],
    ["the same again", `\`${repeat}\``],
    ["when", startedAt.toISOString()],
    ["versions", versions],
    ["machine", machine],
  ];
}

function table(rows: readonly Row[]): string {
  return `${["| | |", "|---|---|", ...rows.map(([name, value]) => `| ${name} | ${value} |`)].join("\n")}\n`;
}

function verdict(broken: number): string {
  return broken === 0 ? "passed" : `failed: ${broken} broken promises`;
}

function memoryOf(lives: readonly Life[]): string {
  const known = lives.filter(
    ({ memoryBefore, memoryAfter }) => memoryBefore !== undefined && memoryAfter !== undefined,
  );
  const longest = known.toSorted((one, other) => other.answered - one.answered)[0];
  if (longest === undefined) return "unknown";
  const most = Math.max(...known.map(({ memoryAfter }) => memoryAfter ?? 0));
  const { answered, memoryBefore, memoryAfter } = longest;
  return `${memoryBefore} to ${memoryAfter} MiB in its longest life of ${answered} answers, ${most} MiB at most`;
}

function timesOf({ answers, p50, p99, max }: Times): string {
  return `p50 ${ms(p50)}, p99 ${ms(p99)}, at most ${ms(max)} (${answers} answers)`;
}

function listed(counts: Readonly<Record<string, number>>): string {
  const parts = Object.entries(counts).map(([name, n]) => `${name} ${n}`);
  return parts.length === 0 ? "none" : parts.join(", ");
}

function ms(value: number): string {
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;
}
