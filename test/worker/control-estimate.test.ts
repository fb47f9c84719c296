// Refusing politely: who stands in the way, how far that run is, and when it will probably end.
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { agentEvent, cancel, eventually, status, webhook } from "../support/worker/client.ts";
import {
  type Body,
  holderIs,
  iso,
  OPERATOR,
  pass,
  report,
  ringSession,
  start,
  startedRun,
  takeOverClock,
} from "../support/worker/control.ts";
import { advanceClock } from "../support/worker/faults.ts";
import { startOver, workspaceObject } from "../support/worker/objects.ts";

beforeEach(takeOverClock);
afterEach(startOver);

const ONE_AGENT = { agent_filter: ["geo_audit"] };
const NO_RECORD = { estimates: 0, ended_by_p50: null, ended_by_p90: null, median_error_ms: null };

/** Waits until the workspace knows as much of the active run as its session does. */
async function heard(id: string): Promise<void> {
  const { seq } = await status(id);
  await eventually(
    () => workspaceObject().overview(),
    ({ runs }) => runs.some((run) => run.sessionId === id && run.status !== "requested"),
  );
  expect((await status(id)).seq).toBe(seq);
}

/** A run of one agent that takes so long from acceptance to the end. */
async function runOf(durationMs: number): Promise<Body> {
  const run = await startedRun("ok", ONE_AGENT);
  await heard(run.session_id);
  advanceClock(durationMs);
  await report(run, ["geo_audit"]);
  await holderIs(null);
  advanceClock(1_000);
  return run;
}

async function refusal(fields: Readonly<Record<string, unknown>> = {}): Promise<Body> {
  const { status: code, body } = await start("ok", fields);
  expect([code, body.code]).toEqual([409, "run_active"]);
  return body;
}

describe("a trigger that meets an active run", () => {
  test("is told who started it and when, what works now, how far it is, and where to follow it", async () => {
    const run = await startedRun();
    await report(run, ["integration_health"]);
    await webhook(agentEvent(run, "content_review", "started"));
    await eventually(
      () => workspaceObject().overview(),
      ({ runs }) => runs[0]?.workingAgents.length === 1,
    );
    advanceClock(5_000);
    expect(await refusal()).toMatchObject({
      ...{ success: false, active_session: run.session_id, session_id: run.session_id, state: "running" },
      ...{ status_url: `/api/force-sync/status/${run.session_id}`, page_url: expect.stringContaining(run.session_id) },
      ...{ started_by: OPERATOR, started_at: run.created_at, current_agents: ["Content review"] },
      ...{ progress: 11, completed_agents: 1, expected_agents: 9 },
    });
  });

  test("before OPAL has accepted it is told that nothing can be foretold yet", async () => {
    await startedRun("503 ok");
    expect(await refusal()).toMatchObject({
      state: "requested",
      estimated_end: { p50: null, p90: null, reason: "OPAL has not accepted the run yet." },
      estimate_record: NO_RECORD,
    });
  });

  test("without any run of the past is told so", async () => {
    const run = await startedRun();
    await heard(run.session_id);
    expect(await refusal()).toMatchObject({
      estimated_end: { p50: null, p90: null, based_on_runs: 0, reason: "No comparable run has been completed yet." },
      estimate_record: NO_RECORD,
    });
  });

  test("is told when it will probably end, from how long runs like it took", async () => {
    for (const seconds of [10, 20, 30]) await runOf(seconds * 1_000);
    const run = await startedRun("ok", ONE_AGENT);
    await heard(run.session_id);
    const acceptedAt = Date.now();
    advanceClock(5_000);
    const { estimated_end: end } = await refusal();
    expect(end).toEqual({
      ...{ p50: iso(acceptedAt + 20_000), p90: iso(acceptedAt + 30_000) },
      ...{ based_on_runs: 3, overdue: false, reason: null },
    });
    advanceClock(15_000);
    expect((await refusal()).estimated_end).toMatchObject({ p50: iso(acceptedAt + 30_000), based_on_runs: 1 });
    advanceClock(15_000);
    expect((await refusal()).estimated_end).toMatchObject({ p50: iso(Date.now()), overdue: true });
  });

  test("is told how good earlier answers were", async () => {
    for (const seconds of [10, 20, 30]) await runOf(seconds * 1_000);
    const run = await startedRun("ok", ONE_AGENT);
    await heard(run.session_id);
    // The second run was foretold 10 s and took 20, the third was foretold 10 (at most 20) and took 30.
    expect((await refusal()).estimate_record).toEqual({
      ...{ estimates: 2, ended_by_p50: 0, ended_by_p90: 0, median_error_ms: 10_000 },
    });
  });

  test("is told nothing from runs of another shape, nor from runs that gave no result", async () => {
    await runOf(10_000);
    const silent = await startedRun("ok", ONE_AGENT);
    await cancel(silent.session_id);
    await holderIs(null);
    const run = await startedRun("ok", { agent_filter: ["geo_audit", "content_review"] });
    await heard(run.session_id);
    expect((await refusal()).estimated_end).toMatchObject({ p50: null, based_on_runs: 0 });
  });
});

describe("the status", () => {
  test("of an active run says the same; that of an ended one says nothing of it", async () => {
    const past = await runOf(10_000);
    const run = await startedRun("ok", ONE_AGENT);
    await heard(run.session_id);
    const { estimated_end, estimate_record } = await refusal();
    expect(await status(run.session_id)).toMatchObject({ estimated_end, estimate_record });
    expect(Object.hasOwn(await status(past.session_id), "estimated_end")).toBe(false);
  });

  test("says so too while a queued run waits behind it", async () => {
    await runOf(10_000);
    const run = await startedRun("ok", ONE_AGENT);
    await heard(run.session_id);
    await start("ok", { on_busy: "queue" });
    const { body } = await start("ok", { on_busy: "queue" });
    expect(body).toMatchObject({ code: "queue_full", estimated_end: { based_on_runs: 1 } });
  });
});

test("a run over its time is still refused for, and goes on", async () => {
  await runOf(10_000);
  const run = await startedRun("ok", ONE_AGENT);
  await heard(run.session_id);
  await pass(run.session_id, 60_000);
  expect((await refusal()).estimated_end.overdue).toBe(true);
  expect((await ringSession(run.session_id)).state).toBe("running");
});
