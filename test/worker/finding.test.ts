import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Inbox } from "../../src/inbox/object.ts";
import { SyncSession } from "../../src/sync/object.ts";
import {
  agentEvent,
  allAgentsReport,
  call,
  cancel,
  eventually,
  opalLedger,
  runningSync,
  status,
  trigger,
  webhook,
} from "../support/worker/client.ts";
import { advanceClock, fixLuck, stopClock } from "../support/worker/faults.ts";
import { boundRun, completedAgents, heldCount, passSeconds, report, runningByHand } from "../support/worker/finding.ts";
import {
  alarmOf,
  eventsOf,
  eventTypes,
  inboxObject,
  passTimeUntil,
  ring,
  sessionObject,
  startOver,
  workspaceObject,
} from "../support/worker/objects.ts";

beforeEach(stopClock);
afterEach(startOver);

describe("a delivery finds its run", () => {
  test.for([
    ["by correlation id", (id: string) => ({ workflow_id: undefined, correlation_id: `force-${id}` })],
    ["by session id", (id: string) => ({ workflow_id: undefined, session_id: id })],
    ["by a session id in its metadata", (id: string) => ({ workflow_id: undefined, metadata: { session_id: id } })],
    ["by our own workflow id", (id: string) => ({ workflow_id: id.replace("sync", "workflow") })],
    ["by OPAL's id", (id: string) => ({ workflow_id: `opal-${id}` })],
    ["by our id, against a workflow id of nobody", (id: string) => ({ workflow_id: "nobodys", session_id: id })],
  ] as const)("%s", async ([, names]) => {
    const run = await runningSync();
    expect((await webhook(report("geo_audit", names(run.session_id)))).body.status).toBe("processed");
    expect(await completedAgents(run.session_id)).toBe(1);
  });

  test("by OPAL's id alone, long after the run has ended and another one runs", async () => {
    const first = await runningSync();
    await cancel(first.session_id);
    const second = await runningSync();
    const answer = await webhook(report("geo_audit", { workflow_id: `opal-${first.session_id}` }));
    expect([answer.status, answer.body.reason]).toEqual([202, "run_ended"]);
    expect(await completedAgents(second.session_id)).toBe(0);
  });

  test("by an unknown workflow id, if the only active run has none yet; and says how it was found", async () => {
    const run = await runningSync("empty");
    expect((await webhook(report("geo_audit", { workflow_id: "unheard-of" }))).body.status).toBe("processed");
    expect(await status(run.session_id)).toMatchObject({ opalWorkflowId: "unheard-of", completed_agents: 1 });
    const bound = (await eventsOf(run.session_id)).filter((event) => event.type === "remote_bound");
    expect(bound).toMatchObject([{ remoteId: "unheard-of", boundBy: "only_active_run" }]);
    expect((await call("GET", "/api/opal/workflow-status/unheard-of")).body.session_id).toBe(run.session_id);
  });

  test("while the run waits for its next attempt, which is then not made", async () => {
    fixLuck(0.9);
    const { body } = await trigger("503 ok");
    await eventually(
      () => status(body.session_id),
      (run) => run.attempts[0]?.state === "failed",
    );
    await webhook(report("geo_audit", { workflow_id: "unheard-of" }));
    advanceClock(5_000);
    await ring(sessionObject(body.session_id));
    expect(await status(body.session_id)).toMatchObject({ state: "running", completed_agents: 1 });
    expect(await opalLedger(body.session_id)).toHaveLength(1);
  });

  test("before OPAL has answered the trigger, and the answer then changes nothing", async () => {
    const { body } = await trigger("slow:500");
    await eventually(
      () => opalLedger(body.session_id),
      (calls) => calls.length === 1,
    );
    await webhook(report("integration_health", { workflow_id: `opal-${body.session_id}` }, "started"));
    expect((await status(body.session_id)).state).toBe("running");
    const run = await eventually(
      () => status(body.session_id),
      (now) => now.attempts[0].state === "accepted",
    );
    expect(run).toMatchObject({ state: "running", double_starts: 0, opal_workflow_ids: [`opal-${body.session_id}`] });
    await allAgentsReport(body);
    expect(await status(body.session_id)).toMatchObject({ state: "completed", progress: 100, double_starts: 0 });
  });
});

describe("a delivery whose run is unknown is held", () => {
  test("with 202, and handed over once its workflow id is bound", async () => {
    const run = await boundRun();
    const held = await webhook(report("geo_audit", { workflow_id: "later" }));
    expect([held.status, held.body.status]).toEqual([202, "stored"]);
    expect(await completedAgents(run.session_id)).toBe(0);
    await webhook(agentEvent(run, "content_review", "started", { workflow_id: "later" }));
    await eventually(heldCount, (count) => count === 0);
    expect(await completedAgents(run.session_id)).toBe(1);
    const recorded = (await eventsOf(run.session_id)).filter((event) => event.type === "delivery_recorded");
    expect(recorded.filter((event) => event.deliveryId === held.body.webhook_id)).toHaveLength(1);
  });

  test("and handed over once even if the answer to that is lost", async () => {
    fixLuck(0);
    const run = await boundRun();
    const held = await webhook(report("geo_audit", { workflow_id: "later" }));
    const deliver = SyncSession.prototype.deliver;
    let lost = 0;
    vi.spyOn(SyncSession.prototype, "deliver").mockImplementation(async function (this: SyncSession, ...args) {
      const outcome = await deliver.apply(this, args);
      if (args[0].delivery.deliveryId === held.body.webhook_id && lost++ === 0) throw new Error("the answer is lost");
      return outcome;
    });
    await webhook(agentEvent(run, "content_review", "started", { workflow_id: "later" }));
    await passTimeUntil([workspaceObject()], heldCount, (count) => count === 0);
    expect(lost).toBe(2);
    expect((await eventTypes(run.session_id)).filter((type) => type === "agent_completed")).toHaveLength(1);
    // OPAL sent it once, so it is no duplicate.
    expect((await status(run.session_id)).deliveries).toMatchObject({ processed: 3, duplicate: 0 });
  });

  test("and its repeats are counted as OPAL's, also those from before it was handed over", async () => {
    const run = await boundRun();
    const payload = report("geo_audit", { workflow_id: "later" });
    const [first, second, third] = [await webhook(payload), await webhook(payload), await webhook(payload)];
    expect([first.body.status, second.body.status, third.body.status]).toEqual(["stored", "duplicate", "duplicate"]);
    expect(second.body.first_webhook_id).toBe(first.body.webhook_id);
    await webhook(agentEvent(run, "content_review", "started", { workflow_id: "later" }));
    await eventually(heldCount, (count) => count === 0);
    expect((await webhook(payload)).body).toMatchObject({
      status: "duplicate",
      first_webhook_id: first.body.webhook_id,
    });
    // Received six times in all: processed + duplicate, nothing lost.
    expect((await status(run.session_id)).deliveries).toMatchObject({ processed: 3, duplicate: 3 });
  });

  test("and taken by the next run that waits for a workflow id", async () => {
    await webhook(report("geo_audit", { workflow_id: "early" }));
    const run = await runningSync("empty");
    await passSeconds(10);
    expect(await status(run.session_id)).toMatchObject({ opalWorkflowId: "early", completed_agents: 1 });
    expect(await heldCount()).toBe(0);
  });

  test("and is not taken by a run that called OPAL only later: what OPAL spoke of before cannot be ours", async () => {
    await webhook(report("geo_audit", { workflow_id: "early" }));
    advanceClock(3_000);
    const run = await runningByHand("empty");
    await passSeconds(10);
    expect(await status(run.session_id)).toMatchObject({ opalWorkflowId: null, completed_agents: 0 });
    expect(await heldCount()).toBe(1);
  });

  test("where people can see it", async () => {
    await webhook(report("geo_audit", { workflow_id: "nobodys" }));
    await webhook(report("geo_audit", { workflow_id: "nobodys-either" }));
    const { body } = await call("GET", "/api/force-sync/held");
    expect(body).toMatchObject({ success: true, total: 2 });
    const ids = body.deliveries.map((delivery: { opal_workflow_id: string }) => delivery.opal_workflow_id);
    expect(ids.sort()).toEqual(["nobodys", "nobodys-either"]);
  });

  test("not at all if it names no workflow: it goes to the inbox at once", async () => {
    const answer = await webhook({ event_type: "agent.completed", agent_id: "geo_audit" });
    expect(answer.body).toMatchObject({ status: "stored", verdict: "quarantined", reason: "no_workflow_id" });
    expect([await heldCount(), (await workspaceObject().overview()).runs]).toEqual([0, []]);
    expect(await inboxObject("opal").find(answer.body.webhook_id)).toMatchObject({ repeats: 0 });
  });

  test("for an hour if it proves no workflow, and then goes to the inbox, with how often it came", async () => {
    const unknown = { event_type: "something_new", workflow_id: "nobodys" };
    const answer = await webhook(unknown);
    await webhook(unknown);
    await passSeconds(120);
    expect([await heldCount(), (await workspaceObject().overview()).runs]).toEqual([1, []]);
    expect(await alarmOf(workspaceObject())).toBeLessThanOrEqual(Date.now() + 60 * 60_000);
    advanceClock(60 * 60_000);
    await ring(workspaceObject());
    await eventually(heldCount, (count) => count === 0);
    expect(await inboxObject("opal").find(answer.body.webhook_id)).toMatchObject({
      repeats: 1,
      facts: { verdict: "ignored", reason: "unknown_event_type", remoteId: "nobodys" },
    });
    expect((await inboxObject("opal").account()).ledger).toMatchObject({ received: 2, duplicate: 1, ignored: 1 });
  });

  test("and goes to the inbox once even if the answer to that is lost", async () => {
    fixLuck(0);
    await webhook({ event_type: "something_new", workflow_id: "nobodys" });
    const take = Inbox.prototype.take;
    let lost = 0;
    vi.spyOn(Inbox.prototype, "take").mockImplementation(async function (this: Inbox, ...args) {
      const outcome = await take.apply(this, args);
      if (lost++ === 0) throw new Error("the answer is lost");
      return outcome;
    });
    advanceClock(61 * 60_000);
    await ring(workspaceObject());
    await passTimeUntil([workspaceObject()], heldCount, (count) => count === 0);
    expect(lost).toBe(2);
    expect((await inboxObject("opal").account()).ledger).toMatchObject({ received: 1, ignored: 1 });
  });
});
