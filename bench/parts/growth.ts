// What an event costs when a run has many: the cost must stay in proportion.
import { atMost, type Bench, type Measure, type Part } from "../measure.ts";
import { D1_MS, type Flood, flood } from "./flood.ts";

const SIZES = [10, 100, 1_000, 10_000];
const CONNECTIONS = 10;

export const growth: Part = {
  name: "growth",
  about: `So many webhooks for one run on 10 connections, and then the wait until D1, ${D1_MS} ms away, and the workspace have everything.`,
  measure: async (bench) => {
    const floods: Flood[] = [];
    for (const size of bench.isQuick ? SIZES.slice(0, 3) : SIZES) {
      floods.push(await flood(bench, size, CONNECTIONS));
      bench.say(`${size} events: ${floods.at(-1)?.tookMs.toFixed(0)} ms`);
    }
    return { measures: [...floods.flatMap(describe), ...compare(floods, bench)], details: { floods } };
  },
};

function describe({ events, tookMs, drainMs, deepest }: Flood): Measure[] {
  const of = `${events.toLocaleString("en")} events`;
  return [
    { name: `${of}: until the last answer`, value: tookMs / 1000, unit: "s" },
    { name: `${of}: per event`, value: tookMs / events, unit: "ms" },
    { name: `${of}: deepest outbox`, value: deepest, unit: "messages" },
    { name: `${of}: from the last answer until everything is told`, value: drainMs, unit: "ms" },
    { name: `${of}: per event, everything told`, value: (tookMs + drainMs) / events, unit: "ms" },
  ];
}

function compare(floods: readonly Flood[], { isQuick }: Bench): Measure[] {
  const [before, last] = floods.slice(-2);
  if (before === undefined || last === undefined) return [];
  const whole = ({ tookMs, drainMs, events }: Flood) => (tookMs + drainMs) / events;
  const measures: Measure[] = [
    {
      ...{ name: `an event of ${last.events} / of ${before.events}, everything told`, unit: "x", target: atMost(1.5) },
      value: whole(last) / whole(before),
    },
  ];
  const { byTenth } = last;
  if (!isQuick) {
    const value = (byTenth.at(-1) ?? Number.NaN) / (byTenth[1] ?? Number.NaN);
    measures.push({ name: `last tenth of ${last.events} / second tenth`, value, unit: "x", target: atMost(1.5) });
  }
  return measures;
}
