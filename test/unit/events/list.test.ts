// Cursors, search expressions and pages put together from several walks.
import { describe, expect, test } from "vitest";
import { readCursor, writeCursor } from "../../../src/events/cursor.ts";
import { type ListedEvent, pageOf } from "../../../src/events/list.ts";
import { readSearch } from "../../../src/events/search.ts";

describe("a cursor", () => {
  test.for([
    { order: "time", key: [1_767_603_600_000, 42] },
    { order: "owner", key: [7, 0] },
    { order: "search", key: [999, 0] },
  ] as const)("is read back as it was written: $order", (position) => {
    expect(readCursor(writeCursor(position))).toEqual(position);
  });

  test.for([
    "",
    "time",
    "time.1",
    "time.-1.0",
    "time.1.0.0",
    "time.1e3.0",
    "other.1.0",
    " time.1.0",
    "time.1234567890123456.0",
  ])("that we never wrote is none: %j", (text) => {
    expect(readCursor(text)).toBeUndefined();
  });
});

describe("free text", () => {
  test.for([
    ["word", '"word"*'],
    ["two words", '"two" AND "words"*'],
    ["  two \t words\n", '"two" AND "words"*'],
    ['say "yes"', '"say" AND """yes"""'],
    ["ab", '"ab"'],
    ["geo_au", '"geo_au"'],
    ["geo_aud", '"geo_aud"*'],
    ["word -- word", '"word" AND "word"*'],
    ["größer", '"größer"*'],
    ["a) OR (b", '"a)" AND "OR" AND "(b"'],
  ] as const)("%j becomes %s", ([text, expression]) => {
    expect(readSearch(text)).toEqual({ ok: true, expression });
  });

  test.for(["", "   ", "-- ** ()", "a\0b", "x".repeat(201), "a ".repeat(11)])("%j is refused", (text) => {
    expect(readSearch(text).ok).toBe(false);
  });
});

describe("a page of several walks", () => {
  const event = (at: number, id: number): ListedEvent => ({
    ...{ id, delivery_id: `whd_${id}`, session_id: "s", workflow_id: null, source: "opal", event_type: "t" },
    ...{ sha256: "", bytes: 0, verdict: "processed", reason: null, agent_id: null, summary: "", error: null },
    ...{ http_status: 200, processing_time_ms: 0, received_at: at, seq: id },
  });
  const ids = (events: readonly ListedEvent[]) => events.map(({ id }) => id);

  test("is the newest of all, and the next one begins after its last", () => {
    const found = [
      { events: [event(9, 1), event(5, 2), event(4, 7)], horizon: null },
      { events: [event(8, 3), event(5, 4)], horizon: null },
    ];
    const page = pageOf("time", found, 3);
    expect([ids(page.events), page.next]).toEqual([[1, 3, 4], { order: "time", key: [5, 4] }]);
    expect(pageOf("time", found, 5)).toMatchObject({ next: null });
  });

  test("goes no further back than every walk has looked", () => {
    const found = [
      { events: [event(9, 1), event(2, 2)], horizon: null },
      { events: [event(8, 3)], horizon: 6 },
      { events: [], horizon: 4 },
    ];
    const page = pageOf("time", found, 10);
    expect([ids(page.events), page.next]).toEqual([[1, 3], { order: "time", key: [6, 0] }]);
  });

  test("is not cut short by a walk that stopped because it had found enough", () => {
    const found = [
      { events: [event(9, 1), event(8, 2), event(7, 3)], horizon: 6 },
      { events: [event(3, 4)], horizon: null },
    ];
    const page = pageOf("time", found, 2);
    expect([ids(page.events), page.next]).toEqual([[1, 2], { order: "time", key: [8, 2] }]);
  });

  test("may be empty, and still be followed by another", () => {
    expect(pageOf("owner", [{ events: [], horizon: 17 }], 5)).toEqual({
      events: [],
      next: { order: "owner", key: [17, 0] },
    });
    expect(pageOf("search", [{ events: [], horizon: null }], 5)).toEqual({ events: [], next: null });
  });
});
