// Every family of payloads, read into the same reports.
import { describe, expect, test } from "vitest";
import { OUTPUT, read, report, storedResult } from "./read.ts";

const workflow = (outcome: string) => ({ about: "workflow", outcome });
const agent = (agentId: string, outcome: string) => ({ about: "agent", agentId, outcome });
const ignored = (reason: string) => ({ about: "nothing", verdict: "ignored", reason });

describe("the flat agent result", () => {
  const v1 = {
    workflow_id: "opal-7f3a",
    agent_id: "Content_Review",
    execution_status: "success",
    agent_data: OUTPUT,
    offset: null,
    timestamp: "2026-01-05T09:00:00.000Z",
    metadata: { source: "opal_enhanced_tools" },
    correlation_id: "force-sync-1767603600000-abcde",
    environment: "production",
  };

  test("is a completed agent with its result, though OPAL sends a null offset", async () => {
    const { delivery, report: said, ourRun } = await read(v1);
    expect(said).toMatchObject({
      ...agent("content_review", "completed"),
      result: {
        family: "shared",
        confidence: 0.85,
        insights: 1,
        recommendations: 1,
        reportedAt: Date.UTC(2026, 0, 5, 9),
      },
    });
    expect(delivery).toMatchObject({
      remoteId: "opal-7f3a",
      correlated: true,
      eventType: "execution.success",
      source: "opal",
    });
    expect(ourRun?.sessionId).toBe("sync-1767603600000-abcde");
  });

  test("has its result kept beside the log, under the delivery's name", async () => {
    const { results, report: said } = await read(v1);
    expect(results).toMatchObject([{ bodyId: "whd_1.result" }]);
    expect(said).toMatchObject({ result: { bodyId: "whd_1.result", bytes: results[0]?.bytes.length } });
    expect(await storedResult(v1)).toEqual({
      ...{ agent_id: "content_review", outcome: "completed", family: "shared", confidence: 0.85, error: null },
      ...{ output: OUTPUT, output_omitted: false },
    });
  });

  test.each([
    ["success", "completed"],
    ["failure", "failed"],
    ["pending", "started"],
    ["timeout", "timed_out"],
  ])("%s means %s", async (status, outcome) => {
    expect(await report({ ...v1, execution_status: status })).toMatchObject(agent("content_review", outcome));
  });

  test("is about the workflow when the workflow is what it names as agent", async () => {
    expect(await report({ ...v1, agent_id: "strategy_workflow" })).toEqual(workflow("completed"));
    expect(await report({ ...v1, agent_id: "Strategy_Assistant", execution_status: "failure" })).toEqual(
      workflow("failed"),
    );
  });
});

describe("the dotted envelope", () => {
  const v2 = {
    workflow_id: "opal-7f3a",
    workflow_name: "strategy_workflow",
    timestamp: "2026-01-05T09:00:00Z",
    trigger_source: "api",
  };

  test.each([
    ["workflow.triggered", "under_way"],
    ["workflow.completed", "completed"],
    ["workflow.failed", "failed"],
  ])("%s: the workflow is %s", async (event_type, outcome) => {
    expect(await report({ ...v2, event_type })).toEqual(workflow(outcome));
  });

  test("agent.completed carries the agent's output", async () => {
    const completed = {
      ...v2,
      event_type: "agent.completed",
      agent_id: "geo_audit",
      agent_name: "GEO audit",
      agent_output: OUTPUT,
    };
    expect(await report({ ...completed, agent_success: true })).toMatchObject({
      ...agent("geo_audit", "completed"),
      result: { family: "shared" },
    });
    expect(await report(completed)).toMatchObject(agent("geo_audit", "completed"));
  });

  test("agent.completed without success is a failed agent, with its error", async () => {
    const failed = {
      ...v2,
      event_type: "agent.completed",
      agent_id: "geo_audit",
      agent_success: false,
      agent_error: "no crawl",
    };
    expect(await report(failed)).toMatchObject({ ...agent("geo_audit", "failed"), result: { family: "none" } });
    expect(await storedResult(failed)).toMatchObject({ outcome: "failed", error: "no crawl" });
  });

  test("names our run in its metadata", async () => {
    const named = { ...v2, event_type: "workflow.triggered", metadata: { session_id: "sync-1767603600000-abcde" } };
    expect((await read(named)).ourRun?.correlationId).toBe("force-sync-1767603600000-abcde");
  });
});

describe("named events with their data", () => {
  const v3 = { workflow_id: "opal-7f3a", timestamp: "2026-01-05T09:00:00Z" };
  const update = (agent_status: object) => ({
    ...v3,
    event_type: "agent_status_update",
    agent_id: "geo_audit",
    data: { agent_status },
  });

  test.each([
    ["starting", "started"],
    ["running", "started"],
    ["completed", "completed"],
    ["failed", "failed"],
    ["timeout", "timed_out"],
  ])("agent_status_update to %s: the agent %s", async (current_status, outcome) => {
    expect(await report(update({ previous_status: "idle", current_status }))).toMatchObject(
      agent("geo_audit", outcome),
    );
  });

  test("agent_status_update tells why an agent failed", async () => {
    expect(await storedResult(update({ current_status: "failed", error_details: "no crawl" }))).toMatchObject({
      error: "no crawl",
    });
  });

  test("agent_status_update to a status nobody knows changes nothing", async () => {
    expect(await report(update({ current_status: "meditating" }))).toEqual(ignored("unknown_status"));
    expect(await report(update({ current_status: 7 }))).toEqual(ignored("unknown_status"));
    expect(await report({ ...v3, event_type: "agent_status_update", agent_id: "geo_audit" })).toEqual(
      ignored("unknown_status"),
    );
  });

  test.each([
    ["completed", "completed"],
    ["failed", "failed"],
    ["timeout", "timed_out"],
  ])("workflow_completion with status %s: the workflow is %s", async (status, outcome) => {
    const done = {
      ...v3,
      event_type: "workflow_completion",
      data: { workflow_completion: { status, successful_agents: 9 } },
    };
    expect(await report(done)).toEqual(workflow(outcome));
  });

  test("workflow_completion without a status is no completion", async () => {
    expect(await report({ ...v3, event_type: "workflow_completion", data: {} })).toEqual(ignored("unknown_status"));
  });

  test("workflow_progress and error_notification say that the workflow is under way", async () => {
    const progress = { workflow_progress: { completed_agents: 9, total_agents: 9, current_phase: "done" } };
    expect(await report({ ...v3, event_type: "workflow_progress", data: progress })).toEqual(workflow("under_way"));
    const trouble = { error_notification: { error_type: "x", severity: "critical", affected_agents: ["geo_audit"] } };
    expect(await report({ ...v3, event_type: "error_notification", data: trouble })).toEqual(workflow("under_way"));
  });
});

describe("the execution_status form", () => {
  const v4 = {
    workflow_id: "opal-7f3a",
    execution_id: "exec-1",
    agent_id: "geo_audit",
    agent_data: OUTPUT,
    metadata: {
      timestamp: "2026-01-05T09:00:00Z",
      execution_duration_ms: 41_000,
      confidence_score: 0.91,
      data_sources: ["odp"],
    },
    correlation_id: "force-sync-1767603600000-abcde",
  };

  test.each([
    ["started", "started"],
    ["running", "started"],
    ["completed", "completed"],
    ["failed", "failed"],
  ])("%s: the agent %s", async (execution_status, outcome) => {
    expect(await report({ ...v4, execution_status })).toMatchObject(agent("geo_audit", outcome));
  });

  test("the envelope's confidence and time count before the output's own", async () => {
    const said = await report({ ...v4, execution_status: "completed" });
    expect(said).toMatchObject({ result: { confidence: 0.91, reportedAt: Date.UTC(2026, 0, 5, 9) } });
  });

  test("without an agent it is about the workflow", async () => {
    const { agent_id: _agent, ...rest } = v4;
    expect(await report({ ...rest, execution_status: "completed" })).toEqual(workflow("completed"));
    expect(await report({ ...rest, agent_id: null, execution_status: "running" })).toEqual(workflow("under_way"));
  });
});

describe("the bare run events", () => {
  test.each([
    ["started", "under_way"],
    ["completed", "completed"],
    ["failed", "failed"],
  ])("%s, under whichever name the event comes, is about the workflow", async (word, outcome) => {
    expect(await report({ event_type: word, workflow_id: "opal-7f3a" })).toEqual(workflow(outcome));
    expect(await report({ event: word, workflow_id: "opal-7f3a" })).toEqual(workflow(outcome));
    expect(await report({ type: word, workflow_id: "opal-7f3a" })).toEqual(workflow(outcome));
    expect(await report({ status: word, workflow_id: "opal-7f3a" })).toEqual(workflow(outcome));
  });

  test.each([
    ["agent_started", "started"],
    ["agent_completed", "completed"],
    ["agent_failed", "failed"],
  ])("%s is about the agent", async (event_type, outcome) => {
    expect(await report({ event_type, agent_id: "geo_audit", results: OUTPUT })).toMatchObject(
      agent("geo_audit", outcome),
    );
  });
});
