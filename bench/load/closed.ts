// Closed loop: each connection asks again as soon as it is answered.
import { OPERATOR } from "../settings.ts";
import { openFeed } from "./feed.ts";
import { Connection, requestText } from "./http.ts";
import type { ClosedJob, ClosedOutcome } from "./jobs.ts";
import { webhooks } from "./webhook.ts";

export async function runClosed(job: ClosedJob): Promise<ClosedOutcome> {
  const { connections, limitCount, limitMs } = job;
  let messages = 0;
  const feed = job.watch === undefined ? undefined : await openFeed(job.url, job.watch, () => (messages += 1));
  const next = requestsOf(job);
  const latencies: number[] = [];
  const finished: number[] = [];
  const statuses: Record<string, number> = {};
  const startedAt = performance.now();
  const endsAt = startedAt + limitMs;
  let begun = 0;
  const askOn = async () => {
    const connection = new Connection(new URL(job.url));
    try {
      while (begun < limitCount && performance.now() < endsAt) {
        begun += 1;
        const request = next();
        const sentAt = performance.now();
        const { status } = await connection.send(request);
        const now = performance.now();
        latencies.push(now - sentAt);
        finished.push(now - startedAt);
        statuses[status] = (statuses[status] ?? 0) + 1;
      }
    } finally {
      connection.close();
    }
  };
  await Promise.all(Array.from({ length: connections }, askOn));
  const tookMs = performance.now() - startedAt;
  feed?.close();
  return { tookMs, latencies: Float64Array.from(latencies), finished: Float64Array.from(finished), statuses, messages };
}

function requestsOf({ url, source }: ClosedJob): () => string {
  const at = new URL(url);
  if ("get" in source) {
    const headers = source.cookie === undefined ? OPERATOR : { Cookie: source.cookie };
    const request = requestText(at, { method: "GET", path: source.get, headers });
    return () => request;
  }
  const stream = webhooks(source.webhooks);
  return () => requestText(at, stream.next().value);
}
