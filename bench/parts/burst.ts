// Ten thousand webhooks at once: how far D1 falls behind, and how long until it has caught up.
import type { Part } from "../measure.ts";
import { D1_MS, flood } from "./flood.ts";

const CONNECTIONS = 50;
/** Points of the depth over time that are shown. */
const POINTS = 12;

export const burst: Part = {
  name: "burst",
  about: `10,000 webhooks for one run on 50 connections, with D1 ${D1_MS} ms away; what waits in the run's outbox is looked at every 50 ms.`,
  measure: async (bench) => {
    const outcome = await flood(bench, bench.isQuick ? 1_000 : 10_000, CONNECTIONS);
    const { events, tookMs, drainMs, deepest, depths } = outcome;
    const step = Math.max(1, Math.ceil(depths.length / POINTS));
    const shown = depths.filter((_, index) => index % step === 0);
    const note = shown.map(({ atMs, all }) => `${(atMs / 1000).toFixed(1)} s ${all}`).join(", ");
    return {
      measures: [
        { name: "webhooks taken in", value: events / (tookMs / 1000), unit: "per s" },
        { name: "deepest outbox", value: deepest, unit: "messages", note },
        { name: "from the last answer until everything is told", value: drainMs, unit: "ms" },
        { name: "told to D1 and the workspace", value: events / ((tookMs + drainMs) / 1000), unit: "per s" },
      ],
      details: outcome,
    };
  },
};
