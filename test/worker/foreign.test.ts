// A workflow that OPAL started without us.
import { abortAllDurableObjects, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { SyncSession } from "../../src/sync/object.ts";
import {
  ACME_SECRET,
  call,
  cancel,
  eventually,
  opalLedger,
  runningSync,
  status,
  trigger,
  webhook,
} from "../support/worker/client.ts";
import { advanceClock, stopClock } from "../support/worker/faults.ts";
import { activeSession, boundRun, completedAgents, heldCount, passSeconds, report } from "../support/worker/finding.ts";
import { eventTypes, evict, passTimeUntil, startOver, workspaceObject } from "../support/worker/objects.ts";

beforeEach(stopClock);
afterEach(startOver);

describe("a workflow nobody here started", () => {
  test("is adopted after a minute, with everything that came so far, and holds the free lease until it ends", async () => {
    for (const agent of ["integration_health", "content_review"])
      await webhook(report(agent, { workflow_id: "foreign" }));
    await passSeconds(50);
    expect([await activeSession(), await heldCount()]).toEqual([null, 2]);
    await passSeconds(10);
    const id = (await activeSession()) ?? "";
    const run = await eventually(
      () => status(id),
      (now) => now.completed_agents === 2,
    );
    expect(run).toMatchObject({ origin: "foreign", state: "running", attempts: [], triggered_by: "opal" });
    expect(run.opal_workflow_ids).toEqual(["foreign"]);
    expect((await trigger()).body).toMatchObject({ code: "run_active", active_session: id });
    for (const agent of run.agents.slice(2)) {
      const answer = await webhook(report(agent.agent_id, { workflow_id: "foreign" }));
      expect(answer.body.status).toBe("processed");
    }
    expect(await status(id)).toMatchObject({ state: "completed", progress: 100 });
    await eventually(activeSession, (active) => active === null);
    expect(await opalLedger(id)).toEqual([]);
    expect((await trigger()).status).toBe(200);
  });

  test("never touches a run of ours: not its lease, not its agents, not its end", async () => {
    const ours = await boundRun();
    await webhook(report("geo_audit", { workflow_id: "foreign" }));
    await passSeconds(60);
    const runs = (await workspaceObject().overview()).runs;
    const foreign = runs.find((run) => run.origin === "foreign")?.sessionId ?? "";
    expect(await activeSession()).toBe(ours.session_id);
    await eventually(
      () => completedAgents(foreign),
      (count) => count === 1,
    );
    await cancel(foreign);
    expect(await status(foreign)).toMatchObject({ state: "cancelled" });
    expect(await status(ours.session_id)).toMatchObject({ state: "running", completed_agents: 0 });
    expect(await activeSession()).toBe(ours.session_id);
  });

  test("is one run each, however many there are and however often they report", async () => {
    for (const workflow_id of ["one", "two", "three"]) {
      const payload = report("geo_audit", { workflow_id });
      await Promise.all([webhook(payload), webhook(payload), webhook(payload)]);
    }
    await passSeconds(90);
    const { runs } = await workspaceObject().overview();
    expect(runs.map((run) => run.origin)).toEqual(["foreign", "foreign", "foreign"]);
    for (const run of runs) expect(await completedAgents(run.sessionId)).toBe(1);
  });

  test.for(["before", "after"] as const)(
    "is adopted once though everything is killed just %s its session heard of it",
    async (when) => {
      await webhook(report("geo_audit", { workflow_id: "foreign" }));
      const adopt = SyncSession.prototype.adopt;
      vi.spyOn(SyncSession.prototype, "adopt").mockImplementationOnce(async function (this: SyncSession, ...args) {
        if (when === "after") await adopt.apply(this, args);
        throw new Error("the session does not answer");
      });
      await passSeconds(60);
      await abortAllDurableObjects();
      const id = (await activeSession()) ?? "";
      const count = () => completedAgents(id).catch(() => 0);
      await passTimeUntil([workspaceObject()], count, (completed) => completed === 1);
      expect((await eventTypes(id)).filter((type) => type === "adopted")).toHaveLength(1);
      expect((await workspaceObject().overview()).runs).toHaveLength(1);
      expect(await heldCount()).toBe(0);
    },
  );

  test("is adopted where it was sent, by an alarm that finds its object asleep", async () => {
    const payload = report("geo_audit", { workflow_id: "foreign" });
    expect((await webhook(payload, { workspace: "acme", secret: ACME_SECRET })).status).toBe(202);
    const realNow = Date.now();
    advanceClock(60_000);
    await runInDurableObject(workspaceObject("acme"), (_instance, state) => state.storage.setAlarm(realNow + 300));
    await evict(workspaceObject("acme"));
    const [row] = await eventually(
      async () =>
        (await env.DB.prepare("SELECT workspace, session_id, remote_ids FROM opal_workflow_executions").all()).results,
      (rows) => rows.length === 1,
    );
    expect(row).toMatchObject({ workspace: "acme", remote_ids: '["foreign"]' });
    expect((await workspaceObject().overview()).runs).toEqual([]);
    expect((await call("GET", `/api/force-sync/status/${row?.session_id}`)).status).toBe(404);
    expect((await call("GET", "/api/force-sync/runs")).body.runs).toEqual([]);
  });
});

test("what nobody understands is kept, but claims no run and starts none", async () => {
  const run = await runningSync("empty");
  const answer = await webhook({
    event_type: "test_event",
    workflow_id: "nobodys-workflow",
    timestamp: new Date().toISOString(),
  });
  expect([answer.status, answer.body.status]).toEqual([202, "stored"]);
  expect(await status(run.session_id)).toMatchObject({ opalWorkflowId: null });
  await call("DELETE", `/api/force-sync/status/${run.session_id}`);
  await passSeconds(120);
  expect((await workspaceObject().overview()).activeSessionId).toBeNull();
  const { body } = await call("GET", "/api/force-sync/held");
  expect(body.deliveries.map((held: { webhook_id: string }) => held.webhook_id)).toContain(answer.body.webhook_id);
});
