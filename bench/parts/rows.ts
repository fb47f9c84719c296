// What an event costs at D1, which counts the rows it writes.
import type { Bench, Measure, Part } from "../measure.ts";
import { type MeasuredRun, startRun } from "../run.ts";
import { onlySuccess } from "./success.ts";

type Status = Parameters<MeasuredRun["stream"]>[0];

const SINGLES = 20;
const BURST = 1_000;

export const rows: Part = {
  name: "rows",
  about:
    "Rows that D1 says it wrote (`meta.rows_written`, indexes included), for webhooks that come one by one, each told to D1 before the next, and for bursts on 50 connections.",
  measure: async (bench) => {
    const measures: Measure[] = [];
    for (const status of ["running", "completed"] as const) {
      measures.push(...(await measureCost(bench, status, "one by one")));
      measures.push(...(await measureCost(bench, status, "in a burst")));
    }
    return { measures };
  },
};

async function measureCost(bench: Bench, status: Status, how: "one by one" | "in a burst"): Promise<Measure[]> {
  const run = await startRun(bench.product.url);
  // The first webhook of a run binds OPAL's workflow id, which later ones do not.
  await send(bench, run, { status, seed: bench.seed + 1, count: 1, connections: 1 });
  await run.drained();
  const { d1: before } = await run.readMeter();
  const isBurst = how === "in a burst";
  const count = isBurst ? (bench.isQuick ? 100 : BURST) : SINGLES;
  if (isBurst) await send(bench, run, { status, seed: bench.seed, count, connections: 50 });
  else await sendSingly(bench, run, status, count);
  await run.drained();
  const { d1: after } = await run.readMeter();
  await run.end();
  const per = (name: keyof typeof after) => (after[name] - before[name]) / count;
  const what = `${status} webhook ${how}`;
  const note = `${count} webhooks`;
  return [
    { name: `${what}: rows written`, value: per("rowsWritten"), unit: "per event", note },
    { name: `${what}: rows read`, value: per("rowsRead"), unit: "per event" },
    { name: `${what}: statements`, value: per("statements"), unit: "per event" },
    { name: `${what}: calls of D1`, value: per("calls"), unit: "per event" },
  ];
}

interface Sending {
  readonly status: Status;
  readonly seed: number;
  readonly count: number;
  readonly connections: number;
}

async function send({ load, product }: Bench, run: MeasuredRun, sending: Sending): Promise<void> {
  const { status, seed, count, connections } = sending;
  const source = { webhooks: run.stream(status, seed) };
  const job = { url: product.url, connections, limitMs: 60_000, limitCount: count, source };
  onlySuccess(await load.closed(job), product.errors);
}

async function sendSingly(bench: Bench, run: MeasuredRun, status: Status, count: number): Promise<void> {
  for (let number = 1; number <= count; number++) {
    await send(bench, run, { status, seed: bench.seed + 1 + number, count: 1, connections: 1 });
    await run.drained();
  }
}
