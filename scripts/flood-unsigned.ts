// Signed events at a steady pace, first by themselves and then beside a flood of requests that nobody signed.
import { setTimeout as sleep } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import type { PacedOutcome } from "../bench/load/jobs.ts";
import { startLoad } from "../bench/load/load.ts";
import { percentile } from "../bench/numbers.ts";
import { GaveUp } from "./chaos-client.ts";
import { type Finding, judgeState } from "./flood-accounts.ts";
import type { ForgedFlood, ForgedOutcome } from "./flood-forged-thread.ts";
import { drained } from "./flood-run.ts";
import { readState, type State, sum } from "./flood-state.ts";
import { openTown, secretOf, startRun, type Town } from "./flood-town.ts";

export interface UnsignedOptions {
  readonly seed: number;
  /** Of each of the two halves. */
  readonly seconds: number;
  readonly connections: number;
  readonly directory: string;
  readonly say: (line: string) => void;
}

/** Of answers to signed events, in ms. */
export interface Times {
  readonly answers: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

export interface UnsignedOutcome {
  readonly findings: readonly Finding[];
  readonly calm: Times;
  readonly flooded: Times;
  readonly signed: Pick<PacedOutcome, "sent" | "statuses">;
  readonly forged: ForgedOutcome;
  /** Refused requests that were counted, by code. */
  readonly counted: ReadonlyMap<string, number>;
  /** Refused requests that are kept, in the fullest of all rings. */
  readonly kept: number;
  readonly memory: { readonly before: number | undefined; readonly after: number | undefined };
}

const PER_SECOND = 50;
const SIGNED_CONNECTIONS = 16;
/** The last answer comes this long after the last request at the latest, in ms. */
const LATE_MS = 60_000;
/** What was refused is told by then, in ms: the Worker does so once a second. */
const TELLING_MS = 2_500;
/** As many are kept of each workspace. */
const RING = 1_000;
/** Before a receiver has an address's wall or does not know the workspace, nothing is noted. */
const NOT_NOTED = new Set(["rate_limited", "resource_not_found"]);

export async function runUnsigned(options: UnsignedOptions): Promise<UnsignedOutcome> {
  const town = await openTown(options.directory);
  try {
    return await beside(town, options);
  } finally {
    await town.stop();
  }
}

async function beside(town: Town, options: UnsignedOptions): Promise<UnsignedOutcome> {
  const { seconds, say } = options;
  const before = town.memory();
  const { signed, forged, after } = await pourBoth(town, options);
  say(`${forged.sent} forged requests beside ${seconds} s of signed events`);
  await sleep(TELLING_MS);
  await drained(town, say);
  await town.stop();
  const state = readState(town.directory);
  const half = seconds * PER_SECOND;
  const counted = countedIn(state);
  const kept = Math.max(...state.owners.map(({ rejections }) => rejections));
  return {
    findings: [...judgeState(state), ...judgeUnsigned({ signed, forged, state, counted, kept })],
    ...{ calm: timesOf(signed.answered.slice(0, half)), flooded: timesOf(signed.answered.slice(half)) },
    ...{ signed, forged, counted, kept, memory: { before, after } },
  };
}

/** Signed events all the time, forged requests in the second half of it. */
async function pourBoth(town: Town, { seed, seconds, connections, say }: UnsignedOptions) {
  const { sessionId, correlationId } = await startRun(town.asker("default"));
  const load = startLoad();
  let flood: ForgedFlow | undefined;
  try {
    const pace = { url: town.url, connections: SIGNED_CONNECTIONS, perSecond: PER_SECOND, seconds: 2 * seconds };
    const webhooks = { path: "/api/webhooks/opal-workflow", correlationId, status: "running", seed } as const;
    const paced = load.paced({ ...pace, webhooks, watch: `/api/force-sync/live/${sessionId}` });
    // Whoever waits for it below learns of its failure.
    paced.catch(() => undefined);
    await sleep(seconds * 1000);
    say(`${seconds} s of signed events by themselves; now the flood`);
    const keys = { genuine: secretOf("default"), other: secretOf("flood-1") };
    flood = startForged({ url: town.url, connections, seed, keys });
    const signed = await within(seconds * 1000 + LATE_MS, paced);
    const after = town.memory();
    return { signed, after, forged: await within(LATE_MS, flood.end()) };
  } finally {
    await Promise.all([load.stop(), flood?.stop()]);
  }
}

interface ForgedFlow {
  readonly end: () => Promise<ForgedOutcome>;
  readonly stop: () => Promise<void>;
}

function startForged(flood: ForgedFlood): ForgedFlow {
  const worker = new Worker(new URL("./flood-forged-thread.ts", import.meta.url), { workerData: flood });
  return {
    end: () => {
      const outcome = new Promise<ForgedOutcome>((done, fail) => {
        worker.once("message", done);
        worker.once("error", fail);
      });
      worker.postMessage("stop");
      return outcome;
    },
    stop: async () => void (await worker.terminate()),
  };
}

/** Rejects with GaveUp when it takes longer than so many ms. */
async function within<Value>(limitMs: number, work: Promise<Value>): Promise<Value> {
  const waiting = new AbortController();
  const late = sleep(limitMs, undefined, { signal: waiting.signal }).then((): never => {
    throw new GaveUp(`not all was answered after ${limitMs / 1000} s`);
  });
  late.catch(() => undefined);
  try {
    return await Promise.race([work, late]);
  } finally {
    waiting.abort();
  }
}

function timesOf(answered: Float64Array): Times {
  const [p50, p99] = [percentile(answered, 0.5), percentile(answered, 0.99)];
  return { answers: answered.length, p50, p99, max: percentile(answered, 1) };
}

function countedIn({ owners }: State): Map<string, number> {
  const counted = new Map<string, number>();
  for (const { code, n } of owners.flatMap(({ rejectionTotals }) => rejectionTotals))
    counted.set(code, (counted.get(code) ?? 0) + n);
  return counted;
}

export interface UnsignedFacts {
  readonly signed: Pick<PacedOutcome, "sent" | "statuses">;
  readonly forged: ForgedOutcome;
  readonly state: State;
  readonly counted: ReadonlyMap<string, number>;
  readonly kept: number;
}

/** Signed events are all taken in, forged ones never; what was refused is counted, but never more than was sent. Pure. */
export function judgeUnsigned({ signed, forged, state, counted, kept }: UnsignedFacts): Finding[] {
  const accepted = signed.statuses[200] ?? 0;
  const stored = sum(state.owners.map((owner) => owner.kept.length));
  const refused = new Map<string, number>();
  for (const [name, n] of Object.entries(forged.refusals)) {
    const code = name.split(" ")[1] ?? name;
    if (!NOT_NOTED.has(code)) refused.set(code, (refused.get(code) ?? 0) + n);
  }
  const findings: Finding[] = [];
  const find = (about: string, what: string) => findings.push({ check: "answers", about, what });
  if (accepted !== signed.sent) find("signed events", `of ${signed.sent}, answered ${JSON.stringify(signed.statuses)}`);
  if (stored !== accepted) find("signed events", `${accepted} were accepted, ${stored} are stored`);
  if (forged.takenIn.length > 0) find("forged requests", `were taken in: ${forged.takenIn.slice(0, 5).join(", ")}`);
  for (const name of Object.keys(forged.refusals))
    if (name.startsWith("5")) find("forged requests", `were answered ${name}`);
  for (const [code, n] of counted) {
    const most = (refused.get(code) ?? 0) + forged.broken;
    if (n > most) find("rejections", `${n} are counted as ${code}, ${most} were sent`);
  }
  if (sum([...counted.values()]) === 0) find("rejections", "none was counted");
  if (kept > RING) find("rejections", `${kept} are kept`);
  return findings;
}
