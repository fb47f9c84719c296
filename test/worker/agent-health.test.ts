// One agent across runs: what it did last, whether it is at work, and what to do about it.
import { afterEach, describe, expect, test } from "vitest";
import { type Answer, agentEvent, call, cancel, eventually, runningSync, webhook } from "../support/worker/client.ts";
import { advanceClock, breakD1, stopClock } from "../support/worker/faults.ts";
import { settled, startOver, workspaceObject } from "../support/worker/objects.ts";

afterEach(startOver);

type Body = Answer["body"];

async function health(spelling = "geo_audit"): Promise<Body> {
  return (await call("GET", `/api/agents/${spelling}/health`)).body;
}

/** A run in which the agent ends like that and nobody else reports. */
async function runWith(outcome: string, more: Readonly<Record<string, unknown>> = {}): Promise<Body> {
  const run = await runningSync();
  await webhook(agentEvent(run, "geo_audit", "started"));
  await webhook(agentEvent(run, "geo_audit", outcome, more));
  await cancel(run.session_id);
  await settled(run.session_id);
  return run;
}

describe("the health of an agent", () => {
  test("is found under every spelling, and under none that is not one", async () => {
    for (const spelling of ["geo_audit", "GEO_Audit", "geographic_audit"]) {
      expect(await health(spelling)).toMatchObject({ agent_id: "geo_audit", name: "GEO audit" });
    }
    const answer = await call("GET", "/api/agents/geo_auditor/health");
    expect([answer.status, answer.body.code]).toEqual([404, "resource_not_found"]);
  });

  test("before it ever ran says so", async () => {
    expect(await health()).toMatchObject({
      ...{ success: true, status: "available", last_execution: null, success_rate_24h: null },
      ...{ success_rate_reason: expect.any(String), last_failures: [], suggestions: [] },
      limits: { timeout_ms: 150_000, usual_ms: 60_000, confidence_threshold: 0.85 },
    });
  });

  test("shows what it did last, and the share that went well", async () => {
    await runWith("failed");
    const good = await runWith("completed");
    const shown = await health();
    expect(shown).toMatchObject({
      ...{ status: "available", success_rate_24h: 0.5, success_rate_reason: null },
      last_execution: { session_id: good.session_id, status: "completed", confidence: 0.97 },
      executions_24h: { completed: 1, failed: 1, timed_out: 0, under_way: 0 },
      last_failures: [{ reason: "reported_failure", at: expect.any(String) }],
    });
    expect(Date.parse(shown.last_execution.ended_at)).toBeGreaterThanOrEqual(
      Date.parse(shown.last_execution.started_at),
    );
  });

  test("is busy while it works, and not once its run is over", async () => {
    const run = await runningSync();
    await webhook(agentEvent(run, "geo_audit", "started"));
    const busy = await eventually(health, (shown) => shown.status === "busy");
    expect(busy.agent_id).toBe("geo_audit");
    expect((await health("content_review")).status).toBe("available");
    await cancel(run.session_id);
    await eventually(
      () => workspaceObject().overview(),
      ({ activeSessionId }) => activeSessionId === null,
    );
    expect((await health()).status).toBe("available");
  });

  test("is an error after a failure, with what can be done", async () => {
    const run = await runWith("failed");
    expect(await health()).toMatchObject({
      status: "error",
      success_rate_24h: 0,
      last_failures: [{ session_id: run.session_id, reason: "reported_failure" }],
      suggestions: [expect.stringContaining(`/api/force-sync/retry/${run.session_id}`)],
    });
  });

  test("counts a day, and remembers failures longer", async () => {
    stopClock();
    await runWith("failed");
    advanceClock(24 * 60 * 60_000 + 60_000);
    expect(await health()).toMatchObject({
      ...{ status: "error", success_rate_24h: null, executions_24h: { failed: 0 } },
      last_failures: [{ reason: "reported_failure" }],
    });
  });

  test("cannot be read while D1 is silent", async () => {
    await workspaceObject().overview();
    const repair = breakD1();
    const answer = await call("GET", "/api/agents/geo_audit/health");
    repair();
    expect([answer.status, answer.body.code]).toEqual([503, "service_unavailable"]);
    expect(JSON.stringify(answer.body)).not.toContain("D1_ERROR");
  });
});
