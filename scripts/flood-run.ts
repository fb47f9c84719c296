// One flood: as many events as asked for, at full speed, with the Worker killed at moments that the seed draws.
import { setTimeout as sleep } from "node:timers/promises";
import { drawFrom } from "../simulator/random.ts";
import { GaveUp } from "./chaos-client.ts";
import type { Sent } from "./flood-answers.ts";
import { type FloodPlan, parcels, type Receiver } from "./flood-events.ts";
import { judge } from "./flood-oracle.ts";
import { type Poured, pour } from "./flood-pour.ts";
import { askLedgers, searchFor } from "./flood-questions.ts";
import { startSender } from "./flood-sender.ts";
import { readState, type State, whatIsUntold } from "./flood-state.ts";
import { openReceivers, openTown, type Town } from "./flood-town.ts";

export interface FloodOptions {
  readonly seed: number;
  readonly events: number;
  readonly kills: number;
  readonly connections: number;
  /**
   * The last kill comes when everything is answered. What the dead instance was telling D1 then waits for its alarm, up
   * to 20 s, because no further event wakes the object.
   */
  readonly killsWhileTelling: boolean;
  /** Also a workflow that OPAL began by itself, which takes a minute to be adopted. */
  readonly withForeign: boolean;
  /** For state and logs. */
  readonly directory: string;
  readonly say: (line: string) => void;
}

export interface FloodOutcome extends Poured {
  readonly receivers: readonly Receiver[];
  readonly parcels: number;
  readonly sent: Sent;
  readonly state: State;
  /** From the last answer until nobody had anything left to tell. */
  readonly drainMs: number;
  readonly searched: number;
}

/** Until every outbox is empty and every held event has its run. */
const DRAIN_LIMIT_MS = 300_000;
const LOOK_MS = 250;
/** Objects open their files undisturbed for so long: a reader might lock what is being recovered, in ms. */
const OPENING_MS = 2_000;
const SEARCHED = 20;

export async function runFlood(options: FloodOptions): Promise<FloodOutcome> {
  const town = await openTown(options.directory);
  try {
    return await flood(town, options);
  } finally {
    await town.stop();
  }
}

async function flood(town: Town, options: FloodOptions): Promise<FloodOutcome> {
  const { seed, events, say } = options;
  const receivers = await openReceivers(town, options.withForeign);
  const plan: FloodPlan = { seed, events, firstAt: Date.now(), receivers };
  const total = parcels(plan).length;
  const sender = startSender(plan);
  try {
    const poured = await pour(town, sender, options, total);
    const sent = await sender.finish();
    const drainMs = await drained(town, say);
    say(`everything told after ${Math.round(drainMs)} ms; judging`);
    const ids = drawFrom(seed, "searched").some(
      sent.told.filter(({ taken }) => taken > 0),
      Math.min(SEARCHED, sent.told.length),
    );
    const asked = [...(await askLedgers(town)), ...(await searchFor(town, ids, receivers))];
    await town.stop();
    const state = readState(town.directory);
    const findings = [...poured.findings, ...asked, ...judge({ receivers, sent, state })];
    return { ...poured, findings, receivers, parcels: total, sent, state, drainMs, searched: ids.length };
  } finally {
    await sender.stop();
  }
}

/** Resolves when nobody has anything left to tell, to how long that took in ms. Rejects with GaveUp. */
export async function drained({ directory }: Pick<Town, "directory">, say: (line: string) => void): Promise<number> {
  const begin = performance.now();
  await sleep(OPENING_MS);
  for (let look = 0; ; look++) {
    const left = whatIsUntold(directory);
    if (left === undefined) return performance.now() - begin;
    if (performance.now() - begin > DRAIN_LIMIT_MS)
      throw new GaveUp(`after ${DRAIN_LIMIT_MS / 1000} s there is still ${left}`);
    if (look % 20 === 19) say(`waiting: ${left}`);
    await sleep(LOOK_MS);
  }
}
