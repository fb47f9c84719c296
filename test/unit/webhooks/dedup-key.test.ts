// What makes two deliveries one.
import { describe, expect, test } from "vitest";
import { read } from "./read.ts";

const key = async (document: unknown) => (await read(document)).dedupKey;

const REPORT = {
  workflow_id: "opal-7f3a",
  agent_id: "geo_audit",
  execution_status: "running",
  timestamp: "2026-01-05T09:00:00Z",
};

test("the same words have the same key", async () => {
  expect(await key({ ...REPORT })).toBe(await key(REPORT));
});

describe("different keys belong to", () => {
  test.each<[string, object, object]>([
    ["two workflows", {}, { workflow_id: "opal-7f3b" }],
    ["two agents", {}, { agent_id: "content_review" }],
    ["two times", {}, { timestamp: "2026-01-05T09:00:00.001Z" }],
    ["running and completed at one time", {}, { execution_status: "completed" }],
    ["two executions", { execution_id: "exec-1" }, { execution_id: "exec-2" }],
    ["two offsets", { offset: 1 }, { offset: 2 }],
    ["an execution and none", {}, { execution_id: "exec-1" }],
    ["an offset of nought and none", {}, { offset: 0 }],
    ["a workflow and none", {}, { workflow_id: undefined }],
    [
      "letters that moved from one field to the next",
      { workflow_id: "a", agent_id: "bc" },
      { workflow_id: "ab", agent_id: "c" },
    ],
    ["a value in one field or in another", { execution_id: "7" }, { offset: 7 }],
    [
      "a value that runs into the next field",
      { workflow_id: "aagent_idb", agent_id: undefined },
      { workflow_id: "a", agent_id: "b" },
    ],
    [
      "a field that imitates the next",
      { workflow_id: "a8:agent_id1:b", agent_id: undefined },
      { workflow_id: "a", agent_id: "b" },
    ],
  ])("%s", async (_what, left, right) => {
    expect(await key({ ...REPORT, ...left })).not.toBe(await key({ ...REPORT, ...right }));
  });

  test("two event types at one time", async () => {
    const { execution_status: _status, ...rest } = REPORT;
    expect(await key({ ...rest, event_type: "agent_started" })).not.toBe(
      await key({ ...rest, event_type: "agent_completed" }),
    );
  });
});

describe("one key belongs to", () => {
  test.each<[string, unknown]>([
    ["an offset of +00:00", "2026-01-05T09:00:00+00:00"],
    ["milliseconds", "2026-01-05T09:00:00.000Z"],
    ["another time zone", "2026-01-05T10:00:00+01:00"],
    ["unix milliseconds", 1_767_603_600_000],
    ["unix milliseconds as text", "1767603600000"],
    ["unix seconds", 1_767_603_600],
    ["unix seconds as text", "1767603600"],
  ])("one instant, spelled with %s", async (_what, timestamp) => {
    expect(await key({ ...REPORT, timestamp })).toBe(await key(REPORT));
  });

  test("one agent by any of its names", async () => {
    expect(await key({ ...REPORT, agent_id: "Geographic_Audit" })).toBe(await key(REPORT));
  });

  test("a time in the metadata and the same one outside", async () => {
    const { timestamp, ...rest } = REPORT;
    expect(await key({ ...rest, metadata: { timestamp } })).toBe(await key(REPORT));
  });

  test("two bodies that differ in what they hand over: the second is kept as a conflict, not as a repeat", async () => {
    const left = await read({ ...REPORT, execution_status: "completed", agent_data: { a: 1 } });
    const right = await read({ ...REPORT, execution_status: "completed", agent_data: { a: 2 } });
    expect(left.dedupKey).toBe(right.dedupKey);
    expect(left.delivery.sha256).not.toBe(right.delivery.sha256);
  });
});

describe("without a readable time", () => {
  test.each<[string, unknown]>([
    ["missing", undefined],
    ["null", null],
    ["a word", "yesterday"],
    ["words with a number in them", "step 3"],
    ["negative", -1],
  ])("the body tells two events apart: %s", async (_what, timestamp) => {
    const left = { ...REPORT, timestamp, agent_data: { a: 1 } };
    expect(await key(left)).toBe(await key({ ...left }));
    expect(await key(left)).not.toBe(await key({ ...left, agent_data: { a: 2 } }));
  });

  test("documents that are no objects are told apart by their bytes", async () => {
    expect(await key([1])).not.toBe(await key([2]));
    expect(await key([1])).toBe(await key([1]));
  });
});

describe("the sender's own event id", () => {
  test("is the whole key", async () => {
    expect(await key({ ...REPORT, event_id: "evt-1" })).toBe(
      await key({ event_id: "evt-1", event_type: "workflow.failed" }),
    );
    expect(await key({ ...REPORT, event_id: "evt-1" })).not.toBe(await key({ ...REPORT, event_id: "evt-2" }));
    expect(await key({ ...REPORT, id: "evt-1" })).toBe(await key({ ...REPORT, event_id: "evt-1" }));
  });

  test("is no key when it is no id", async () => {
    expect(await key({ ...REPORT, event_id: "" })).toBe(await key(REPORT));
    expect(await key({ ...REPORT, event_id: { a: 1 } })).toBe(await key(REPORT));
  });
});
