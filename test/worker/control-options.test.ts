// What a caller can ask for with a trigger, and what becomes of it at OPAL and in the run.
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { cancel, status } from "../support/worker/client.ts";
import {
  type Body,
  breakReports,
  callsOf,
  HOUR_MS,
  holderIs,
  iso,
  MINUTE_MS,
  pass,
  post,
  report,
  ringSession,
  runWithout,
  sentUnder,
  start,
  startedRun,
  stuckRun,
  takeOverClock,
} from "../support/worker/control.ts";
import { advanceClock, fixLuck } from "../support/worker/faults.ts";
import { startOver, workspaceObject } from "../support/worker/objects.ts";

beforeEach(takeOverClock);
afterEach(startOver);

function idsOf(run: Body): string[] {
  return run.agents.map((agent: Body) => agent.agent_id);
}

describe("agent_filter", () => {
  test("in any spelling: only these agents are asked for, expected and counted, and the run ends with them", async () => {
    const answer = await start("ok", { agent_filter: ["geographic_audit", "Content-Review"] });
    expect([answer.status, answer.body.agents_scheduled.toSorted()]).toEqual([200, ["content_review", "geo_audit"]]);
    const run = await ringSession(answer.body.session_id);
    const [sent] = await sentUnder(run.session_id);
    expect(sent.input_data.agent_filter).toEqual(["content_review", "geo_audit"]);
    expect(run).toMatchObject({ expected_agents: 2, agent_filter: ["content_review", "geo_audit"], state: "running" });
    expect(idsOf(run)).toEqual(["content_review", "geo_audit"]);
    expect(await report(run, ["geo_audit"])).toMatchObject({ progress: 50, completed_agents: 1, state: "running" });
    expect(await report(run, ["content_review"])).toMatchObject({ progress: 100, state: "completed" });
  });

  test("left out: nothing of it is sent, and all nine are expected", async () => {
    const run = await startedRun();
    const [sent] = await sentUnder(run.session_id);
    expect([Object.hasOwn(sent.input_data, "agent_filter"), idsOf(run).length, run.agent_filter]).toEqual([
      false,
      9,
      null,
    ]);
  });

  test("does not count an agent that OPAL runs all the same", async () => {
    const run = await startedRun("ok", { agent_filter: ["geo_audit"] });
    expect(await report(run, ["content_review"])).toMatchObject({ progress: 0, state: "running" });
    expect(await report(run, ["geo_audit"])).toMatchObject({ progress: 100, state: "completed", completed_agents: 1 });
  });

  test.for([
    [["geo_audit", "nobody"], "/agent_filter/1"],
    [["geo_audit", "geo_audit"], "/agent_filter"],
    [["geo_audit", "geographic_audit"], "/agent_filter"],
    [[], "/agent_filter"],
    ["geo_audit", "/agent_filter"],
  ] as const)("%j is refused at %s and starts nothing", async ([agent_filter, pointer]) => {
    const answer = await start("ok", { agent_filter });
    expect([answer.status, answer.body.code, answer.body.errors[0].pointer]).toEqual([
      400,
      "validation_failed",
      pointer,
    ]);
    expect((await workspaceObject().overview()).activeSessionId).toBeNull();
  });

  test("together with retry_failed_only is refused, since that chooses the agents itself", async () => {
    const answer = await start("ok", { agent_filter: ["geo_audit"], retry_failed_only: true });
    expect([answer.status, answer.body.errors[0].pointer]).toEqual([400, "/agent_filter"]);
  });
});

describe("timeout_override", () => {
  test("is every agent's limit, and is sent", async () => {
    const run = await startedRun("ok", { timeout_override: 5_000 });
    const [sent] = await sentUnder(run.session_id);
    expect(sent.input_data.timeout_override_ms).toBe(5_000);
    expect(run.timeout_override_ms).toBe(5_000);
    expect(new Set(run.agents.map((agent: Body) => agent.timeout_ms))).toEqual(new Set([5_000]));
    expect(run.agents[0].deadline_at).toBe(iso(Date.now() + 5_000));
    expect((await pass(run.session_id, 4_999)).agents[0].status).toBe("waiting");
    expect((await pass(run.session_id, 1)).agents[0]).toMatchObject({ timeout_ms: 5_000, status: "rerunning" });
  });

  test("longer than the limit on silence lets a silent agent have its time", async () => {
    const run = await startedRun("ok", { timeout_override: 20 * MINUTE_MS });
    expect(await pass(run.session_id, 20 * MINUTE_MS - 1)).toMatchObject({ state: "running" });
  });

  test.for([999, 30 * MINUTE_MS + 1, 1.5, "5000"])("%j is refused", async (timeout_override) => {
    const answer = await start("ok", { timeout_override });
    expect([answer.status, answer.body.errors[0].pointer]).toEqual([400, "/timeout_override"]);
  });
});

describe("force_restart", () => {
  test("cancels the run that is active, from which no call leaves any more, and starts", async () => {
    fixLuck(0.9);
    const first = await startedRun("503 ok");
    expect(first).toMatchObject({ state: "requested", next_attempt_at: expect.any(String) });
    const answer = await start("ok", { force_restart: true });
    expect([answer.status, answer.body.cancelled_session]).toEqual([200, first.session_id]);
    expect(await status(first.session_id)).toMatchObject({ state: "cancelled", reason: "cancelled_by_operator" });
    expect((await ringSession(answer.body.session_id)).state).toBe("running");
    await pass(first.session_id, HOUR_MS);
    expect([await callsOf(first.session_id), await callsOf(answer.body.session_id)]).toEqual([1, 1]);
  });

  test("when nothing is active cancels nothing and just starts", async () => {
    const answer = await start("ok", { force_restart: true });
    expect([answer.status, answer.body.cancelled_session]).toEqual([200, null]);
  });

  test("waits in the queue while the active run's call cannot be ended, and starts by itself afterwards", async () => {
    const first = await stuckRun();
    const answer = await start("ok", { force_restart: true });
    expect([answer.status, answer.body.state, answer.body.cancelled_session]).toEqual([202, "queued", first.id]);
    const id = answer.body.session_id;
    expect(await status(id)).toMatchObject({ state: "queued", waiting_for: first.id });
    await first.letGo();
    await holderIs(id);
    expect((await status(first.id)).state).toBe("cancelled");
    expect((await ringSession(id)).state).toBe("running");
    expect(await callsOf(id)).toBe(1);
  });

  test("that is refused because somebody waits already leaves the active run alone", async () => {
    const first = await stuckRun();
    const { body: queued } = await start("ok", { on_busy: "queue" });
    const { status: code, body } = await start("ok", { force_restart: true });
    expect([code, body.code, body.queued_session]).toEqual([409, "queue_full", queued.session_id]);
    expect((await status(first.id)).cancelling).toBeUndefined();
    await first.letGo();
  });

  test("does not claim to have cancelled a run that had ended by itself, and takes its place", async () => {
    const first = await startedRun("ok", { agent_filter: ["geo_audit"] });
    const repair = breakReports();
    await report(first, ["geo_audit"]);
    const answer = await start("ok", { force_restart: true });
    expect([answer.status, answer.body.cancelled_session]).toEqual([200, null]);
    expect((await status(first.session_id)).state).toBe("completed");
    repair();
  });
});

describe("retry_failed_only", () => {
  test("repeats the last run that ended without all of its agents, for the missing ones", async () => {
    await runWithout(["content_review"], "ok older");
    advanceClock(1_000);
    const last = await runWithout(["geo_audit", "cmp_organizer"], "ok newer");
    advanceClock(1_000);
    const complete = await startedRun("ok complete");
    await report(complete);
    await holderIs(null);
    const answer = await post("/api/force-sync/trigger", { retry_failed_only: true });
    expect(answer.body).toMatchObject({ attempt: 2, retry_of: last.session_id });
    const run = await ringSession(answer.body.session_id);
    expect(idsOf(run)).toEqual(["geo_audit", "cmp_organizer"]);
    const [sent] = await sentUnder(run.session_id);
    expect(sent).toMatchObject({
      client_name: "ok newer",
      input_data: { agent_filter: ["geo_audit", "cmp_organizer"], retry_of: last.session_id },
    });
  });

  test("takes what is said anew, and the rest from that run", async () => {
    await runWithout(["geo_audit"], "ok older", { sync_scope: "full", priority: "low" });
    const answer = await start("ok newer", { retry_failed_only: true, timeout_override: 90_000 });
    const run = await ringSession(answer.body.session_id);
    expect(run).toMatchObject({ sync_scope: "full", priority: "low", timeout_override_ms: 90_000 });
    expect((await sentUnder(run.session_id))[0]).toMatchObject({ client_name: "ok newer" });
  });

  test("without such a run is refused", async () => {
    const answer = await start("ok", { retry_failed_only: true });
    expect([answer.status, answer.body.code]).toEqual([409, "nothing_to_retry"]);
  });
});

describe("what is only passed on", () => {
  test.for(["low", "normal", "high"])("priority %s reaches OPAL", async (priority) => {
    const run = await startedRun("ok", { priority });
    expect((await sentUnder(run.session_id))[0].metadata.priority).toBe(priority);
    expect(run.priority).toBe(priority);
    await cancel(run.session_id);
  });

  test("every field about the client reaches OPAL under its name", async () => {
    const client_context = {
      client_name: "Acme",
      industry: "retail",
      company_size: "200",
      current_capabilities: ["email", "web"],
      business_objectives: ["grow"],
      additional_marketing_technology: ["ODP"],
      timeline_preference: "6 months",
      budget_range: "50k",
      recipients: ["a@acme.example"],
    };
    const run = await startedRun("ok", { client_context });
    expect((await sentUnder(run.session_id))[0].input_data).toMatchObject(client_context);
    expect(run.client_name).toBe("Acme");
  });
});
