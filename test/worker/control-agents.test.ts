// What is done for an agent that is over its limit or hands over what nobody can read.
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { agentEvent, call, opalLedger, status, webhook } from "../support/worker/client.ts";
import {
  agentOf,
  asAdmin,
  type Body,
  callsOf,
  HOUR_MS,
  holderIs,
  iso,
  MINUTE_MS,
  oddResult,
  othersThan,
  pass,
  report,
  ringSession,
  startedRun,
  switchOff,
  switchOn,
  takeOverClock,
} from "../support/worker/control.ts";
import { advanceClock } from "../support/worker/faults.ts";
import { eventTypes, startOver } from "../support/worker/objects.ts";

beforeEach(takeOverClock);
afterEach(startOver);

/** The first agent of the chain; its limit is a minute. */
const FIRST = "integration_health";
const LIMIT_MS = MINUTE_MS;
const ONLY_FIRST = { agent_filter: [FIRST] };

const rerunKey = (run: Body, rerun = 1) => `${run.session_id}.rerun-${rerun}`;
const under = (run: Body, rerun = 1) => ({ workflow_id: `opal-${rerunKey(run, rerun)}` });

async function countOf(run: Body, type: string): Promise<number> {
  return (await eventTypes(run.session_id)).filter((candidate) => candidate === type).length;
}

/** A run in which every agent delivered. */
async function completeRun(fields: Readonly<Record<string, unknown>> = {}): Promise<Body> {
  const run = await startedRun("ok", fields);
  await report(
    run,
    run.agents.map((agent: Body) => agent.agent_id),
  );
  await holderIs(null);
  return status(run.session_id);
}

describe("an agent over its limit, when no earlier result can stand in", () => {
  test("is run once more with a reduced scope, by a call of its own", async () => {
    const run = await startedRun("ok", { sync_scope: "full" });
    const late = await pass(run.session_id, LIMIT_MS);
    expect(late.agents[0]).toMatchObject({ status: "rerunning", retry_count: 1, fallback: null });
    expect(late.reruns).toMatchObject([
      { agents: [FIRST], because: "agent_timed_out", asked_for_by: null, reduced_scope: true },
    ]);
    const [entry] = await opalLedger(rerunKey(run));
    const sent = JSON.parse(entry?.body ?? "");
    expect(entry).toMatchObject({ correlationId: run.correlation_id, isSigned: true });
    expect(sent).toMatchObject({
      correlation_id: run.correlation_id,
      metadata: { session_id: run.session_id },
      input_data: {
        agent_filter: [FIRST],
        retry_of: run.session_id,
        reduced_scope: true,
        sync_scope: "priority_platforms",
      },
    });
    expect(await callsOf(run.session_id)).toBe(1);
  });

  test("is given up when it is over its limit once more, and is not run a third time by itself", async () => {
    const run = await startedRun();
    await pass(run.session_id, LIMIT_MS);
    const again = await pass(run.session_id, LIMIT_MS);
    expect(again.agents[0]).toMatchObject({ status: "timed_out", retry_count: 1 });
    expect(await callsOf(rerunKey(run))).toBe(1);
    expect(await callsOf(rerunKey(run, 2))).toBe(0);
  });

  test("is not run once more when its own late result comes before the call may be made", async () => {
    const run = await startedRun();
    await switchOff();
    expect((await pass(run.session_id, LIMIT_MS)).waiting.because).toBe("switched_off");
    await webhook(agentEvent(run, FIRST));
    expect(await agentOf(run.session_id, FIRST)).toMatchObject({ status: "completed" });
    await switchOn();
    await pass(run.session_id, MINUTE_MS);
    expect(await callsOf(rerunKey(run))).toBe(0);
    expect((await status(run.session_id)).reruns).toMatchObject([{ over: true }]);
  });
});

describe("a re-run", () => {
  test("lands under its own workflow id, and is no double start", async () => {
    const run = await startedRun("ok", ONLY_FIRST);
    await pass(run.session_id, LIMIT_MS);
    await webhook(agentEvent(run, FIRST, "completed", under(run)));
    expect(await status(run.session_id)).toMatchObject({
      ...{ state: "completed", progress: 100, double_starts: 0 },
      opal_workflow_ids: [`opal-${run.session_id}`, `opal-${rerunKey(run)}`],
      reruns: [{ opal_workflow_id: `opal-${rerunKey(run)}`, over: true }],
    });
  });

  test("lands also when OPAL names no ids in its answers, and a third workflow is a double start", async () => {
    const run = await startedRun("empty");
    await webhook(agentEvent(run, FIRST, "started", { workflow_id: "first" }));
    await pass(run.session_id, LIMIT_MS);
    await webhook(agentEvent(run, FIRST, "completed", { workflow_id: "second" }));
    expect(await status(run.session_id)).toMatchObject({
      double_starts: 0,
      reruns: [{ opal_workflow_id: "second" }],
    });
    expect((await agentOf(run.session_id, FIRST)).status).toBe("completed");
    await webhook(agentEvent(run, "content_review", "started", { workflow_id: "third" }));
    await webhook(agentEvent(run, "content_review", "completed", { workflow_id: "third" }));
    expect((await status(run.session_id)).double_starts).toBe(1);
    expect(await countOf(run, "double_started")).toBe(1);
  });

  test("that OPAL starts twice is noticed", async () => {
    const run = await startedRun();
    await pass(run.session_id, LIMIT_MS);
    await webhook(agentEvent(run, FIRST, "started", under(run)));
    await webhook(agentEvent(run, FIRST, "started", { workflow_id: "one too many" }));
    expect(await status(run.session_id)).toMatchObject({
      double_starts: 1,
      reruns: [{ opal_workflow_id: `opal-${rerunKey(run)}` }],
    });
  });

  test("replaces nothing of agents that it was not asked for", async () => {
    const run = await startedRun();
    await webhook(agentEvent(run, "content_review"));
    await pass(run.session_id, LIMIT_MS);
    advanceClock(1_000);
    await webhook(agentEvent(run, "content_review", "failed", under(run)));
    await webhook(agentEvent(run, "geo_audit", "completed", under(run)));
    expect((await agentOf(run.session_id, "content_review")).status).toBe("completed");
    expect((await agentOf(run.session_id, "geo_audit")).status).toBe("waiting");
    expect(await countOf(run, "unrequested_result")).toBe(2);
  });
});

describe("an earlier valid result", () => {
  test("stands in for an agent over its limit, marked, with less confidence, and completes nothing", async () => {
    const earlier = await completeRun();
    advanceClock(MINUTE_MS);
    const run = await startedRun();
    await pass(run.session_id, LIMIT_MS);
    const agent = await agentOf(run.session_id, FIRST);
    expect(agent).toMatchObject({
      ...{ status: "timed_out", result_url: null, confidence_score: null },
      fallback: {
        ...{ method: "cached_data", cached: true, from_session_id: earlier.session_id, confidence_score: 0.776 },
        result_at: earlier.completed_at,
        result_url: `/api/force-sync/results/${earlier.session_id}/${FIRST}`,
      },
    });
    expect((await call("GET", agent.fallback.result_url)).body).toMatchObject({
      ...{ session_id: earlier.session_id, agent_id: FIRST, confidence: 0.97 },
    });
    const ended = await report(run, othersThan(FIRST));
    expect(ended).toMatchObject({ state: "partially_completed", completed_agents: 8, partial: true, reruns: [] });
    expect(ended.message).toContain("cached");
    expect(await callsOf(rerunKey(run))).toBe(0);
  });

  test.for([
    ["exactly 24 hours old stands in", 0, "timed_out", 0],
    ["a millisecond older does not, and the agent is run once more", 1, "rerunning", 1],
  ] as const)("%s", async ([, olderMs, state, calls]) => {
    await completeRun(ONLY_FIRST);
    advanceClock(24 * HOUR_MS - LIMIT_MS + olderMs);
    const run = await startedRun("ok", ONLY_FIRST);
    const after = await pass(run.session_id, LIMIT_MS);
    expect([after.agents[0].status, await callsOf(rerunKey(run))]).toEqual([state, calls]);
  });

  test("is forgotten once an administrator has cleared what can stand in", async () => {
    await completeRun(ONLY_FIRST);
    expect((await asAdmin("DELETE", "/api/force-sync/fallback")).status).toBe(200);
    const run = await startedRun("ok", ONLY_FIRST);
    expect((await pass(run.session_id, LIMIT_MS)).agents[0]).toMatchObject({ status: "rerunning", fallback: null });
  });

  test("that only stood in is not handed on as a result of the run it stood in for", async () => {
    const earlier = await completeRun(ONLY_FIRST);
    const second = await startedRun("ok", ONLY_FIRST);
    await pass(second.session_id, LIMIT_MS);
    await holderIs(null);
    const third = await startedRun("ok", ONLY_FIRST);
    const after = await pass(third.session_id, LIMIT_MS);
    expect(after.agents[0].fallback).toMatchObject({ from_session_id: earlier.session_id, confidence_score: 0.776 });
  });

  test("gives way to the agent's own late result", async () => {
    await completeRun(ONLY_FIRST);
    const run = await startedRun("ok", { agent_filter: [FIRST, "content_review"] });
    await pass(run.session_id, LIMIT_MS);
    await webhook(agentEvent(run, FIRST));
    expect(await agentOf(run.session_id, FIRST)).toMatchObject({ status: "completed", late: true, fallback: null });
  });
});

describe("a result of a shape that nobody knows", () => {
  test("is quarantined, and its agent is run once more", async () => {
    const run = await startedRun();
    expect((await oddResult(run, FIRST)).body).toMatchObject({ verdict: "quarantined" });
    const again = await ringSession(run.session_id);
    expect(again.agents[0]).toMatchObject({ status: "rerunning", quarantined: true, reason: "invalid_result" });
    expect(again).toMatchObject({ completed_agents: 0, deliveries: { quarantined: 1 } });
    expect(again.reruns).toMatchObject([{ because: "invalid_result", reduced_scope: false }]);
    expect(await callsOf(rerunKey(run))).toBe(1);
  });

  test("has the last valid result stand in while it is run once more, and for good if that fails", async () => {
    const earlier = await completeRun(ONLY_FIRST);
    const run = await startedRun("ok", ONLY_FIRST);
    await oddResult(run, FIRST);
    const again = await ringSession(run.session_id);
    expect(again.agents[0]).toMatchObject({
      status: "rerunning",
      fallback: { from_session_id: earlier.session_id, cached: true },
    });
    advanceClock(1_000);
    await webhook(agentEvent(run, FIRST, "failed", under(run)));
    expect(await status(run.session_id)).toMatchObject({
      state: "failed",
      agents: [{ status: "failed", fallback: { from_session_id: earlier.session_id } }],
    });
  });

  test("is for people to look at once more than half of the agents gave one", async () => {
    const agent_filter = ["integration_health", "content_review", "geo_audit", "audience_suggester"];
    const run = await startedRun("ok", { agent_filter });
    for (const agent of agent_filter.slice(0, 2)) await oddResult(run, agent);
    expect((await status(run.session_id)).escalations).toEqual([]);
    for (const agent of agent_filter.slice(2)) await oddResult(run, agent);
    expect((await status(run.session_id)).escalations).toEqual([
      { because: "invalid_results", agent_id: null, count: 3, at: iso(Date.now()) },
    ]);
  });
});

describe("an agent that is over its limit in three runs in a row", () => {
  /** The agent's own re-run is over its limit as well. */
  async function overLimitTwice(): Promise<Body> {
    const run = await startedRun("ok", ONLY_FIRST);
    await pass(run.session_id, LIMIT_MS);
    await pass(run.session_id, LIMIT_MS);
    await holderIs(null);
    return status(run.session_id);
  }

  /** The agent's re-run makes good for it. */
  async function overLimitOnce(): Promise<Body> {
    const run = await startedRun("ok", ONLY_FIRST);
    const late = await pass(run.session_id, LIMIT_MS);
    if (late.agents[0].status === "rerunning") await webhook(agentEvent(run, FIRST, "completed", under(run)));
    await holderIs(null);
    return status(run.session_id);
  }

  const escalation = { because: "agent_timeouts_in_a_row", agent_id: FIRST, count: 3 };

  test("is for people to look at", async () => {
    const [first, second, third] = [await overLimitTwice(), await overLimitTwice(), await overLimitTwice()];
    expect([first.escalations, second.escalations]).toEqual([[], []]);
    expect(third.escalations).toMatchObject([escalation]);
  });

  test("is so also when its re-runs made good for it", async () => {
    await overLimitOnce();
    await overLimitOnce();
    expect((await overLimitOnce()).escalations).toMatchObject([escalation]);
  });

  test("is not when it delivered in time in between", async () => {
    await overLimitTwice();
    await overLimitTwice();
    await completeRun(ONLY_FIRST);
    expect((await overLimitTwice()).escalations).toEqual([]);
  });

  test("is so also when runs in between did not ask for it", async () => {
    await overLimitTwice();
    await overLimitTwice();
    await completeRun({ agent_filter: ["geo_audit"] });
    expect((await overLimitTwice()).escalations).toMatchObject([escalation]);
  });
});
