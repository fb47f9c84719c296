// What a listener asks for, and what it is sent.
import { describe, expect, test } from "vitest";
import type { LiveEvent } from "../../../src/live/event.ts";
import { filterFrom, filterQuery, liveFilter, passes } from "../../../src/live/filter.ts";

const SUFFIX = "1767603600000-abcde";
const EVENT: LiveEvent = {
  name: "agent_status_change",
  priority: "medium",
  sessionId: `sync-${SUFFIX}`,
  workflowIds: [`workflow-${SUFFIX}`, "opal-1"],
  agentId: "geo_audit",
  at: 1_767_603_600_000,
  data: {},
};
const ALERT: LiveEvent = { ...EVENT, name: "system_health_alert", sessionId: null, workflowIds: [], agentId: null };

function filter(fields: Readonly<Record<string, unknown>> | undefined, sessionId?: string) {
  const query = {
    ...(fields === undefined ? {} : { filter: JSON.stringify(fields) }),
    ...(sessionId === undefined ? {} : { session_id: sessionId }),
  };
  const made = filterFrom(filterQuery.parse(query));
  // As it is kept with the socket.
  expect(liveFilter.parse(JSON.parse(JSON.stringify(made)))).toEqual(made);
  return made;
}

const lets = (fields: Readonly<Record<string, unknown>>, event = EVENT) => passes(filter(fields), event);

test("without a filter everything passes", () => {
  expect([EVENT, ALERT].map((event) => passes(filter(undefined), event))).toEqual([true, true]);
  expect([EVENT, ALERT].map((event) => lets({}, event))).toEqual([true, true]);
});

describe("a run", () => {
  test.each([`sync-${SUFFIX}`, `force-sync-${SUFFIX}`, `workflow-${SUFFIX}`, "opal-1"])("is named by %s", (id) => {
    expect(passes(filter(undefined, id), EVENT)).toBe(true);
    expect(lets({ workflow_id: id })).toBe(true);
    expect(passes(filter(undefined, id), { ...EVENT, sessionId: "sync-1767603600000-other", workflowIds: [] })).toBe(
      false,
    );
  });

  test.each(["default", "recent-data-widget", "sync-1767603600000-other", "opal-2", "*", "null"])(
    "that is named %s is none, and lets nothing through",
    (id) => {
      expect([EVENT, ALERT].map((event) => passes(filter(undefined, id), event))).toEqual([false, false]);
      expect([EVENT, ALERT].map((event) => lets({ workflow_id: id }, event))).toEqual([false, false]);
    },
  );

  test("named twice must be the same one", () => {
    expect(passes(filter({ workflow_id: "opal-1" }, `sync-${SUFFIX}`), EVENT)).toBe(true);
    expect(passes(filter({ workflow_id: "opal-2" }, `sync-${SUFFIX}`), EVENT)).toBe(false);
  });
});

test("agents are known in any spelling, and what is about none of them does not pass", () => {
  expect(lets({ agent_ids: ["GEO_AUDIT_recommendations"] })).toBe(true);
  expect(lets({ agent_ids: ["content-review"] })).toBe(false);
  expect(lets({ agent_ids: ["geo_audit"] }, ALERT)).toBe(false);
});

test("types are those named; a heartbeat is no event of the feed", () => {
  expect(lets({ event_types: ["agent_status_change", "heartbeat"] })).toBe(true);
  expect(lets({ event_types: ["error_notification"] })).toBe(false);
  expect(lets({ event_types: ["heartbeat"] })).toBe(false);
});

test.each([
  ["low", true],
  ["medium", true],
  ["high", false],
  ["critical", false],
])("a medium event is at least %s: %s", (least, isSo) => {
  expect(lets({ min_priority: least })).toBe(isSo);
});

test("everything that is asked for must be so", () => {
  const all = {
    workflow_id: "opal-1",
    agent_ids: ["geo_audit"],
    event_types: ["agent_status_change"],
    min_priority: "low",
  };
  expect(lets(all)).toBe(true);
  for (const [name, other] of [
    ["workflow_id", "opal-2"],
    ["agent_ids", ["cmp_organizer"]],
    ["event_types", ["error_notification"]],
    ["min_priority", "critical"],
  ] as const) {
    expect(lets({ ...all, [name]: other })).toBe(false);
  }
});

test.each([
  ["no JSON", "{", "filter"],
  ["no object", "[]", "filter"],
  ["an unknown field", '{"agents":["geo_audit"]}', "filter"],
  ["an unknown agent", '{"agent_ids":["nobody"]}', "filter.agent_ids.0"],
  ["an empty list", '{"agent_ids":[]}', "filter.agent_ids"],
  ["an unknown type", '{"event_types":["shout"]}', "filter.event_types.0"],
  ["an unknown priority", '{"min_priority":"urgent"}', "filter.min_priority"],
  ["an id that is none", '{"workflow_id":7}', "filter.workflow_id"],
  ["a word for a switch", '{"include_historical":"yes"}', "filter.include_historical"],
  ["a very long one", `{"workflow_id":"${"x".repeat(5_000)}"}`, "filter"],
])("a filter with %s is refused by name", (_what, text, path) => {
  const parsed = filterQuery.safeParse({ filter: text });
  expect(parsed.error?.issues.map((issue) => issue.path.join("."))).toEqual([path]);
});

test("the largest filter there can be fits into a socket's attachment", () => {
  const id = "x".repeat(128);
  const made = filter(
    {
      workflow_id: id,
      agent_ids: Array.from({ length: 50 }, () => "personalization_idea_generator"),
      event_types: Array.from({ length: 50 }, () => "performance_metric_update"),
      min_priority: "critical",
    },
    id,
  );
  expect(JSON.stringify(made).length).toBeLessThan(1_000);
});
