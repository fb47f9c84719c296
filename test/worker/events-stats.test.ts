// What was sent is what is counted: each arrival once, whatever happens to D1's answers.
import { env } from "cloudflare:workers";
import { afterEach, describe, expect, test } from "vitest";
import { projectTallies, type Tally, TO_STATS, tallyMessage } from "../../src/events/tally.ts";
import { EMPTY_LEDGER } from "../../src/platform/ledger.ts";
import {
  type Answer,
  agentEvent,
  call,
  eventually,
  runningSync,
  send,
  WEBHOOKS,
  webhook,
} from "../support/worker/client.ts";
import { breakD1, loseD1Answers } from "../support/worker/faults.ts";
import { query, sessionObject, startOver } from "../support/worker/objects.ts";

afterEach(startOver);

type Body = Answer["body"];

async function stats(parameters = ""): Promise<Body> {
  return (await call("GET", `/api/webhook-events/stats${parameters}`)).body;
}

/** Waits until so many arrivals have been counted. */
function counted(total: number): Promise<Body> {
  return eventually(stats, (found) => found.processing_stats?.total_events_received >= total);
}

/** Three good ones, two repeats, an unreadable result, an unknown event and two with a wrong signature: nine. */
async function sendNine(run: Body): Promise<void> {
  const first = JSON.stringify(agentEvent(run, "geo_audit", "started"));
  for (const body of [first, first, first]) await webhook(body);
  await webhook(agentEvent(run, "geo_audit"));
  await webhook(agentEvent(run, "content_review"));
  await webhook(agentEvent(run, "audience_suggester", "completed", { agent_data: { nobody: "knows this" } }));
  await webhook({
    event_type: "of tomorrow",
    workflow_id: `opal-${run.session_id}`,
    correlation_id: run.correlation_id,
  });
  for (let wrong = 0; wrong < 2; wrong++) {
    const headers = { "Content-Type": "application/json", "X-OSA-Signature": `t=1,v1=${"0".repeat(64)}` };
    await send(WEBHOOKS, { method: "POST", headers, body: "{}" });
  }
}

function expectNine(found: Body): void {
  expect(found.processing_stats).toMatchObject({
    ...{ total_events_received: 9, successful_processing: 4, failed_processing: 3, duplicate_events: 2 },
    by_outcome: { processed: 3, duplicate: 2, quarantined: 1, ignored: 1, rejected: 2 },
  });
  expect(found.processing_stats.success_rate).toBeCloseTo(6 / 9);
  expect(found.error_analysis).toMatchObject({
    ...{ authentication_failures: 2, validation_errors: 0, processing_errors: 0, timeout_errors: 0 },
    top_error_types: [{ error_type: "signature_invalid", count: 2, percentage: 100 }],
  });
  expect(found.event_breakdown).toMatchObject({
    "execution.started": { count: 3, success_rate: 1 },
    "execution.completed": { count: 3 },
  });
}

describe("the counts", () => {
  test("are those of what was sent", async () => {
    const run = await runningSync();
    await sendNine(run);
    expectNine(await counted(9));
    const answer = await call("GET", "/api/webhook-events/stats?period=15m");
    expectNine(answer.body);
    expect(answer.headers.get("Cache-Control")).toBe("private, max-age=60");
    const { time_period: period } = answer.body;
    expect(Date.parse(period.end) - Date.parse(period.start)).toBe(period.duration_hours * 3_600_000);
    expect(Date.parse(period.requested_end) - Date.parse(period.requested_start)).toBe(15 * 60_000);
  });

  test("are the same when D1 counts and every other answer of it is lost", async () => {
    const run = await runningSync();
    const repair = loseD1Answers();
    await sendNine(run);
    await eventually(
      () => query(sessionObject(run.session_id), `SELECT count(*) AS n FROM outbox WHERE destination = '${TO_STATS}'`),
      ([waiting]) => waiting?.n === 0,
      20_000,
    );
    repair();
    expectNine(await counted(9));
  });

  test("are those of one workspace, and of nobody who is not signed in", async () => {
    await project("acme", "sync-1", [tally()], 1);
    expect((await stats()).processing_stats).toMatchObject({ total_events_received: 0, success_rate: null });
    expect((await send("/api/webhook-events/stats", {})).status).toBe(401);
  });

  test("are asked for by name, and by no other", async () => {
    for (const [parameters, pointer] of [
      ["?period=31d", "?period"],
      ["?window=1h", "?window"],
    ] as const) {
      const answer = await call("GET", `/api/webhook-events/stats${parameters}`);
      expect([answer.status, answer.body.errors[0].pointer]).toEqual([400, pointer]);
    }
  });

  test("are not guessed while D1 does not answer", async () => {
    const repair = breakD1();
    const answer = await call("GET", "/api/webhook-events/stats");
    repair();
    expect([answer.status, answer.body.code]).toEqual([503, "service_unavailable"]);
  });
});

test("a batch whose answer was lost comes again with newer messages, and each is counted once", async () => {
  const tallies = Array.from({ length: 5 }, (_, index) => tally({ sumMs: index }));
  for (const count of [3, 3, 5, 4, 5]) await project("default", "sync-1", tallies.slice(0, count), count);
  const { processing_stats: processing, performance_metrics: metrics } = await stats();
  expect([processing.total_events_received, metrics.average_processing_time_ms]).toEqual([5, 2]);
  const steps = await env.DB.prepare("SELECT sum(count) AS n FROM webhook_latency").first();
  expect(steps).toEqual({ n: 5 });
});

describe("durations", () => {
  test("are averaged exactly, and their percentiles are within the stated error", async () => {
    const durations = Array.from({ length: 200 }, (_, index) => (index + 1) * 10);
    const tallies = durations.map((sumMs) => tally({ sumMs }));
    await project("default", "sync-1", tallies, 200);
    const { performance_metrics: metrics, processing_stats: processing } = await stats();
    expect(processing.total_events_received).toBe(200);
    expect(metrics.average_processing_time_ms).toBe(1_005);
    for (const [found, exact] of [
      [metrics.median_processing_time_ms, 1_000],
      [metrics.p95_processing_time_ms, 1_900],
      [metrics.p99_processing_time_ms, 1_980],
    ] as const) {
      expect(Math.abs(found - exact) / exact).toBeLessThan(metrics.percentile_error);
    }
  });
});

function tally(change: Partial<Tally> = {}): Tally {
  const what = { source: "opal", eventType: "execution.completed", outcome: "processed", reason: "" } as const;
  return { at: Date.now() - 60_000, ...what, n: 1, sumMs: 5, ...change };
}

/** As an object's outbox hands them over. */
function project(workspace: string, owner: string, tallies: readonly Tally[], received: number): Promise<void> {
  const messages = tallies.map((one, index) => ({ id: index + 1, message: tallyMessage([one]) }));
  return projectTallies(env.DB, { workspace, owner }, messages, { ...EMPTY_LEDGER, received, processed: received });
}
