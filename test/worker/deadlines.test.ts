import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Answer, agentEvent, CHAIN, runningSync, status, trigger, webhook } from "../support/worker/client.ts";
import { advanceClock, stopClock } from "../support/worker/faults.ts";
import { eventTypes, ring, sessionObject, settled, startOver } from "../support/worker/objects.ts";

beforeEach(stopClock);
afterEach(startOver);

const MINUTE_MS = 60_000;

/** Time passes, and the session's alarm rings as it would. */
async function pass(run: { session_id: string }, ms: number): Promise<Answer["body"]> {
  advanceClock(ms);
  await ring(sessionObject(run.session_id));
  return status(run.session_id);
}

function states(run: Answer["body"]): string[] {
  return run.agents.map((agent: { status: string }) => agent.status);
}

describe("time alone", () => {
  test("moves no progress and completes nothing", async () => {
    const run = await runningSync();
    const nothing = { state: "running", progress: 0, completed_agents: 0 };
    const later = await pass(run, 61_000);
    expect(later).toMatchObject(nothing);
    // The silent agent is asked for once more, and the one after it has its turn.
    expect(states(later).slice(0, 2)).toEqual(["rerunning", "waiting"]);
    const muchLater = await pass(run, 5 * MINUTE_MS);
    expect(muchLater).toMatchObject(nothing);
    expect(states(muchLater).slice(0, 3)).toEqual(["timed_out", "rerunning", "waiting"]);
  });

  test("without a word from OPAL ends the run after ten minutes, as timed out", async () => {
    const run = await runningSync();
    expect((await pass(run, 10 * MINUTE_MS - 1)).state).toBe("running");
    expect(await pass(run, 1)).toMatchObject({
      state: "timed_out",
      status: "failed",
      reason: "inactivity",
      progress: 0,
    });
    await settled(run.session_id);
    expect((await trigger()).status).toBe(200);
  });

  test("ends a run that never comes to an end after half an hour, with what there is", async () => {
    const run = await runningSync();
    await webhook(agentEvent(run, "integration_health"));
    for (let minutes = 0; minutes < 27; minutes += 9) {
      await pass(run, 9 * MINUTE_MS);
      await webhook(agentEvent(run, "content_review", "in_progress"));
    }
    expect((await pass(run, 3 * MINUTE_MS - 1)).state).toBe("running");
    expect(await pass(run, 1)).toMatchObject({
      state: "partially_completed",
      reason: "run_deadline",
      completed_agents: 1,
    });
  });
});

describe("a result that comes late", () => {
  test("repairs its agent while the run is still active, and is shown as late", async () => {
    const run = await runningSync();
    expect(states(await pass(run, 61_000))[0]).toBe("rerunning");
    expect((await webhook(agentEvent(run, "integration_health"))).body).toMatchObject({
      status: "processed",
      verdict: "late",
      reason: "agent_given_up",
    });
    const repaired = await status(run.session_id);
    expect(repaired).toMatchObject({ state: "running", completed_agents: 1, progress: 11, deliveries: { late: 1 } });
    expect(repaired.agents[0]).toMatchObject({ status: "completed", late: true });
    // The next agent's clock starts with the repair.
    expect(repaired.agents[1].deadline_at).toBe(new Date(Date.now() + 120_000).toISOString());
  });

  test("after the run has timed out changes nothing but is kept", async () => {
    const run = await runningSync();
    await pass(run, 10 * MINUTE_MS);
    expect((await webhook(agentEvent(run, "integration_health"))).body.reason).toBe("run_ended");
    expect(await status(run.session_id)).toMatchObject({ state: "timed_out", completed_agents: 0, late_results: 1 });
  });
});

describe("once OPAL says that the workflow is over", () => {
  test.for([
    ["by its last agent", (run: Answer["body"]) => agentEvent(run, "cmp_organizer"), "partially_completed"],
    [
      "by a completion",
      (run: Answer["body"]) => ({ event_type: "workflow.completed", session_id: run.session_id }),
      "failed",
    ],
    ["by a failure", (run: Answer["body"]) => ({ event: "failed", session_id: run.session_id }), "failed"],
  ] as const)("%s, the others get half a minute", async ([, over, end]) => {
    const run = await runningSync();
    await webhook(over(run));
    expect((await pass(run, 29_999)).state).toBe("running");
    const ended = await pass(run, 1);
    expect(ended.state).toBe(end);
    expect(ended.agents[0]).toMatchObject({ status: "failed", reason: "no_result" });
  });

  test("and results that come within it still make the run complete", async () => {
    const run = await runningSync();
    for (const agent of CHAIN.toReversed()) {
      await webhook(agentEvent(run, agent));
      await pass(run, 3_000);
    }
    expect(await status(run.session_id)).toMatchObject({ state: "completed", progress: 100 });
    expect((await eventTypes(run.session_id)).filter((type) => type === "ended")).toHaveLength(1);
  });
});
