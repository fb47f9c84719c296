// Reliability over HTTP, from what really happened to runs, calls and deliveries.
import { env } from "cloudflare:workers";
import { afterEach, describe, expect, test } from "vitest";
import {
  type Answer,
  allAgentsReport,
  call,
  cancel,
  eventually,
  runningSync,
  status,
  trigger,
  webhook,
} from "../support/worker/client.ts";
import { advanceClock, breakD1, fixLuck, stopClock } from "../support/worker/faults.ts";
import { settled, startOver, workspaceObject } from "../support/worker/objects.ts";

afterEach(startOver);

type Body = Answer["body"];

const health = async (): Promise<Body> => (await call("GET", "/api/reliability/health")).body;
const metrics = async (search = ""): Promise<Body> => (await call("GET", `/api/reliability/metrics${search}`)).body;

async function goodRun(): Promise<Body> {
  const run = await runningSync();
  await allAgentsReport(run);
  await settled(run.session_id);
  return run;
}

/** A run whose four calls OPAL all answers with 503; without it, only as many as the breaker lets through. */
async function unreachableRun(): Promise<Body> {
  fixLuck(0);
  const { body } = await trigger("503");
  return eventually(
    () => status(body.session_id),
    (run) => run.attempts.filter((attempt: Body) => attempt.state === "failed").length >= 3,
  );
}

describe("reliability", () => {
  test("of a workspace in which nothing happened is healthy, with nothing made up", async () => {
    expect(await health()).toMatchObject({
      ...{ success: true, overall: "healthy", unavailable: [] },
      components: {
        retry: { status: "healthy", presets: { opal: { attempts: 4 }, outbox: { attempts: null } } },
        breaker: { status: "healthy", state: "closed", retry_at: null, last_calls: [] },
        cache: { fallback: null },
        alerting: { active: [] },
      },
    });
    const shown = await metrics();
    expect(shown).toMatchObject({
      ...{ success: true, overall_health: "healthy", success_rate: null, active_alerts: 0, conditions: [] },
      ...{ runs_24h: {}, average_duration_ms: null, unavailable: [] },
    });
    expect(shown.success_rate_reason).toEqual(expect.any(String));
    expect(shown).not.toHaveProperty("history");
  });

  test("shows the last good run as cached, and what share of runs went well", async () => {
    const run = await goodRun();
    const other = await runningSync();
    await cancel(other.session_id);
    await settled(other.session_id);
    const shown = await metrics();
    expect(shown).toMatchObject({
      ...{ overall_health: "healthy", success_rate: 0.5, runs_24h: { completed: 1, cancelled: 1 } },
      cache: { last_good: { cached: true, session_id: run.session_id } },
      breaker: { calls: { success: 2, failure: 0 } },
    });
    expect(shown.average_duration_ms).toBeGreaterThan(0);
    const { fallback } = (await health()).components.cache;
    expect(fallback.age_ms).toBeGreaterThanOrEqual(0);
    expect(Date.parse(fallback.expires_at) - Date.parse(fallback.ended_at)).toBe(2 * 60 * 60_000);
  });

  test("is unhealthy while the breaker is open, with the calls that opened it", async () => {
    const run = await unreachableRun();
    const shown = await eventually(health, ({ overall }) => overall === "unhealthy");
    expect(shown.components.breaker).toMatchObject({ status: "unhealthy", state: "open", failures: 3 });
    expect(shown.components.breaker.retry_at).toEqual(expect.any(String));
    expect(shown.components.breaker.last_calls).toMatchObject(
      [3, 2, 1].map((attempt) => ({ attempt, verdict: "failure", session_id: run.session_id })),
    );
    expect(shown.components.alerting.active).toMatchObject([{ code: "breaker_open", since: expect.any(String) }]);
    expect(await metrics()).toMatchObject({ active_alerts: 1, breaker: { opened: 1, calls: { failure: 3 } } });
  });

  test("is degraded while triggering is switched off; history tells who did that", async () => {
    await cancel((await runningSync()).session_id);
    await workspaceObject().switchOff("admin@acme.test", "OPAL is being moved");
    expect(await health()).toMatchObject({
      ...{ overall: "degraded", components: { alerting: { active: [{ code: "switched_off" }] } } },
    });
    await workspaceObject().switchOn("admin@acme.test", null);
    const { history, active_alerts } = await metrics("?include_history=true");
    expect([active_alerts, history.map((entry: Body) => [entry.type, entry.actor])]).toEqual([
      0,
      [
        ["switched_on", "admin@acme.test"],
        ["switched_off", "admin@acme.test"],
      ],
    ]);
    expect(history[0].at).toMatch(/^\d{4}-.*Z$/);
  });

  test("is degraded once a delivery has waited for its run for five minutes", async () => {
    stopClock();
    await webhook({ event_type: "something_new", workflow_id: "nobodys" });
    advanceClock(5 * 60_000);
    expect((await health()).overall).toBe("healthy");
    advanceClock(1);
    expect(await health()).toMatchObject({
      ...{ overall: "degraded", components: { alerting: { active: [{ code: "deliveries_waiting" }] } } },
    });
  });

  test("is degraded by a run that called for people within the hour", async () => {
    const run = await goodRun();
    await env.DB.prepare("UPDATE opal_workflow_executions SET escalations = 1").run();
    expect((await metrics()).conditions).toMatchObject([
      { code: "run_escalated", message: expect.stringContaining(run.session_id) },
    ]);
    await env.DB.prepare("UPDATE opal_workflow_executions SET last_sync_at = last_sync_at - 3600001").run();
    expect((await metrics()).conditions).toEqual([]);
  });

  test("without D1 still answers, and names what it cannot say", async () => {
    await goodRun();
    const repair = breakD1();
    const shown = await metrics();
    expect(shown).toMatchObject({ success: true, overall_health: "healthy", success_rate: null, runs_24h: null });
    expect(shown.unavailable).toContain("success_rate");
    expect(shown.cache.last_good).toMatchObject({ cached: true });
    expect((await health()).unavailable).toContain("run_escalated");
    repair();
    expect(await metrics()).toMatchObject({ success_rate: 1, unavailable: [] });
  });

  test.for(["include_history=yes", "include_history=", "history=true"])("metrics refuse ?%s", async (search) => {
    const answer = await call("GET", `/api/reliability/metrics?${search}`);
    expect([answer.status, answer.body.code]).toEqual([400, "validation_failed"]);
  });
});
