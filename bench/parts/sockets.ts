// A thousand people on one feed: when the last of them hears of a change.
import { atMost, type Bench, type Measure, type Part } from "../measure.ts";
import { median } from "../numbers.ts";
import { startRun } from "../run.ts";
import { OPERATOR } from "../settings.ts";

const FEEDS = ["/api/force-sync/live", "/api/webhook-events/live"];
const SOCKETS = 1_000;
/** In each another agent begins: a webhook that shows nothing new of its run is no change of the overview. */
const ROUNDS = 9;

export const sockets: Part = {
  name: "sockets",
  about:
    "1,000 WebSockets on one feed, and webhooks one by one; timed from the webhook's request until each has a change.",
  measure: async (bench) => {
    const measures: Measure[] = [];
    const details: Record<string, unknown> = {};
    for (const feed of FEEDS) {
      if (!(await exists(bench, feed))) {
        bench.say(`${feed} is not there`);
        continue;
      }
      const outcome = await measureFeed(bench, feed);
      details[feed] = outcome;
      measures.push(...describe(feed, outcome));
    }
    return { measures, details };
  },
};

/** Without an upgrade it refuses in some way, but a feed that exists does not answer that there is no such thing. */
async function exists({ product }: Bench, feed: string): Promise<boolean> {
  const response = await fetch(`${product.url}${feed}`, { headers: OPERATOR });
  await response.arrayBuffer();
  return response.status !== 404;
}

async function measureFeed({ product, load, seed, isQuick }: Bench, feed: string) {
  const run = await startRun(product.url);
  const outcome = await load.sockets({
    ...{ url: product.url, sockets: isQuick ? 100 : SOCKETS, rounds: isQuick ? 2 : ROUNDS },
    ...{ webhooks: run.stream("running", seed), watch: feed },
  });
  await run.end();
  return { ...outcome, sockets: isQuick ? 100 : SOCKETS };
}

function describe(
  feed: string,
  { openedMs, rounds, sockets: count }: Awaited<ReturnType<typeof measureFeed>>,
): Measure[] {
  const worst = (figures: readonly number[]) => Math.max(...figures);
  const spread = rounds.map(({ first, last }) => last - first);
  const last = rounds.map((round) => round.last);
  const missed = rounds.reduce((sum, { reached }) => sum + count - reached, 0);
  const note = `worst of ${rounds.length}, ${count} sockets`;
  return [
    { name: `${feed}: last socket after the first, median`, value: median(spread), unit: "ms" },
    { name: `${feed}: last socket after the first`, value: worst(spread), unit: "ms", target: atMost(250), note },
    { name: `${feed}: last socket after the request`, value: worst(last), unit: "ms", target: atMost(250), note },
    { name: `${feed}: sockets not reached`, value: missed, unit: "sockets", target: atMost(0) },
    { name: `${feed}: all sockets opened in`, value: openedMs, unit: "ms" },
  ];
}
