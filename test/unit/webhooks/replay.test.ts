// What a replay finds among stored deliveries, before anything is applied.
import { describe, expect, test, vi } from "vitest";
import type { Reading } from "../../../src/sync/run/events.ts";
import { readingOf } from "../../../src/sync/run/reading.ts";
import type { StoredDelivery } from "../../../src/sync/stored.ts";
import { type Examination, examine, PAGE_DELIVERIES } from "../../../src/webhooks/replay.ts";
import { OUTPUT, report } from "./read.ts";

const RECEIVED = Date.parse("2026-01-05T09:00:00Z");
const COMPLETED = {
  workflow_id: "opal-1",
  execution_status: "completed",
  agent_id: "geo_audit",
  agent_data: OUTPUT,
  metadata: { timestamp: "2026-01-05T08:59:00Z", confidence_score: 0.9 },
};
const NOBODYS: Reading = { about: "nothing", verdict: "ignored", reason: "unknown_status" };

function stored(offset: number, change: Partial<StoredDelivery> = {}): StoredDelivery {
  const facts = { source: "opal", secret: "current", receivedAt: RECEIVED, readings: 1 };
  const reading: Reading[] = [{ about: "workflow", outcome: "completed" }];
  return { offset, deliveryId: `whd_${offset}`, remoteId: null, verdict: "processed", reading, ...facts, ...change };
}

function bytesOf(text: string): ArrayBuffer {
  return new Uint8Array(new TextEncoder().encode(text)).buffer;
}

/** Every delivery has the same body, in two parts. */
function bodies(document: unknown) {
  const text = typeof document === "string" ? document : JSON.stringify(document);
  const half = Math.floor(text.length / 2);
  return vi.fn(async (_deliveryId: string) => [bytesOf(text.slice(0, half)), bytesOf(text.slice(half))]);
}

const ALL = { fromOffset: 0, isForced: false };
const FORCED = { fromOffset: 0, isForced: true };

async function examined(...given: Parameters<typeof examine>): Promise<Examination> {
  const found = await examine(...given);
  if (!found.ok) throw new Error(found.code);
  return found;
}

describe("a delivery", () => {
  test("that says what it said is unchanged, whatever the order its reading was written in", async () => {
    const [said] = readingOf([await report(COMPLETED)]);
    if (said?.about !== "agent") throw new Error("not about an agent");
    const reversed = { result: said.result, outcome: said.outcome, isCredentialRefused: false, agentId: said.agentId };
    const reading = [{ ...reversed, about: "agent" }] as const;
    const found = await examined([stored(0, { reading })], bodies(COMPLETED), ALL);
    expect(found).toMatchObject({ examined: 1, unchanged: 1, changed: [], nextOffset: null });
  });

  test("that says something else is changed, applies under its own id, and has results of its own name", async () => {
    const delivery = stored(0, { readings: 2, remoteId: "older" });
    const { changed } = await examined([delivery], bodies(COMPLETED), ALL);
    const reading = readingOf([await report(COMPLETED)]);
    expect(changed).toMatchObject([{ stored: delivery, reading }]);
    expect(changed[0]?.reprocessing).toMatchObject({
      ...{ deliveryId: "whd_0", remoteId: "opal-1", was: "processed" },
      reports: [{ agentId: "geo_audit", result: { bodyId: "whd_0.r3.result" } }],
    });
    expect(changed[0]?.results.map((result) => result.bodyId)).toEqual(["whd_0.r3.result"]);
  });

  test.each(["ignored", "quarantined"] as const)("that was %s is not even opened, unless forced", async (verdict) => {
    const open = bodies(COMPLETED);
    const delivery = stored(0, { verdict, reading: [NOBODYS] });
    expect(await examined([delivery], open, ALL)).toMatchObject({ examined: 1, skipped: 1, changed: [] });
    expect(open).not.toHaveBeenCalled();
    expect((await examined([delivery], open, FORCED)).changed).toHaveLength(1);
  });

  test("that says what it said is unchanged even when forced", async () => {
    const reading = readingOf([await report(COMPLETED)]);
    expect(await examined([stored(0, { reading })], bodies(COMPLETED), FORCED)).toMatchObject({ unchanged: 1 });
  });

  test("without a reading cannot be compared, and is read anew when forced", async () => {
    const delivery = stored(0, { reading: null });
    expect(await examined([delivery], bodies(COMPLETED), ALL)).toMatchObject({ notComparable: 1, changed: [] });
    expect((await examined([delivery], bodies(COMPLETED), FORCED)).changed).toHaveLength(1);
  });

  test.each([
    ["is no JSON", "{", "the body is not valid JSON."],
    ["is nested too deeply", "[".repeat(65), "the body is nested deeper than 64 levels."],
    ["is empty", "", "the body is empty."],
  ])("whose body %s today stays as it was, and is named", async (_what, body, why) => {
    const found = await examined([stored(0), stored(1)], bodies(body), ALL);
    expect(found).toMatchObject({ examined: 2, changed: [], unreadable: [{ stored: stored(0), why }, { why }] });
  });

  test("whose body is gone stops it all, by name and date", async () => {
    const open = async (id: string) => (id === "whd_1" ? [] : [bytesOf(JSON.stringify(COMPLETED))]);
    const found = await examine([stored(0), stored(1), stored(2)], open, ALL);
    expect(found).toMatchObject({ ok: false, code: "delivery_expired" });
    expect(found).toMatchObject({
      members: { delivery_id: "whd_1", offset: 1, received_at: "2026-01-05T09:00:00.000Z" },
    });
    expect("detail" in found && found.detail).toMatch(/whd_1.*2026-01-05T09:00:00.000Z/);
  });
});

describe("one request", () => {
  const many = (count: number) => Array.from({ length: count }, (_, offset) => stored(offset));

  test.each([
    [PAGE_DELIVERIES, 0, PAGE_DELIVERIES, null],
    [PAGE_DELIVERIES + 1, 0, PAGE_DELIVERIES, PAGE_DELIVERIES],
    [PAGE_DELIVERIES + 1, 1, PAGE_DELIVERIES, null],
    [3, 2, 1, null],
    [3, 3, 0, null],
    [0, 0, 0, null],
  ])(
    "of %i deliveries from number %i on looks at %i and goes on at %s",
    async (count, fromOffset, seen, nextOffset) => {
      const open = bodies({ event: "completed", workflow_id: "opal-1" });
      const found = await examined(many(count), open, { fromOffset, isForced: false });
      expect(found).toMatchObject({ examined: seen, nextOffset, changed: [], unchanged: seen });
      expect(open).toHaveBeenCalledTimes(seen);
    },
  );

  test("counts every delivery once", async () => {
    const reading = readingOf([await report(COMPLETED)]);
    const deliveries = [
      stored(0, { reading }),
      stored(1, { verdict: "quarantined" }),
      stored(2, { reading: null }),
      stored(3),
      stored(4),
    ];
    const open = async (id: string) => [bytesOf(id === "whd_4" ? "}" : JSON.stringify(COMPLETED))];
    const found = await examined(deliveries, open, ALL);
    expect(found).toMatchObject({ examined: 5, unchanged: 1, skipped: 1, notComparable: 1 });
    expect([found.changed.length, found.unreadable.length]).toEqual([1, 1]);
  });

  test("carries results up to 24 MiB, and the next one goes on with the delivery that did not fit", async () => {
    const large = { ...COMPLETED, agent_data: { ...OUTPUT, filler: "x".repeat(9 * 1024 * 1024) } };
    const open = bodies(large);
    const first = await examined(many(5), open, ALL);
    expect(first).toMatchObject({ examined: 2, nextOffset: 2 });
    expect(first.changed.map(({ stored: { offset } }) => offset)).toEqual([0, 1]);
    const rest = await examined(many(5), open, { fromOffset: 4, isForced: false });
    expect(rest).toMatchObject({ examined: 1, nextOffset: null });
  });
});
