// Reading a run's status, next to a bare call of an object.
import { atLeast, type Bench, type Part } from "../measure.ts";
import { median, percentile } from "../numbers.ts";
import { startRun } from "../run.ts";
import type { RunningWorker } from "../stack.ts";
import { onlySuccess } from "./success.ts";

const CONNECTIONS = 10;

export const status: Part = {
  name: "status",
  about: "GET /api/force-sync/status/:id of a run whose nine agents work, with an operator's key, on 10 connections.",
  measure: async (bench) => {
    const { product, floor, load } = bench;
    const run = await startRun(product.url);
    await load.closed({
      ...{ url: product.url, connections: 1, limitMs: 5_000, limitCount: 50 },
      source: { webhooks: run.stream("running", bench.seed) },
    });
    await run.drained();
    const rounds: { read: Round; call: Round }[] = [];
    for (let round = 0; round <= (bench.isQuick ? 1 : 5); round++) {
      const read = await measureReads(bench, product, run.statusUrl);
      const call = await measureReads(bench, floor, "/object-call");
      const [said, floorSaid] = [read, call].map(
        ({ perSecond, cpu }) => `${perSecond.toFixed(0)}/s, ${cpu.toFixed(2)} ms`,
      );
      bench.say(`round ${round}: status ${said}; object ${floorSaid}`);
      if (round > 0) rounds.push({ read, call });
    }
    await run.end();
    const ratios = rounds.map(({ read, call }) => read.perSecond / call.perSecond);
    const note = `${ratios.length} rounds, ${Math.min(...ratios).toFixed(2)} to ${Math.max(...ratios).toFixed(2)}`;
    const measures = [
      { name: "status reads", value: median(rounds.map(({ read }) => read.perSecond)), unit: "per s" },
      { name: "status read, p50", value: median(rounds.map(({ read }) => read.p50)), unit: "ms" },
      { name: "status read, p99", value: median(rounds.map(({ read }) => read.p99)), unit: "ms" },
      { name: "status read, processor time", value: median(rounds.map(({ read }) => read.cpu)), unit: "ms each" },
      { name: "floor: processor time", value: median(rounds.map(({ call }) => call.cpu)), unit: "ms each" },
      { name: "floor: one call of an object", value: median(rounds.map(({ call }) => call.perSecond)), unit: "per s" },
      { name: "status read / one call of an object", value: median(ratios), unit: "x", target: atLeast(0.75), note },
    ];
    return { measures, details: { rounds } };
  },
};

interface Round {
  readonly perSecond: number;
  readonly p50: number;
  readonly p99: number;
  /** Processor time of the runtime per request, in ms. */
  readonly cpu: number;
}

async function measureReads({ load, isQuick }: Bench, worker: RunningWorker, path: string): Promise<Round> {
  const { url, errors } = worker;
  const cpuBefore = worker.cpuMs();
  const limits = { limitMs: isQuick ? 500 : 1_500, limitCount: Number.MAX_SAFE_INTEGER };
  const outcome = await load.closed({ url, connections: CONNECTIONS, ...limits, source: { get: path } });
  onlySuccess(outcome, errors);
  const { latencies, tookMs } = outcome;
  const perSecond = latencies.length / (tookMs / 1000);
  const cpu = (worker.cpuMs() - cpuBefore) / latencies.length;
  return { perSecond, cpu, p50: percentile(latencies, 0.5), p99: percentile(latencies, 0.99) };
}
