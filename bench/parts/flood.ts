// So many webhooks for one new run, with its outbox watched meanwhile.
import { setTimeout as sleep } from "node:timers/promises";
import type { Bench } from "../measure.ts";
import { type MeasuredRun, startRun, waitingIn, withDistance } from "../run.ts";
import { onlySuccess } from "./success.ts";

const LOOK_MS = 50;
/** How far away D1 is, there and back. */
export const D1_MS = 10;

export interface Flood {
  readonly events: number;
  /** From the first request to the last answer. */
  readonly tookMs: number;
  /** From the last answer until D1 and the workspace had been told everything. */
  readonly drainMs: number;
  readonly deepest: number;
  /** What waited in the outbox, and when, from the first request on. */
  readonly depths: readonly Depth[];
  /** ms between answers, for each tenth of the events. */
  readonly byTenth: readonly number[];
}

export interface Depth {
  readonly atMs: number;
  readonly all: number;
  readonly byDestination: Readonly<Record<string, number>>;
}

export async function flood(bench: Bench, events: number, connections: number): Promise<Flood> {
  return withDistance(bench.product.url, D1_MS, () => pour(bench, events, connections));
}

async function pour({ product, load, seed }: Bench, events: number, connections: number): Promise<Flood> {
  const { url } = product;
  const run = await startRun(url);
  await run.drained();
  const watching = watch(run);
  const source = { webhooks: run.stream("running", seed) };
  const outcome = await load.closed({ url, connections, limitMs: 180_000, limitCount: events, source });
  onlySuccess(outcome, product.errors);
  const drainMs = await run.drained();
  const depths = await watching.stop();
  await run.end();
  const { tookMs, finished } = outcome;
  const deepest = Math.max(0, ...depths.map(({ all }) => all));
  return { events, tookMs, drainMs, deepest, depths, byTenth: tenths(finished) };
}

function watch(run: MeasuredRun) {
  const begin = performance.now();
  const depths: Depth[] = [];
  let isOn = true;
  const looking = (async () => {
    while (isOn) {
      const meter = await run.readMeter();
      const atMs = Math.round(performance.now() - begin);
      depths.push({ atMs, all: waitingIn(meter), byDestination: meter.waiting });
      await sleep(LOOK_MS);
    }
  })();
  return {
    stop: async () => {
      isOn = false;
      await looking;
      return depths;
    },
  };
}

function tenths(finished: Float64Array): number[] {
  const size = Math.floor(finished.length / 10);
  if (size === 0) return [];
  return Array.from({ length: 10 }, (_, index) => {
    const begin = index === 0 ? 0 : (finished[index * size - 1] ?? 0);
    return ((finished[(index + 1) * size - 1] ?? 0) - begin) / size;
  });
}
