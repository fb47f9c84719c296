// The same delivery has one effect, whenever and however often it comes.
import { abortAllDurableObjects } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, describe, expect, test } from "vitest";
import { agentEvent, eventually, result, runningSync, status, webhook } from "../support/worker/client.ts";
import { advanceClock, stopClock } from "../support/worker/faults.ts";
import { eventTypes, startOver } from "../support/worker/objects.ts";

afterEach(startOver);

const AGENT = "content_review";

async function deliveriesInD1(count: number) {
  return eventually(
    async () => (await env.DB.prepare("SELECT delivery_id, dedup_hash FROM webhook_events").all()).results,
    (rows) => rows.length === count,
  );
}

describe("a delivery that comes again", () => {
  test("fifty times at once is taken in once and known forty-nine times", async () => {
    const run = await runningSync();
    const payload = agentEvent(run, AGENT);
    const answers = await Promise.all(Array.from({ length: 50 }, () => webhook(payload)));
    const [processed, ...others] = answers.filter((answer) => answer.body.status === "processed");
    const duplicates = answers.filter((answer) => answer.body.status === "duplicate");
    expect([others.length, duplicates.length]).toEqual([0, 49]);
    for (const { status: code, body } of duplicates) {
      expect([code, body.first_webhook_id, body.events_triggered]).toEqual([200, processed?.body.webhook_id, []]);
    }
    expect((await eventTypes(run.session_id)).filter((type) => type === "agent_completed")).toHaveLength(1);
    expect((await status(run.session_id)).deliveries).toMatchObject({ processed: 1, duplicate: 49 });
  });

  test("is known hours later, and after the objects have died", async () => {
    stopClock();
    const run = await runningSync();
    const payload = agentEvent(run, AGENT);
    const first = await webhook(payload);
    advanceClock(9 * 60_000);
    await abortAllDurableObjects();
    expect((await webhook(payload)).body).toMatchObject({
      status: "duplicate",
      first_webhook_id: first.body.webhook_id,
    });
    advanceClock(60 * 60_000);
    expect((await status(run.session_id)).state).toBe("partially_completed");
    expect((await webhook(payload)).body).toMatchObject({
      status: "duplicate",
      first_webhook_id: first.body.webhook_id,
    });
  });

  test("has the same key however its time is spelled", async () => {
    const run = await runningSync();
    const spellings = [
      "2026-11-01T10:00:00Z",
      "2026-11-01T11:00:00.000+01:00",
      1793527200,
      1793527200000,
      "1793527200",
    ];
    const payload = { ...agentEvent(run, AGENT, "started"), metadata: undefined };
    for (const timestamp of spellings) expect((await webhook({ ...payload, timestamp })).status).toBe(200);
    const rows = await deliveriesInD1(spellings.length);
    expect(new Set(rows.map((row) => row.dedup_hash)).size).toBe(1);
  });

  test("with another body under the same key is kept as well", async () => {
    const run = await runningSync();
    const metadata = { timestamp: "2026-11-01T10:00:00Z" };
    const first = await webhook(
      agentEvent(run, AGENT, "completed", { metadata, agent_data: { ...result(AGENT), summary: "one" } }),
    );
    const second = await webhook(
      agentEvent(run, AGENT, "completed", { metadata, agent_data: { ...result(AGENT), summary: "two" } }),
    );
    expect([first.body.status, second.body.status]).toEqual(["processed", "processed"]);
    expect((await status(run.session_id)).deliveries).toMatchObject({ processed: 2, duplicate: 0, dedup_conflict: 1 });
    const rows = await deliveriesInD1(2);
    expect(new Set(rows.map((row) => row.delivery_id))).toEqual(
      new Set([first.body.webhook_id, second.body.webhook_id]),
    );
    expect(new Set(rows.map((row) => row.dedup_hash)).size).toBe(1);
  });
});

describe("deliveries that are not the same are both kept", () => {
  test("with the same event in another second, and with two events in one", async () => {
    const run = await runningSync();
    const event = (timestamp: string, status: string) => agentEvent(run, AGENT, status, { metadata: { timestamp } });
    const payloads = [
      event("2026-11-01T10:00:00Z", "running"),
      event("2026-11-01T10:00:01Z", "running"),
      event("2026-11-01T10:00:01Z", "in_progress"),
    ];
    for (const payload of payloads) expect((await webhook(payload)).body.status).toBe("processed");
    expect((await status(run.session_id)).deliveries).toMatchObject({ processed: 3, duplicate: 0 });
  });

  test("when their fields only look the same run together", async () => {
    const run = await runningSync();
    const metadata = { timestamp: "2026-11-01T10:00:00Z" };
    await webhook(agentEvent(run, "bc", "started", { workflow_id: "a", execution_id: "x", metadata }));
    await webhook(agentEvent(run, "c", "started", { workflow_id: "ab", execution_id: "x", metadata }));
    const rows = await deliveriesInD1(2);
    expect(new Set(rows.map((row) => row.dedup_hash)).size).toBe(2);
  });

  test("under an event id of the sender's, whatever else they say", async () => {
    const run = await runningSync();
    const payload = agentEvent(run, AGENT, "started", { event_id: "evt-1" });
    expect((await webhook(payload)).body.status).toBe("processed");
    expect((await webhook(payload)).body.status).toBe("duplicate");
    expect((await webhook({ ...payload, event_id: "evt-2" })).body.status).toBe("processed");
  });
});
