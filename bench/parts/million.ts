// A million stored events: how fast people find theirs.
import { atMost, type Bench, type Measure, type Part } from "../measure.ts";
import { percentile } from "../numbers.ts";
import { ADMIN, OPERATOR } from "../settings.ts";
import { DAY_MS, seedEvents } from "./stored-events.ts";
import { onlySuccess } from "./success.ts";

const TARGET = atMost(50);
const EVENTS = 1_000_000;

export const million: Part = {
  name: "million",
  about:
    "Answers with 1,000,000 events of the last 30 days in D1, one request after the other on one connection; the figure is what 95 of 100 answers stay below.",
  measure: async (bench) => {
    const count = bench.isQuick ? 20_000 : EVENTS;
    const begin = performance.now();
    const seeded = await seedEvents(await bench.product.database(), count, Date.now(), bench.say);
    const seedSeconds = (performance.now() - begin) / 1000;
    const measures: Measure[] = [{ name: "events stored", value: count, unit: "events" }];
    measures.push({ name: "time to store them", value: seedSeconds, unit: "s", note: "by SQL, search index included" });
    const cookie = await signIn(bench.product.url);
    for (const [name, path] of Object.entries(await questions(bench, seeded))) {
      measures.push(...(await measureAnswer(bench, cookie, name, path)));
    }
    return { measures };
  },
};

interface Seeded {
  readonly oldestMs: number;
  /** Of one event in the middle. */
  readonly sessionId: string;
  readonly remoteId: string;
  readonly deliveryId: string;
}

/** What people ask, and its address. */
async function questions({ product }: Bench, seeded: Seeded): Promise<Record<string, string>> {
  const day = (number: number) => encodeURIComponent(new Date(seeded.oldestMs + number * DAY_MS).toISOString());
  const list = (query: string) => `/api/webhook-events?${query}`;
  return {
    "first page": "/api/webhook-events",
    "first page of 200": list("limit=200"),
    "deep page": list(`cursor=${await deepCursor(product.url, day(3))}`),
    "one day, 25 days ago": list(`from=${day(4)}&to=${day(5)}`),
    "by type": list("type=execution.completed"),
    "by rare type": list("type=execution.failed"),
    "by agent": list("agent=content_review"),
    "by source": list("source=ga4"),
    "by status": list("status=quarantined"),
    "by status that nearly all have": list("status=processed"),
    "by OPAL's workflow": list(`workflow_id=${seeded.remoteId}`),
    "by run": list(`session_id=${seeded.sessionId}`),
    "by inbox": list("inbox=ga4"),
    "by agent, status and type": list("agent=geo_audit&status=late&type=execution.completed"),
    "by agent and status of none": list("agent=geo_audit&status=quarantined&type=execution.none"),
    "by type and day": list(`type=execution.failed&from=${day(10)}&to=${day(11)}`),
    "text: a word of a third of all": list("q=completed"),
    "text: a rare word": list("q=sitemap"),
    "text: two words": list("q=completed%20geo_audit"),
    "text: beginning of a word": list("q=sitem"),
    "text: a delivery's id": list(`q=${seeded.deliveryId}`),
    "text: nothing found": list("q=nowhere"),
    "text and agent": list("q=sitemap&agent=content_review"),
    "stats of 1 hour": "/api/webhook-events/stats?period=1h",
    "stats of 24 hours": "/api/webhook-events/stats?period=24h",
    "stats of 30 days": "/api/webhook-events/stats?period=30d",
    "diagnostics: last webhooks": "/api/diagnostics/last-webhook",
    "diagnostics: last failures": "/api/diagnostics/last-webhook?status=failed&limit=100",
    "agent logs of 24 hours": "/api/monitoring/agent-logs",
    "agent logs of 29 days": `/api/monitoring/agent-logs?from=${day(1)}`,
  };
}

/** A page's end far from the newest event; empty while there is no list to page through. */
async function deepCursor(url: string, to: string): Promise<string> {
  const response = await fetch(`${url}/api/webhook-events?limit=1&to=${to}`, { headers: OPERATOR });
  const json: unknown = await response.json();
  const cursor = typeof json === "object" && json !== null && "next_cursor" in json ? json.next_cursor : "";
  return String(cursor);
}

/** The session cookie of an administrator: diagnostics are for nobody else. */
async function signIn(url: string): Promise<string> {
  const headers = { Origin: url, "Content-Type": "application/json" };
  const response = await fetch(`${url}/api/auth/login`, { method: "POST", headers, body: JSON.stringify(ADMIN) });
  await response.arrayBuffer();
  const [cookie] = response.headers.getSetCookie()[0]?.split(";") ?? [];
  if (cookie === undefined) throw new Error(`the sign-in answered ${response.status}`);
  return cookie;
}

async function measureAnswer(bench: Bench, cookie: string, name: string, path: string): Promise<Measure[]> {
  const { product, load, isQuick, say } = bench;
  const { url, errors } = product;
  const first = await fetch(`${url}${path}`, { headers: { Cookie: cookie } });
  const text = await first.text();
  if (first.status === 404) {
    say(`${path} is not there`);
    return [];
  }
  if (!first.ok) throw new Error(`${path} answered ${first.status}: ${text}\n${errors.slice(-2).join("\n")}`);
  const source = { get: path, cookie };
  const limits = { connections: 1, limitMs: 10_000, limitCount: isQuick ? 5 : 60 };
  const outcome = await load.closed({ url, ...limits, source });
  onlySuccess(outcome, errors);
  const [value, longest] = [percentile(outcome.latencies, 0.95), percentile(outcome.latencies, 1)];
  const middle = percentile(outcome.latencies, 0.5);
  const note = `p50 ${middle.toFixed(1)} ms, longest ${longest.toFixed(1)} ms, ${text.length} characters`;
  return [{ name, value, unit: "ms", target: TARGET, note }];
}
