// Many sockets on one feed: how far apart the first and the last of them hear of the same change.
import { setTimeout as sleep } from "node:timers/promises";
import { type Feed, openFeed } from "./feed.ts";
import { Connection, requestText } from "./http.ts";
import type { SocketsJob, SocketsOutcome } from "./jobs.ts";
import { webhooks } from "./webhook.ts";

const OPENED_AT_ONCE = 50;
/** A socket that has heard nothing after this time counts as not reached. */
const ROUND_LIMIT_MS = 5_000;
/** Between rounds, so that nothing of the last one is still under way. */
const REST_MS = 500;

export async function runSockets(job: SocketsJob): Promise<SocketsOutcome> {
  /** When each socket heard of the round's change. */
  let heard: (number | undefined)[] = [];
  let reached = 0;
  const feeds: Feed[] = [];
  const begin = performance.now();
  for (let first = 0; first < job.sockets; first += OPENED_AT_ONCE) {
    const indices = Array.from({ length: Math.min(OPENED_AT_ONCE, job.sockets - first) }, (_, index) => first + index);
    const opened = indices.map((index) =>
      openFeed(job.url, job.watch, (_text, atMs) => {
        if (heard[index] !== undefined) return;
        heard[index] = atMs;
        reached += 1;
      }),
    );
    feeds.push(...(await Promise.all(opened)));
  }
  const openedMs = performance.now() - begin;
  const connection = new Connection(new URL(job.url));
  const stream = webhooks(job.webhooks);
  const rounds: { first: number; last: number; reached: number }[] = [];
  for (let round = 0; round < job.rounds; round++) {
    await sleep(REST_MS);
    heard = Array.from({ length: job.sockets });
    reached = 0;
    const request = requestText(new URL(job.url), stream.next().value);
    const sentAt = performance.now();
    await connection.send(request);
    while (reached < job.sockets && performance.now() < sentAt + ROUND_LIMIT_MS) await sleep(5);
    const times = heard.filter((time) => time !== undefined).map((time) => time - sentAt);
    rounds.push({ first: Math.min(...times), last: Math.max(...times), reached });
  }
  connection.close();
  for (const feed of feeds) feed.close();
  return { openedMs, rounds };
}
