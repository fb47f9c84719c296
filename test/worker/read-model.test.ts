import { env } from "cloudflare:workers";
import { drizzle } from "drizzle-orm/d1";
import { afterEach, describe, expect, test, vi } from "vitest";
import { project } from "../../src/sync/projection.ts";
import type { RunEvent } from "../../src/sync/run/events.ts";
import { fold } from "../../src/sync/run/reduce.ts";
import {
  type Answer,
  agentEvent,
  allAgentsReport,
  CHAIN,
  call,
  cancel,
  eventually,
  runningSync,
  status,
  trigger,
  webhook,
} from "../support/worker/client.ts";
import { advanceClock, breakD1, stopClock } from "../support/worker/faults.ts";
import {
  eventsOf,
  passTimeUntil,
  query,
  ring,
  sessionObject,
  settled,
  settledInTime,
  startOver,
  workspaceObject,
} from "../support/worker/objects.ts";

afterEach(startOver);

const TABLES = {
  opal_workflow_executions: "session_id",
  opal_agent_executions: "session_id, agent_name",
  run_events: "session_id, seq",
  webhook_events: "session_id, seq",
  bodies: "session_id, body_id, part",
  workspaces: "workspace",
} as const;

async function rows(table: keyof typeof TABLES, columns = "*"): Promise<Record<string, unknown>[]> {
  return (await env.DB.prepare(`SELECT ${columns} FROM ${table} ORDER BY ${TABLES[table]}`).all()).results;
}

async function everything(): Promise<unknown[]> {
  return Promise.all([
    rows("opal_workflow_executions"),
    rows("opal_agent_executions"),
    rows("run_events"),
    // D1 numbers them in whatever order they come.
    rows("webhook_events").then((found) => found.map(({ id: _id, ...row }) => row)),
    rows("bodies"),
    rows("workspaces"),
  ]);
}

/** D1 has what the object has, no more and no less. */
async function expectD1ToEqual(sessionId: string): Promise<void> {
  const events = await eventsOf(sessionId);
  const kept = (await rows("run_events")).map(({ seq, at, type, data }) => ({
    seq,
    at,
    type,
    ...JSON.parse(String(data)),
  }));
  expect(kept).toEqual(events);
  const deliveries = events.filter((event) => event.type === "delivery_recorded");
  expect((await rows("webhook_events")).map((row) => row.delivery_id)).toEqual(
    deliveries.map((event) => event.deliveryId),
  );
  const sizes = "body_id, part, length(bytes) AS size, hex(substr(bytes, 1, 64)) AS head";
  const inObject = await query(sessionObject(sessionId), `SELECT ${sizes} FROM bodies ORDER BY body_id, part`);
  expect(await rows("bodies", sizes)).toEqual(inObject);
  const run = await status(sessionId);
  expect(await rows("opal_workflow_executions")).toMatchObject([
    {
      ...{
        workspace: "default",
        session_id: sessionId,
        workflow_id: run.workflow_id,
        correlation_id: run.correlation_id,
      },
      ...{
        status: run.state,
        reason: run.reason,
        progress_percentage: run.progress,
        completed_agents: run.completed_agents,
      },
      ...{ sync_scope: "quick", trigger_attempts: run.attempts.length, seq: events.at(-1)?.seq },
    },
  ]);
  const agents = (await rows("opal_agent_executions")).map((row) => [row.agent_name, row.status, row.confidence_score]);
  const shown = run.agents.map((agent: Answer["body"]) => [agent.agent_id, agent.status, agent.confidence_score]);
  expect(agents.sort()).toEqual(shown.sort());
  expect((await sessionObject(sessionId).check()).differences).toEqual([]);
}

test("after a run D1 holds all of it, as the object's log has it", async () => {
  const run = await runningSync();
  await webhook(agentEvent(run, "geo_audit", "failed", { agent_data: { error: "no access" } }));
  await allAgentsReport(run);
  await webhook(agentEvent(run, "geo_audit", "completed", { metadata: {}, agent_data: { of: "no known shape" } }));
  await settled(run.session_id);
  await expectD1ToEqual(run.session_id);
});

describe("while D1 is down", () => {
  test("a whole run works, and afterwards D1 has everything exactly once", async () => {
    stopClock();
    const repair = breakD1();
    const { body: run } = await trigger();
    expect(
      (
        await eventually(
          () => status(run.session_id),
          (now) => now.state === "running",
        )
      ).attempts,
    ).toHaveLength(1);
    for (const agent of CHAIN) {
      for (const outcome of ["started", "completed"]) {
        expect((await webhook(agentEvent(run, agent, outcome))).status).toBe(200);
        // Time enough for every retry to fail as well.
        advanceClock(1_000);
        await ring(sessionObject(run.session_id));
      }
    }
    expect(await status(run.session_id)).toMatchObject({ state: "completed", progress: 100 });
    await eventually(
      () => workspaceObject().overview(),
      (overview) => overview.activeSessionId === null,
    );
    repair();
    expect(await rows("run_events")).toEqual([]);
    await settledInTime(run.session_id);
    await expectD1ToEqual(run.session_id);
  });

  test("runs can be started and cancelled one after the other", async () => {
    stopClock();
    const repair = breakD1();
    const ids: string[] = [];
    for (let times = 0; times < 3; times++) {
      const run = await runningSync();
      ids.push(run.session_id);
      expect((await cancel(run.session_id)).body).toMatchObject({ confirmed: true });
      await eventually(
        () => workspaceObject().overview(),
        (overview) => overview.activeSessionId === null,
      );
    }
    repair();
    for (const id of ids) await settledInTime(id);
    const states = (await rows("opal_workflow_executions")).map((row) => [row.session_id, row.status]);
    expect(states).toEqual(ids.sort().map((id) => [id, "cancelled"]));
  });

  test("a backlog builds up that a slow D1 can be told in a few words", async () => {
    stopClock();
    const run = await runningSync();
    const repair = breakD1();
    for (let note = 0; note < 45; note++) await webhook(agentEvent(run, "geo_audit", "completed", { note }));
    repair();
    const batches = vi.spyOn(Object.getPrototypeOf(env.DB), "batch");
    await passTimeUntil(
      [sessionObject(run.session_id)],
      () => rows("run_events"),
      (events) => events.length >= 90,
    );
    // A go that takes longer than fifteen seconds is begun anew, for ever: at 250 ms a batch that is sixty of them.
    expect(batches.mock.calls.length).toBeLessThan(20);
  });

  test("the history is unavailable and says so, while the runs themselves answer", async () => {
    const run = await runningSync();
    const repair = breakD1();
    const answer = await call("GET", "/api/force-sync/runs");
    expect([answer.status, answer.body.code, answer.headers.get("Retry-After")]).toEqual([
      503,
      "service_unavailable",
      "5",
    ]);
    expect(JSON.stringify(answer.body)).not.toContain("D1_ERROR");
    expect((await status(run.session_id)).state).toBe("running");
    repair();
    expect((await call("GET", "/api/force-sync/runs")).status).toBe(200);
  });
});

describe("a projection", () => {
  async function finishedRun(): Promise<{ sessionId: string; events: RunEvent[] }> {
    const run = await runningSync();
    await allAgentsReport(run);
    await settled(run.session_id);
    return { sessionId: run.session_id, events: await eventsOf(run.session_id) };
  }

  /** Writes events `from` to `to` of the log with the run as it was after event `at`. */
  async function projectAgain(sessionId: string, events: readonly RunEvent[], from: number, to: number, at = to) {
    const run = fold(events.slice(0, at));
    if (run.status === "absent") throw new Error("no run");
    const parts = new Map<string, ArrayBuffer[]>();
    for (const event of events) {
      const id = "result" in event ? event.result.bodyId : event.type === "delivery_recorded" ? event.deliveryId : "";
      if (id !== "") parts.set(id, await sessionObject(sessionId).body(id));
    }
    const kept = await query(sessionObject(sessionId), "SELECT dedup_key, delivery_id, headers FROM receipts");
    const receipts = new Map(
      kept.map((row) => [
        String(row.delivery_id),
        { dedupKey: String(row.dedup_key), headers: JSON.parse(String(row.headers)) },
      ]),
    );
    await project(drizzle(env.DB), run, events.slice(from, to), {
      bodyParts: (bodyId) => parts.get(bodyId) ?? [],
      receiptOf: (deliveryId) => receipts.get(deliveryId),
    });
  }

  test("written twice, or an older one written later, changes nothing", async () => {
    const { sessionId, events } = await finishedRun();
    const before = await everything();
    await projectAgain(sessionId, events, 0, events.length);
    await projectAgain(sessionId, events, 10, 20);
    await projectAgain(sessionId, events, 0, 1);
    expect(await everything()).toEqual(before);
  });

  test("in any order, with repeats, leads to the same D1", async () => {
    const { sessionId, events } = await finishedRun();
    const before = await everything();
    const last = events.length;
    for (const table of Object.keys(TABLES)) await env.DB.prepare(`DELETE FROM ${table}`).run();
    await projectAgain(sessionId, events, 0, 10);
    await projectAgain(sessionId, events, 25, last);
    await projectAgain(sessionId, events, 10, 25);
    await projectAgain(sessionId, events, 0, 10);
    await projectAgain(sessionId, events, 25, last);
    expect(await everything()).toEqual(before);
  });
});
