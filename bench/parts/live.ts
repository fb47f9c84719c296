// How long a webhook takes to the page of the person who watches the run.
import { atMost, type Part } from "../measure.ts";
import { percentile } from "../numbers.ts";
import { startRun } from "../run.ts";
import { onlySuccess } from "./success.ts";

const PER_SECOND = 200;

export const live: Part = {
  name: "live",
  about:
    "200 webhooks a second at a fixed rate; each timed from its request until its event is on the run's WebSocket.",
  measure: async ({ product, load, seed, isQuick }) => {
    const run = await startRun(product.url);
    const outcome = await load.paced({
      ...{ url: product.url, connections: 50, perSecond: PER_SECOND, seconds: isQuick ? 3 : 20 },
      ...{ webhooks: run.stream("running", seed), watch: run.liveUrl },
    });
    await run.end();
    onlySuccess(outcome, product.errors);
    const { shown, answered, late, sent } = outcome;
    const note = `${sent} sent`;
    return {
      measures: [
        { name: "webhook to WebSocket, p50", value: percentile(shown, 0.5), unit: "ms", target: atMost(10), note },
        { name: "webhook to WebSocket, p99", value: percentile(shown, 0.99), unit: "ms", target: atMost(60) },
        { name: "webhook to WebSocket, longest", value: percentile(shown, 1), unit: "ms" },
        { name: "webhook to answer, p50", value: percentile(answered, 0.5), unit: "ms" },
        { name: "webhook to answer, p99", value: percentile(answered, 0.99), unit: "ms" },
        { name: "events never shown", value: sent - shown.length, unit: "events", target: atMost(0) },
        { name: "sent later than planned, p99", value: percentile(late, 0.99), unit: "ms", note: "of the load thread" },
      ],
    };
  },
};
