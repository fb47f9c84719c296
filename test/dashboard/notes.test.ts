// What a run is noted for, beyond its status.
import { expect, test } from "vitest";
import { notesOf } from "../../src/dashboard/notes.ts";
import { viewRun } from "../../src/sync/run/view.ts";
import {
  adopted,
  agentCompleted,
  agentFailed,
  agentTimedOut,
  called,
  callFell,
  ended,
  fallbackUsed,
  given,
  minutes,
  type Past,
  quarantined,
  requested,
  rerunRequested,
  result,
  running,
} from "../support/node/given.ts";

const notes = (...past: readonly Past[]) => notesOf(viewRun(given(...past).run())).map(({ id, text }) => [id, text]);

test("a run that goes well has none", () => {
  expect(notes(...running(), [5, agentCompleted("integration_health")])).toEqual([]);
});

test("a partial run names what is missing and why", () => {
  const [note] = notes(
    ...running(),
    [5, agentCompleted("integration_health")],
    [70, agentFailed("content_review")],
    [90, agentTimedOut("geo_audit", 150_000)],
    [99, ended("partially_completed", "run_deadline")],
  );
  expect(note?.[0]).toBe("partial");
  expect(note?.[1]).toMatch(
    /^Partial result\. Missing: Content review \(failed\), GEO audit \(timed out\), .*\(skipped\)\.$/,
  );
});

test("where an earlier result stands in for a missing one, that is said beside it", () => {
  const [note] = notes(
    ...running(),
    [5, agentCompleted("integration_health")],
    [70, quarantined("geo_audit")],
    [70, fallbackUsed("geo_audit")],
    [99, ended("partially_completed", "some_agents_completed")],
  );
  expect(note?.[1]).toContain("GEO audit (failed; an earlier result stands in, cached)");
});

test("a failed call for a re-run is no lost answer to the start", () => {
  const past: Past[] = [
    ...running(),
    [60, agentTimedOut("integration_health", 60_000)],
    [60, rerunRequested(1, ["integration_health"])],
    [61, called(2, 1)],
    [62, callFell(2, "http_4xx", null, 400)],
  ];
  expect(notes(...past)).toEqual([]);
});

test("a cancelled run says that OPAL is left alone", () => {
  expect(notes(...running(), [9, ended("cancelled", "cancelled_by_operator")])[0]?.[0]).toBe("cancelled");
});

test("a run that timed out says how long OPAL was silent", () => {
  expect(notes(...running(), [minutes(10), ended("timed_out", "inactivity")])).toEqual([
    ["timed-out", "OPAL accepted the workflow, but no agent gave a result in 10m 0s."],
  ]);
});

test("a run whose call failed although OPAL had started it says so", () => {
  const past: Past[] = [
    [0, requested()],
    [0, called(1)],
    [1, callFell(1, "network_error", 3)],
    [2, { type: "accepted_by_delivery", deliveryId: "whd_1" }],
  ];
  expect(notes(...past).map(([id]) => id)).toEqual(["answer-lost"]);
});

test("a foreign run, a double start, quarantined and late results are each noted", () => {
  const foreign = notes([0, adopted("opal-1")]);
  expect(foreign.map(([id]) => id)).toEqual(["foreign"]);
  const crowded = notes(
    ...running(),
    [1, { type: "double_started", remoteId: "opal-2" }],
    [2, delivery("quarantined")],
    [9, ended("failed", "no_agent_completed")],
    [10, { type: "result_attached", agentId: "geo_audit", deliveryId: "whd_2", result: result() }],
  );
  expect(crowded.map(([id]) => id)).toEqual(["double-start", "quarantined", "late"]);
  expect(crowded[0]?.[1]).toContain("1 time more");
});

function delivery(verdict: "quarantined"): Past[1] {
  return {
    ...{ type: "delivery_recorded", deliveryId: "whd_9", remoteId: null, source: "opal", eventType: "any", bytes: 2 },
    ...{ sha256: "bb", verdict, reason: "unrecognised_result", receivedAt: 0, secret: "current" },
  };
}
