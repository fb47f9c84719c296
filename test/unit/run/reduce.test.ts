// The fold is total: any log can be replayed, one written by newer code too.
import { expect, test } from "vitest";
import type { RunEvent } from "../../../src/sync/run/events.ts";
import { fold, reduce } from "../../../src/sync/run/reduce.ts";
import { NO_RUN } from "../../../src/sync/run/state.ts";
import {
  accepted,
  agentCompleted,
  at,
  bound,
  called,
  given,
  heard,
  only,
  requested,
  running,
} from "../../support/node/given.ts";

test("an empty log is no run", () => {
  expect(fold([])).toEqual(NO_RUN);
});

test("a log that does not begin with a request is no run", () => {
  expect(given([0, called(1)]).deadlines()).toEqual([]);
  expect(() => given([0, called(1)], [1, accepted(1)]).run()).toThrow("there is no run");
});

test("an event nobody knows moves the number of the last event and nothing else", () => {
  const before = given(...running()).run();
  const unknown: RunEvent = JSON.parse(
    `{"type":"invented_later","seq":${before.seq + 1},"at":${before.updatedAt + 5},"version":9}`,
  );
  expect(reduce(before, unknown)).toEqual({ ...before, seq: before.seq + 1, updatedAt: before.updatedAt + 5 });
});

test("an outcome of an attempt that is not open changes no attempt", () => {
  expect(given(...running(), [5, accepted(7)]).run().attempts).toEqual(given(...running()).run().attempts);
});

test("an agent outside the plan has no state", () => {
  expect(given(...running(only("geo_audit")), [5, agentCompleted("cmp_organizer")]).run().agents).toEqual({
    geo_audit: { state: "waiting" },
  });
});

test("a clock that goes back takes no time from a run", () => {
  expect(given(...running(), [100, heard()], [90, heard()]).run().lastDeliveryAt).toBe(at(100));
});

test("an id bound twice is held once", () => {
  expect(given([0, requested()], [1, bound("opal-1")], [2, bound("opal-1")]).run().remoteIds).toEqual(["opal-1"]);
});
