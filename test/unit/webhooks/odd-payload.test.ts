// Nothing is dropped for its shape, an unknown word changes nothing, and odd values never throw.
import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test, vi } from "vitest";
import { AGENT_IDS } from "../../../src/opal/agents.ts";
import { decide } from "../../../src/sync/run/decide.ts";
import { runEvent } from "../../../src/sync/run/events.ts";
import { at, given, running } from "../../support/node/given.ts";
import { OUTPUT, read, report } from "./read.ts";

// Thousands of cases each, on a machine that may be busy with other files.
vi.setConfig({ testTimeout: 60_000 });

const COMPLETED = {
  workflow_id: "opal-7f3a",
  agent_id: "geo_audit",
  execution_status: "completed",
  agent_data: OUTPUT,
};

describe("a word nobody knows", () => {
  test.each(["finished", "done", "ok", "succes", "true", "200", "null", "successful"])(
    "as a status is no success: %s",
    async (word) => {
      expect(await report({ ...COMPLETED, execution_status: word })).toEqual({
        about: "nothing",
        verdict: "ignored",
        reason: "unknown_status",
      });
    },
  );

  test.each(["test_event", "agent_progress", "force_sync.completed", "workflow_completed", "agent_completed_maybe"])(
    "as an event type changes nothing: %s",
    async (event_type) => {
      expect(
        await report({ event_type, workflow_id: "opal-7f3a", agent_id: "geo_audit", status: "completed" }),
      ).toEqual({
        ...{ about: "nothing", verdict: "ignored", reason: "unknown_event_type" },
      });
    },
  );

  test.each([
    ["SUCCESS", "completed"],
    ["Completed", "completed"],
    ["In_Progress", "started"],
    ["partial", "started"],
    ["ERROR", "failed"],
    ["timed_out", "timed_out"],
  ])("is not one that is only written differently: %s", async (word, outcome) => {
    expect(await report({ ...COMPLETED, execution_status: word })).toMatchObject({ about: "agent", outcome });
  });
});

describe("a flag that cannot be read", () => {
  test.each<[string, unknown]>([
    ["a word", "false"],
    ["a number", 0],
    ["an object", {}],
  ])("is no success: agent_success is %s", async (_what, agent_success) => {
    const said = await report({
      event_type: "agent.completed",
      agent_id: "geo_audit",
      agent_success,
      agent_output: OUTPUT,
    });
    expect(said).not.toMatchObject({ outcome: "completed" });
  });
});

describe("a document that is no object", () => {
  test.each<[string, unknown]>([
    ["nothing", null],
    ["a list", [COMPLETED]],
    ["a text", "completed"],
    ["a number", 7],
    ["a truth value", true],
  ])("is kept and quarantined: %s", async (_what, document) => {
    const { delivery, report: said, results } = await read(document);
    expect(said).toEqual({ about: "nothing", verdict: "quarantined", reason: "not_an_object" });
    expect(delivery).toMatchObject({ remoteId: null, correlated: false, eventType: "other" });
    expect(results).toEqual([]);
  });

  test("and one that is empty says nothing", async () => {
    expect(await report({})).toEqual({ about: "nothing", verdict: "ignored", reason: "unknown_event_type" });
  });

  test("and one that hides its words in a prototype says nothing either", async () => {
    const hidden: unknown = JSON.parse(`{"__proto__":${JSON.stringify(COMPLETED)}}`);
    expect(await report(hidden)).toMatchObject({ about: "nothing", reason: "unknown_event_type" });
  });
});

test("a result of a shape nobody knows is a completion that is marked", async () => {
  expect(await report({ ...COMPLETED, agent_data: { anything: ["at", "all"] } })).toMatchObject({
    outcome: "completed",
    result: { family: "unrecognised" },
  });
  expect(await report({ ...COMPLETED, agent_data: "Calculating..." })).toMatchObject({
    result: { family: "unrecognised", confidence: null },
  });
});

test("what a failed agent handed over is kept, with the error it holds", async () => {
  const { results } = await read({
    ...COMPLETED,
    execution_status: "failed",
    agent_data: { error: "no crawl", partial: [1] },
  });
  expect(JSON.parse(new TextDecoder().decode(results[0]?.bytes))).toMatchObject({
    ...{ outcome: "failed", family: "none", error: "no crawl", output: { error: "no crawl", partial: [1] } },
  });
});

test("a result that grows too large when it is written anew is kept without its output", async () => {
  const { results, report: said } = await read({
    ...COMPLETED,
    agent_data: { ...OUTPUT, numbers: Array(600_000).fill(1e20) },
  });
  expect(JSON.parse(new TextDecoder().decode(results[0]?.bytes))).toMatchObject({
    family: "shared",
    output: null,
    output_omitted: true,
  });
  expect(said).toMatchObject({ outcome: "completed", result: { family: "shared", insights: 1 } });
});

test("event types from outside are short and plain, or left out", async () => {
  expect((await read({ event_type: "agent.completed" })).delivery.eventType).toBe("agent.completed");
  expect((await read({ event_type: "a b\nINFO forged line" })).delivery.eventType).toBe("other");
  expect((await read({ event_type: "x".repeat(65) })).delivery.eventType).toBe("unknown");
});

test("the delivery holds the size and the hash of the bytes as they came", async () => {
  const raw = `{ "event_type" : "workflow.triggered" }`;
  const { delivery } = await read(JSON.parse(raw), raw);
  expect(delivery).toMatchObject({ bytes: 39, sha256: createHash("sha256").update(raw).digest("hex") });
});

const oddValue = fc.oneof(
  fc.jsonValue({ maxDepth: 3 }),
  fc.constantFrom<unknown>(
    null,
    "",
    0,
    -1,
    1e17,
    1e300,
    9e15,
    true,
    [],
    {},
    "completed",
    "geo_audit",
    "99999999999999",
    "sync-1767603600000-abcde",
  ),
);
const KEYS = [
  ...[
    "id",
    "event_id",
    "event_type",
    "event",
    "type",
    "status",
    "execution_status",
    "workflow_id",
    "execution_id",
    "agent_id",
  ],
  ...[
    "agent_name",
    "agent_data",
    "agent_output",
    "agent_success",
    "agent_error",
    "error",
    "correlation_id",
    "session_id",
  ],
  ...["timestamp", "offset", "metadata", "data", "results", "result", "execution_results"],
];
const oddPayload = fc
  .tuple(
    fc.dictionary(fc.constantFrom(...KEYS), oddValue, { maxKeys: 10 }),
    fc.subarray(["agent_id", "execution_status", "metadata"]),
  )
  .chain(([fields, sensible]) =>
    fc
      .record({
        agent_id: fc.constantFrom(...AGENT_IDS),
        execution_status: fc.constantFrom("completed", "failed", "running"),
        metadata: fc.dictionary(fc.constantFrom("timestamp", "confidence_score", "session_id"), oddValue),
      })
      .map((good) => ({
        ...fields,
        ...Object.fromEntries(Object.entries(good).filter(([key]) => sensible.some((name) => name === key))),
      })),
  );

describe("whatever JSON comes", () => {
  test("is one delivery, with a key, and one report", async () => {
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.jsonValue(), oddPayload), async (document) => {
        const { delivery, dedupKey, report: said } = await read(document);
        expect(dedupKey).toMatch(/^[0-9a-f]{64}$/);
        expect(delivery.eventType).toMatch(/^[A-Za-z0-9._-]{1,64}$/);
        expect(["agent", "workflow", "nothing"]).toContain(said.about);
      }),
      { numRuns: 2_500 },
    );
  });

  test("leads to events that can be read back from the log, and to times that are dates", async () => {
    const run = given(...running()).run();
    await fc.assert(
      fc.asyncProperty(oddPayload, async (document) => {
        const { delivery, report: said } = await read(document);
        const decision = decide(run, { type: "deliver", delivery, reports: [said] }, at(5));
        for (const event of decision.ok ? decision.events : [])
          expect(runEvent.safeParse(JSON.parse(JSON.stringify(event)))).toMatchObject({ success: true });
        if (said.about === "agent" && said.result.reportedAt !== null) {
          expect(new Date(said.result.reportedAt).getTime()).not.toBeNaN();
        }
      }),
      { numRuns: 2_500 },
    );
  });
});

test.each<[string, unknown]>([
  ["a number of a year far beyond all dates", 1e17],
  ["a number that is no date any more", 9e15],
  ["a number beyond all measure", 1e300],
])("a time that is %s is no time, and poisons no log", async (_what, timestamp) => {
  expect(await report({ ...COMPLETED, timestamp })).toMatchObject({
    outcome: "completed",
    result: { reportedAt: null },
  });
});
