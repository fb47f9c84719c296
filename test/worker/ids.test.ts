import { abortAllDurableObjects } from "cloudflare:test";
import { afterEach, describe, expect, test } from "vitest";
import { agentEvent, call, cancel, eventually, runningSync, webhook } from "../support/worker/client.ts";
import { handshake } from "../support/worker/live.ts";
import { alarmOf, sessionObject, startOver, tablesOf, workspaceObject } from "../support/worker/objects.ts";

afterEach(startOver);

const NEVER_ISSUED = "sync-1700000000000-abcde";
const STATUS = "/api/force-sync/status";
const WORKFLOW_STATUS = "/api/opal/workflow-status";

describe("every id of a run leads to it", () => {
  test.for([
    ["session id", (run: { session_id: string }) => run.session_id],
    ["correlation id", (run: { session_id: string }) => `force-${run.session_id}`],
    ["workflow id", (run: { session_id: string }) => run.session_id.replace("sync", "workflow")],
    ["OPAL's id", (run: { session_id: string }) => `opal-${run.session_id}`],
  ] as const)("%s", async ([, idOf]) => {
    const run = await runningSync();
    const id = idOf(run);
    const byStatus = await eventually(
      () => call("GET", `${STATUS}/${id}`),
      (answer) => answer.status === 200,
    );
    expect(byStatus.body).toMatchObject({ session_id: run.session_id, status: "in_progress", progress: 0 });
    const byWorkflow = await call("GET", `${WORKFLOW_STATUS}/${id}`);
    expect(byWorkflow.status).toBe(200);
    expect(byWorkflow.headers.get("Cache-Control")).toBe("no-store");
    expect(byWorkflow.body).toMatchObject({
      success: true,
      session_id: run.session_id,
      workflow_id: id,
      opal_workflow_id: `opal-${run.session_id}`,
      status: "in_progress",
      polling: { should_continue: true, interval_ms: 3_000, next_poll_url: `${WORKFLOW_STATUS}/${id}` },
    });
    await abortAllDurableObjects();
    expect((await call("GET", `${WORKFLOW_STATUS}/${id}`)).body).toEqual(byWorkflow.body);
  });

  test("and cancels it, too", async () => {
    const run = await runningSync();
    expect((await cancel(`force-${run.session_id}`)).body).toMatchObject({
      session_id: run.session_id,
      confirmed: true,
    });
    const over = await call("GET", `${WORKFLOW_STATUS}/${run.session_id}`);
    expect(over.body).toMatchObject({ status: "failed", cancelled: true, polling: { should_continue: false } });
  });
});

describe("an id that leads nowhere", () => {
  test.for([
    ["one that looks like ours", NEVER_ISSUED],
    ["one that looks like OPAL's", "b1946ac9-2d7f-4b4e-9c36-000000000000"],
    ["a very long one", "x".repeat(5_000)],
    ["one with odd characters", "%2e%2e%2f%00%F0%9F%92%A9'--"],
  ] as const)("is not found, with advice for pollers: %s", async ([, id]) => {
    const answer = await call("GET", `${WORKFLOW_STATUS}/${id}`);
    expect(answer.status).toBe(404);
    expect(answer.body).toMatchObject({
      success: false,
      error: "Workflow not found",
      workflow_id: decodeURIComponent(id),
      polling: { should_continue: true, interval_ms: 5_000 },
      suggestions: [expect.any(String), expect.any(String)],
    });
    expect((await call("GET", `${STATUS}/${id}`)).body).toMatchObject({ code: "session_not_found", success: false });
  });

  test("is advised to give up after fifteen misses", async () => {
    const advice = async (miss: number) => (await call("GET", `${WORKFLOW_STATUS}/unknown?miss=${miss}`)).body.polling;
    expect(await advice(1)).toMatchObject({ should_continue: true, max_attempts_remaining: 14 });
    expect(await advice(14)).toMatchObject({ should_continue: true, max_attempts_remaining: 1 });
    expect(await advice(15)).toMatchObject({ should_continue: false, max_attempts_remaining: 0 });
    expect(await advice(99)).toMatchObject({ should_continue: false, max_attempts_remaining: 0 });
  });

  test("leaves nothing behind in the object of its name, whatever is asked of it", async () => {
    const paths = [`status/${NEVER_ISSUED}`, `events/${NEVER_ISSUED}`, `results/${NEVER_ISSUED}/geo_audit`];
    for (const path of paths) expect((await call("GET", `/api/force-sync/${path}`)).status).toBe(404);
    expect((await handshake(`/api/force-sync/live/${NEVER_ISSUED}`)).status).toBe(404);
    expect((await cancel(NEVER_ISSUED)).status).toBe(404);
    const names = { session_id: NEVER_ISSUED, correlation_id: `force-${NEVER_ISSUED}` };
    expect((await webhook(agentEvent(names, "geo_audit"))).status).toBe(202);
    const session = sessionObject(NEVER_ISSUED);
    expect(await session.poke()).toBeUndefined();
    expect(await session.claimRemote("somebody-elses", Date.now())).toBe(false);
    expect([await tablesOf(session), await alarmOf(session)]).toEqual([[], null]);
    expect((await workspaceObject().overview()).runs).toEqual([]);
  });
});
