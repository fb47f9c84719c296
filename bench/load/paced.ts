// Open loop: webhooks at a fixed rate, each timed from its request until its event is on the socket of a run.
import { setTimeout as sleep } from "node:timers/promises";
import { openFeed } from "./feed.ts";
import { Connection, requestText } from "./http.ts";
import type { PacedJob, PacedOutcome } from "./jobs.ts";
import { webhooks } from "./webhook.ts";

/** The last event may take this long to appear. */
const LAST_MS = 3_000;

export async function runPaced(job: PacedJob): Promise<PacedOutcome> {
  const url = new URL(job.url);
  const sentAt = new Map<string, number>();
  const shown: number[] = [];
  const feed = await openFeed(job.url, job.watch, (text, atMs) => {
    const sha256 = text.includes('"delivery_recorded"') ? /"sha256":"([0-9a-f]{64})"/.exec(text)?.[1] : undefined;
    const sent = sha256 && sentAt.get(sha256);
    if (sent) shown.push(atMs - sent);
  });
  const connections = Array.from({ length: job.connections }, () => new Connection(url));
  const stream = webhooks(job.webhooks);
  const [late, answered]: [number[], number[]] = [[], []];
  const statuses: Record<string, number> = {};
  const startedAt = performance.now();
  const total = job.perSecond * job.seconds;
  const open: Promise<void>[] = [];
  for (let sent = 0; sent < total; ) {
    const now = performance.now();
    const due = startedAt + (sent * 1000) / job.perSecond;
    if (due > now) {
      await sleep(Math.max(1, due - now));
      continue;
    }
    const connection = connections.find(({ isFree }) => isFree);
    if (connection === undefined) {
      await sleep(1);
      continue;
    }
    const webhook = stream.next().value;
    const request = requestText(url, webhook);
    const begin = performance.now();
    sentAt.set(webhook.sha256, begin);
    late.push(begin - due);
    open.push(
      connection.send(request).then(({ status }) => {
        answered.push(performance.now() - begin);
        statuses[status] = (statuses[status] ?? 0) + 1;
      }),
    );
    sent += 1;
  }
  await Promise.all(open);
  const giveUpAt = performance.now() + LAST_MS;
  while (shown.length < total && performance.now() < giveUpAt) await sleep(10);
  for (const connection of connections) connection.close();
  feed.close();
  const times = {
    shown: Float64Array.from(shown),
    answered: Float64Array.from(answered),
    late: Float64Array.from(late),
  };
  return { sent: total, statuses, ...times };
}
