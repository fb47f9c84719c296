// Agents by any of their names, runs by any of our ids, workflows by OPAL's.
import { describe, expect, test } from "vitest";
import { read, report } from "./read.ts";

describe("an agent", () => {
  test.each([
    ["content_review", "content_review"],
    ["Content_Review", "content_review"],
    ["content-review", "content_review"],
    ["CONTENT-REVIEW", "content_review"],
    [" content_review ", "content_review"],
    ["personalization_generator", "personalization_idea_generator"],
    ["Personalization_Idea_Generator", "personalization_idea_generator"],
    ["geo_audit_recommendations", "geo_audit"],
    ["geographic_audit", "geo_audit"],
    ["Integration_Health_Monitor", "integration_health"],
    ["ROADMAP_GENERATOR", "roadmap_generator"],
  ])("is known as %j", async (spelling, agentId) => {
    expect(await report({ agent_id: spelling, execution_status: "running" })).toMatchObject({
      about: "agent",
      agentId,
    });
  });

  test("may be named by agent_name when there is no agent_id", async () => {
    expect(await report({ agent_name: "geo_audit", execution_status: "running" })).toMatchObject({
      agentId: "geo_audit",
    });
    expect(
      await report({ agent_id: "geo_audit", agent_name: "roadmap_generator", execution_status: "running" }),
    ).toMatchObject({
      agentId: "geo_audit",
    });
  });

  test.each([
    "maturity_assessment",
    "quick_wins_analyzer",
    "content_reviewer",
    "",
    "content_review; drop",
    "__proto__",
  ])("of the name %j is unknown: kept, and never a success", async (agent_id) => {
    expect(
      await report({ agent_id, agent_name: agent_id, event_type: "agent.completed", agent_success: true }),
    ).toEqual({
      ...{ about: "nothing", verdict: "quarantined", reason: "unknown_agent" },
    });
  });

  test.each<[string, unknown]>([
    ["a number", 7],
    ["an empty text", ""],
    ["a text of 65 characters", "a".repeat(65)],
    ["an object", { id: "geo_audit" }],
    ["a list", ["geo_audit"]],
  ])("whose name is %s is no reason to take its completion for the workflow's", async (_what, agent_id) => {
    expect(await report({ workflow_id: "opal-7f3a", agent_id, execution_status: "success" })).toMatchObject({
      about: "nothing",
    });
  });

  test("named beside a bare status is who the status is about", async () => {
    const said = await report({ workflow_id: "opal-7f3a", agent_id: "geo_audit", status: "completed" });
    expect(said).not.toMatchObject({ about: "workflow" });
  });
});

describe("our run", () => {
  const SESSION = "sync-1767603600000-abcde";

  test.each<[string, object]>([
    ["the correlation id", { correlation_id: "force-sync-1767603600000-abcde" }],
    ["the session id", { session_id: SESSION }],
    ["the correlation id in the metadata", { metadata: { correlation_id: "force-sync-1767603600000-abcde" } }],
    ["the session id in the metadata", { metadata: { session_id: SESSION } }],
    ["our workflow id as the workflow id", { workflow_id: "workflow-1767603600000-abcde" }],
    ["one of our ids behind a foreign one", { correlation_id: "opal-corr-1", session_id: SESSION }],
  ])("is found by %s", async (_what, ids) => {
    const { ourRun, delivery } = await read({ ...ids, execution_status: "running", agent_id: "geo_audit" });
    expect(ourRun).toEqual({
      ...{
        sessionId: SESSION,
        correlationId: "force-sync-1767603600000-abcde",
        workflowId: "workflow-1767603600000-abcde",
      },
    });
    expect(delivery.correlated).toBe(true);
  });

  test.each<[string, object]>([
    ["no id", {}],
    ["an id of OPAL's", { workflow_id: "opal-7f3a", correlation_id: "opal-corr-1" }],
    ["an id that only looks like ours", { session_id: "sync-yesterday-abcde" }],
    ["an id that we issued, with something after it", { session_id: `${SESSION}/../other` }],
    ["an id of the wrong type", { session_id: [SESSION] }],
  ])("is not found by %s", async (_what, ids) => {
    const { ourRun, delivery } = await read({ ...ids, execution_status: "running", agent_id: "geo_audit" });
    expect(ourRun).toBeUndefined();
    expect(delivery.correlated).toBe(false);
  });
});

describe("OPAL's workflow id", () => {
  const remoteId = async (workflow_id: unknown) =>
    (await read({ workflow_id, execution_status: "running" })).delivery.remoteId;

  test("is kept as it came, a number as text", async () => {
    expect(await remoteId("opal-7f3a")).toBe("opal-7f3a");
    expect(await remoteId(4711)).toBe("4711");
  });

  test("is never one of ours", async () => {
    expect(await remoteId("workflow-1767603600000-abcde")).toBeNull();
    expect(await remoteId("sync-1767603600000-abcde")).toBeNull();
  });

  test("is absent when it is missing, too long or no id at all", async () => {
    expect(await remoteId(undefined)).toBeNull();
    expect(await remoteId("x".repeat(129))).toBeNull();
    expect(await remoteId(1.5)).toBeNull();
    expect(await remoteId({ id: "opal-7f3a" })).toBeNull();
  });
});
