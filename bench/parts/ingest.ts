// Taking webhooks in, next to the least that could do it.
import type { ClosedOutcome } from "../load/jobs.ts";
import { atLeast, type Bench, type Measure, type Part } from "../measure.ts";
import { median, percentile } from "../numbers.ts";
import { startRun, withDistance } from "../run.ts";
import { D1_MS } from "./flood.ts";
import { onlySuccess } from "./success.ts";

const CONNECTIONS = [10, 50];
/** A run takes in that many at once; more in a round would measure the refusals. */
const ROUND_LIMIT = 9_000;

interface Round {
  readonly perSecond: number;
  readonly p50: number;
  readonly p99: number;
  /** Processor time of the runtime per request, in ms; of the product, until everything was told. */
  readonly cpu: number;
}

interface Rounds {
  readonly product: ProductRound[];
  /** With D1 at a distance, as it is outside of this machine. */
  readonly far: ProductRound[];
  readonly d1: Round[];
  readonly object: Round[];
}

type ProductRound = Round & { readonly drainMs: number; readonly perSecondUntilDrained: number };

export const ingest: Part = {
  name: "ingest",
  about:
    "Signed webhooks, each a new event of a run under way: verified, deduplicated, stored, the run updated, told to D1, to the workspace and to a WebSocket. Every round has a run of its own; the floors take turns with it.",
  measure: async (bench) => {
    const measures: Measure[] = [];
    const details: Record<string, Rounds> = {};
    for (const connections of CONNECTIONS) {
      const rounds = await measureRounds(bench, connections);
      details[`${connections} connections`] = rounds;
      measures.push(...describe(rounds, connections));
    }
    return { measures, details };
  },
};

async function measureRounds(bench: Bench, connections: number): Promise<Rounds> {
  const rounds: Rounds = { product: [], far: [], d1: [], object: [] };
  const count = bench.isQuick ? 1 : 5;
  // The first round warms everything up and is not counted.
  for (let round = 0; round <= count; round++) {
    const product = await measureProduct(bench, connections);
    const far = await withDistance(bench.product.url, D1_MS, () => measureProduct(bench, connections));
    const d1 = await measureFloor(bench, connections, "/d1-insert");
    const object = await measureFloor(bench, connections, "/object-insert");
    const told = Object.entries({ product, far, d1, object }).map(([name, figures]) => brief(name, figures));
    bench.say(`${connections} connections, round ${round}: ${told.join("; ")}`);
    if (round === 0) continue;
    rounds.product.push(product);
    rounds.far.push(far);
    rounds.d1.push(d1);
    rounds.object.push(object);
  }
  return rounds;
}

async function measureProduct(bench: Bench, connections: number): Promise<ProductRound> {
  const { url } = bench.product;
  const run = await startRun(url);
  const webhooks = run.stream("running", bench.seed);
  const cpuBefore = bench.product.cpuMs();
  const outcome = await bench.load.closed({
    ...{ url, connections, limitMs: limitMs(bench), limitCount: ROUND_LIMIT },
    ...{ source: { webhooks }, watch: run.liveUrl },
  });
  onlySuccess(outcome, bench.product.errors);
  const drainMs = await run.drained();
  const cpu = (bench.product.cpuMs() - cpuBefore) / outcome.latencies.length;
  await run.end();
  const perSecondUntilDrained = outcome.latencies.length / ((outcome.tookMs + drainMs) / 1000);
  return { ...figures(outcome, cpu), drainMs, perSecondUntilDrained };
}

async function measureFloor(bench: Bench, connections: number, path: string): Promise<Round> {
  const { url } = bench.floor;
  const correlationId = `force-sync-${path}-${Date.now()}`;
  const webhooks = { path, correlationId, status: "running", seed: bench.seed } as const;
  const limits = { limitMs: limitMs(bench), limitCount: ROUND_LIMIT };
  const cpuBefore = bench.floor.cpuMs();
  const outcome = await bench.load.closed({ url, connections, ...limits, source: { webhooks } });
  onlySuccess(outcome, bench.floor.errors);
  return figures(outcome, (bench.floor.cpuMs() - cpuBefore) / outcome.latencies.length);
}

function brief(name: string, { perSecond, cpu }: Round): string {
  return `${name} ${perSecond.toFixed(0)}/s, ${cpu.toFixed(2)} ms of processor time`;
}

function limitMs({ isQuick }: Bench): number {
  return isQuick ? 500 : 2_000;
}

function figures({ latencies, tookMs }: ClosedOutcome, cpu: number): Round {
  const perSecond = latencies.length / (tookMs / 1000);
  return { perSecond, p50: percentile(latencies, 0.5), p99: percentile(latencies, 0.99), cpu };
}

function describe({ product, far, d1, object }: Rounds, connections: number): Measure[] {
  const at = `at ${connections} connections`;
  const over = (rounds: readonly Round[], figure: keyof Round) => median(rounds.map((round) => round[figure]));
  const ratios = (floor: readonly Round[]) =>
    product.map(({ perSecond }, index) => perSecond / (floor[index]?.perSecond ?? Number.NaN));
  const range = (values: readonly number[]) =>
    `${product.length} rounds, ${Math.min(...values).toFixed(2)} to ${Math.max(...values).toFixed(2)}`;
  const [toD1, toObject] = [ratios(d1), ratios(object)];
  return [
    { name: `webhooks taken in ${at}`, value: over(product, "perSecond"), unit: "per s" },
    {
      ...{ name: `the same, until D1 and the workspace have them ${at}`, unit: "per s" },
      value: median(product.map((round) => round.perSecondUntilDrained)),
    },
    { name: `webhooks taken in, D1 ${D1_MS} ms away, ${at}`, value: over(far, "perSecond"), unit: "per s" },
    { name: `processor time, D1 ${D1_MS} ms away, ${at}`, value: over(far, "cpu"), unit: "ms each" },
    { name: `answer ${at}, p50`, value: over(product, "p50"), unit: "ms" },
    { name: `answer ${at}, p99`, value: over(product, "p99"), unit: "ms" },
    {
      name: `processor time ${at}`,
      value: over(product, "cpu"),
      unit: "ms each",
      note: "of the runtime, everything told",
    },
    { name: `floor: processor time of one D1 INSERT ${at}`, value: over(d1, "cpu"), unit: "ms each" },
    { name: `floor: processor time of HMAC and one object INSERT ${at}`, value: over(object, "cpu"), unit: "ms each" },
    { name: `floor: one D1 INSERT ${at}`, value: over(d1, "perSecond"), unit: "per s" },
    { name: `floor: HMAC and one object INSERT ${at}`, value: over(object, "perSecond"), unit: "per s" },
    { name: `taken in / one D1 INSERT ${at}`, value: median(toD1), unit: "x", target: atLeast(1.2), note: range(toD1) },
    {
      ...{ name: `taken in / HMAC and one object INSERT ${at}`, value: median(toObject), unit: "x" },
      ...{ target: atLeast(0.8), note: range(toObject) },
    },
  ];
}
