// Analyses: started and followed in OPAL's own terms.
import { afterEach, describe, expect, test } from "vitest";
import {
  type Answer,
  agentEvent,
  allAgentsReport,
  call,
  cancel,
  eventually,
  ORIGIN,
  opalLedger,
  send,
  status,
  trigger,
  webhook,
} from "../support/worker/client.ts";
import { startOver, workspaceObject } from "../support/worker/objects.ts";

afterEach(startOver);

const PATH = "/api/opal/trigger";
const ANALYSIS = {
  workflow_type: "full_strategy_analysis",
  priority: "urgent",
  context: { business_objectives: ["More leads"] },
} as const;

function analyse(change: object = {}): Promise<Answer> {
  return call("POST", PATH, { body: { ...ANALYSIS, ...change } });
}

async function opalStatus(id: string): Promise<Answer["body"]> {
  return (await call("GET", `/api/opal/status/${id}`)).body;
}

async function runningAnalysis(change: object = {}): Promise<Answer["body"]> {
  const { body } = await analyse(change);
  return eventually(
    () => status(body.session_id),
    (run) => run.state === "running",
  );
}

describe("an analysis", () => {
  test("is answered with where to follow it and who will work on it", async () => {
    const answer = await analyse();
    const { session_id: id } = answer.body;
    expect(answer.status).toBe(201);
    expect(answer.body).toMatchObject({
      ...{ success: true, status: "initiated", session_id: id, correlation_id: `force-${id}` },
      workflow_id: id.replace("sync", "workflow"),
      estimated_completion_time: null,
      estimated_end: { p50: null, reason: expect.any(String) },
      estimate_record: { estimates: 0 },
      webhook_url: `${ORIGIN}/api/webhooks/opal-workflow`,
      monitoring_url: `${ORIGIN}/engine/admin/runs/${id}`,
    });
    expect(answer.body.agents_scheduled).toHaveLength(9);
  });

  test("tells OPAL what it is for, and keeps to its agents and their limits", async () => {
    const run = await runningAnalysis({
      workflow_type: "targeted_analysis",
      context: {
        ...{ business_objectives: ["More leads"], constraints: ["No new tools"], focus_areas: ["Search"] },
        timeline: { start_date: "2026-01-01", target_completion: "2026-06-30" },
      },
      agent_configuration: {
        Geographic_Audit: { enabled: true, timeout_override: 5_000, tool_overrides: {} },
        content_review: { enabled: false },
      },
    });
    expect(run).toMatchObject({
      ...{ sync_scope: "quick", trigger_source: "api", priority: "high", agent_filter: ["geo_audit"] },
      agents: [{ agent_id: "geo_audit", timeout_ms: 5_000 }],
    });
    const [sent] = await opalLedger(run.session_id);
    expect(JSON.parse(sent?.body ?? "").input_data).toMatchObject({
      ...{ business_objectives: ["More leads"], constraints: ["No new tools"], focus_areas: ["Search"] },
      timeline_preference: "2026-01-01..2026-06-30",
    });
  });

  test("that has to wait is queued, and can be followed from the beginning", async () => {
    await trigger();
    const { status: code, body } = await analyse({ on_busy: "queue" });
    expect([code, body.status]).toEqual([201, "queued"]);
    const early = await call("GET", `/api/opal/status/${body.workflow_id}`);
    expect(early.status).toBe(200);
    expect(early.body).toMatchObject({
      status: "running",
      queued: true,
      progress: { completed_agents: 0 },
      agents: {},
    });
    const workflow = await call("GET", `/api/opal/workflow-status/${body.workflow_id}`);
    expect(workflow.body).toMatchObject({ status: "initiated", state: "queued", polling: { should_continue: true } });
  });

  test.for([
    [{ workflow_type: "everything" }, "/workflow_type"],
    [{ priority: "normal" }, "/priority"],
    [{ context: { business_objectives: [] } }, "/context/business_objectives"],
    [{ agent_configuration: { nobody: { enabled: true } } }, "/agent_configuration/nobody"],
    [
      { agent_configuration: { geo_audit: { enabled: true, tool_overrides: { search: true } } } },
      "/agent_configuration/geo_audit/tool_overrides",
    ],
    [
      { agent_configuration: { geo_audit: { enabled: true, timeout_override: 1 } } },
      "/agent_configuration/geo_audit/timeout_override",
    ],
  ] as const)("%j is refused at %s", async ([change, pointer]) => {
    const refused = await analyse(change);
    expect([refused.status, refused.body.code]).toEqual([400, "validation_failed"]);
    expect(refused.body.errors).toEqual([{ pointer, detail: expect.any(String) }]);
    expect((await workspaceObject().overview()).runs).toEqual([]);
  });

  test("without an agent left is refused", async () => {
    const { body } = await analyse();
    await cancel(body.session_id);
    const none = Object.fromEntries(body.agents_scheduled.map((id: string) => [id, { enabled: false }]));
    const refused = await analyse({ agent_configuration: none });
    expect([refused.status, refused.body.errors[0].pointer]).toEqual([400, "/agent_configuration"]);
  });
});

describe("its status", () => {
  test("is the same by each of the run's ids, but for the id", async () => {
    const run = await runningAnalysis();
    await webhook(agentEvent(run, "integration_health", "started"));
    const ids = [run.session_id, run.correlation_id, run.workflow_id, run.opalWorkflowId];
    for (const id of ids) {
      const answer = await call("GET", `/api/opal/status/${id}`);
      expect(answer.status).toBe(200);
      expect(answer.headers.get("Cache-Control")).toBe("no-store");
      expect(answer.body).toMatchObject({
        ...{
          success: true,
          workflow_id: id,
          session_id: run.session_id,
          status: "running",
          estimated_completion: null,
        },
        progress: {
          ...{ total_agents: 9, completed_agents: 0, failed_agents: 0, progress_percentage: 0, current_phase: 1 },
        },
        last_updated: expect.stringMatching(/Z$/),
      });
      expect(Object.keys(answer.body.agents)).toHaveLength(9);
      expect(answer.body.agents.integration_health).toEqual({ status: "running", start_time: expect.any(String) });
      expect(answer.body.agents.cmp_organizer).toEqual({ status: "idle" });
    }
  });

  test("follows the agents to the end, and the next one is estimated by it", async () => {
    const run = await runningAnalysis();
    await allAgentsReport(run);
    const ended = await eventually(
      () => opalStatus(run.workflow_id),
      (now) => now.status === "completed",
    );
    expect(ended).toMatchObject({
      progress: { completed_agents: 9, failed_agents: 0, progress_percentage: 100, current_phase: 3 },
      estimated_completion: null,
    });
    expect(ended).not.toHaveProperty("partial");
    expect(ended.agents.roadmap_generator).toMatchObject({
      status: "completed",
      execution_time_ms: expect.any(Number),
    });
    await eventually(workspaceIsFree, (isFree) => isFree);
    const next = await runningAnalysis();
    const estimated = await eventually(
      () => opalStatus(next.session_id),
      (now) => now.estimated_completion !== null,
    );
    expect(estimated.estimated_completion).toMatch(/^\d{4}-.*Z$/);
  });

  test("counts what failed, and says why", async () => {
    const run = await runningAnalysis({
      ...{ workflow_type: "targeted_analysis" },
      agent_configuration: { geo_audit: { enabled: true }, content_review: { enabled: true } },
    });
    await webhook(agentEvent(run, "content_review"));
    await webhook(agentEvent(run, "geo_audit", "failure"));
    const failed = await eventually(
      () => opalStatus(run.session_id),
      (now) => now.progress.failed_agents === 1,
    );
    expect(failed.agents.geo_audit).toMatchObject({ status: "failed", error_message: "OPAL reported a failure." });
    const ended = await eventually(
      () => opalStatus(run.session_id),
      (now) => now.status !== "running",
    );
    expect(ended).toMatchObject({ status: "completed", partial: true });
  });

  test("of a cancelled run is failed, and says that it was cancelled", async () => {
    const run = await runningAnalysis();
    await cancel(run.session_id);
    expect(await opalStatus(run.session_id)).toMatchObject({ status: "failed", cancelled: true });
  });

  test("of an id that nobody knows is 404, with advice to pollers", async () => {
    const unknown = await call("GET", "/api/opal/status/workflow-1700000000000-abcde?miss=15");
    expect(unknown.status).toBe(404);
    expect(unknown.body).toMatchObject({
      ...{ success: false, error: "Workflow not found", code: "session_not_found" },
      workflow_id: "workflow-1700000000000-abcde",
      polling: { should_continue: false, max_attempts_remaining: 0 },
    });
    expect((await call("GET", "/api/opal/status/x?miss=0")).body.errors[0].pointer).toBe("?miss");
  });

  test("is not for everybody", async () => {
    expect((await send("/api/opal/status/workflow-1700000000000-abcde", {})).status).toBe(401);
  });
});

async function workspaceIsFree(): Promise<boolean> {
  return (await workspaceObject().overview()).activeSessionId === null;
}
