// Running again: a run that has ended as a new one that is linked to it, one under way within itself.
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Answer, agentEvent, call, cancel, eventually, status, webhook } from "../support/worker/client.ts";
import {
  agentOf,
  type Body,
  callsOf,
  holderIs,
  logOf,
  MINUTE_MS,
  OPERATOR,
  othersThan,
  pass,
  report,
  retry,
  ringSession,
  runWithout,
  sentUnder,
  startedRun,
  takeOverClock,
} from "../support/worker/control.ts";
import { advanceClock } from "../support/worker/faults.ts";
import { startOver } from "../support/worker/objects.ts";

beforeEach(takeOverClock);
afterEach(startOver);

const ALL = othersThan();

/** How a refusal reads: its status and code. */
function refused({ status: code, body }: Answer): unknown[] {
  return [code, body.code];
}

function agentIds(run: Body): string[] {
  return run.agents.map((agent: Body) => agent.agent_id);
}

/** A retry whose run has begun. */
async function retried(id: string, fields: Readonly<Record<string, unknown>> = {}): Promise<Body> {
  const answer = await retry(id, fields);
  expect(answer.status).toBe(200);
  return ringSession(answer.body.session_id);
}

/** Which runs repeat this one, once it has heard of as many. */
async function retriedAs(id: string, times = 1): Promise<Body[]> {
  const run = await eventually(
    () => status(id),
    (now) => now.retried_as.length === times,
  );
  return run.retried_as;
}

describe("a run that has ended", () => {
  test("partially: its retry is a linked run for the missing agents, and it says what repeats it", async () => {
    const old = await runWithout(["geo_audit"]);
    expect(old).toMatchObject({ state: "partially_completed", can_retry: true, attempt: 1, retried_as: [] });
    const answer = await retry(old.session_id);
    expect([answer.status, answer.body]).toEqual([
      200,
      expect.objectContaining({ attempt: 2, retry_of: old.session_id, agents_scheduled: ["geo_audit"] }),
    ]);
    const run = await ringSession(answer.body.session_id);
    expect(run).toMatchObject({ attempt: 2, retry_of: old.session_id, root_session_id: old.session_id });
    expect([agentIds(run), run.triggered_by]).toEqual([["geo_audit"], OPERATOR]);
    expect(await retriedAs(old.session_id)).toMatchObject([
      { session_id: run.session_id, attempt: 2, how: "retry", by: OPERATOR },
    ]);
    expect((await status(old.session_id)).state).toBe("partially_completed");
    expect(await report(run, ["geo_audit"])).toMatchObject({ state: "completed", progress: 100 });
  });

  test("asks OPAL for the missing agents only, under a key of the new run's own", async () => {
    const old = await runWithout(["geo_audit", "cmp_organizer"]);
    const run = await retried(old.session_id);
    const [sent] = await sentUnder(run.session_id);
    expect(sent.input_data).toMatchObject({
      agent_filter: ["geo_audit", "cmp_organizer"],
      retry_of: old.session_id,
    });
    expect(sent.correlation_id).toBe(run.correlation_id);
    expect(await callsOf(old.session_id)).toBe(1);
  });

  test("leaves its good results to the retry, each marked with the run it comes from, where it can be read", async () => {
    const old = await runWithout(["geo_audit"]);
    const run = await retried(old.session_id);
    expect(run.carried_over.map((carried: Body) => carried.agent_id)).toEqual(othersThan("geo_audit"));
    for (const carried of run.carried_over) {
      expect(carried).toMatchObject({ from_session_id: old.session_id, confidence_score: 0.97 });
      const { status: code, body } = await call("GET", carried.result_url);
      expect([code, body.session_id, body.agent_id]).toEqual([200, old.session_id, carried.agent_id]);
    }
    expect(run.completed_agents).toBe(0);
  });

  test("leaves a result that came after its end to the retry as well, and that can be read there", async () => {
    const old = await runWithout(["geo_audit", "cmp_organizer"]);
    await webhook(agentEvent(old, "geo_audit"));
    const run = await retried(old.session_id);
    expect(agentIds(run)).toEqual(["cmp_organizer"]);
    const carried = run.carried_over.find(({ agent_id }: Body) => agent_id === "geo_audit");
    expect(carried).toMatchObject({ from_session_id: old.session_id });
    const { status: code, body } = await call("GET", carried.result_url);
    expect([code, body.outcome]).toEqual([200, "completed"]);
  });

  test("failed without ever having been accepted: everything is asked for", async () => {
    const old = await startedRun("400");
    expect(old).toMatchObject({ state: "failed", reason: "opal_refused", can_retry: true });
    await holderIs(null);
    const run = await retried(old.session_id, { client_context: { client_name: "ok" } });
    expect([agentIds(run), run.carried_over, run.state]).toEqual([ALL, [], "running"]);
    expect(Object.hasOwn((await sentUnder(run.session_id))[0].input_data, "agent_filter")).toBe(false);
  });

  test.for([
    ["was cancelled", (id: string): Promise<unknown> => cancel(id), "cancelled"],
    ["fell silent", (id: string): Promise<unknown> => pass(id, 10 * MINUTE_MS), "timed_out"],
  ] as const)("because it %s can be run again", async ([, end, state]) => {
    const old = await startedRun();
    await end(old.session_id);
    await holderIs(null);
    expect((await status(old.session_id)).state).toBe(state);
    expect((await retried(old.session_id)).attempt).toBe(2);
  });

  test("is asked for again whole with failed_only: false, and leaves nothing behind", async () => {
    const old = await runWithout(["geo_audit"]);
    const run = await retried(old.session_id, { failed_only: false });
    expect([agentIds(run), run.carried_over]).toEqual([ALL, []]);
  });

  test("that only asked for some agents is never asked for more than those", async () => {
    const filter = ["content_review", "geo_audit"];
    const old = await startedRun("ok", { agent_filter: filter });
    await report(old, ["content_review"]);
    await report(old, ["geo_audit"], "failed");
    await holderIs(null);
    expect(agentIds(await retried(old.session_id, { failed_only: false }))).toEqual(filter);
  });

  test("is found by any of its ids", async () => {
    const old = await runWithout(["geo_audit"]);
    expect((await retried(old.correlation_id)).retry_of).toBe(old.session_id);
  });

  test("completely has nothing to run again", async () => {
    const old = await startedRun();
    await report(old);
    await holderIs(null);
    const answer = await retry(old.session_id);
    expect(refused(answer)).toEqual([409, "nothing_to_retry"]);
    expect(answer.body.detail).toContain("completed");
  });

  test("of which every missing result came late has nothing to run again either", async () => {
    const old = await runWithout(["geo_audit"]);
    await webhook(agentEvent(old, "geo_audit"));
    expect(refused(await retry(old.session_id))).toEqual([409, "nothing_to_retry"]);
  });
});

describe("attempts form a chain", () => {
  test("of which only the latest can be run again", async () => {
    const first = await runWithout(["geo_audit"]);
    const second = await retried(first.session_id);
    await report(second, ["geo_audit"], "failed");
    await holderIs(null);
    const answer = await retry(first.session_id);
    expect(refused(answer)).toEqual([409, "nothing_to_retry"]);
    expect(answer.body.retried_as).toBe(second.session_id);
    const third = await retried(second.session_id);
    expect(third).toMatchObject({
      attempt: 3,
      retry_of: second.session_id,
      root_session_id: first.session_id,
    });
    const sources = third.carried_over.map((carried: Body) => carried.from_session_id);
    expect(new Set(sources)).toEqual(new Set([first.session_id]));
  });

  test("also when one of them waits for its turn and another one is forced in between", async () => {
    const old = await runWithout(["geo_audit"]);
    await startedRun("ok holder");
    const waiting = await retry(old.session_id, { on_busy: "queue" });
    expect(waiting.status).toBe(202);
    const forced = await retry(old.session_id, { force_restart: true });
    for (const id of [waiting.body.session_id, forced.body.session_id]) if (id) await cancel(id);
    const granted = await logOf("sync_granted");
    expect(granted.filter((entry) => entry.retry_of === old.session_id).length).toBeLessThanOrEqual(1);
  });

  test.for([
    ["may wait for its turn", { on_busy: "queue" }],
    ["is forced", { force_restart: true }],
  ] as const)("also when the same retry comes twice at once and %s", async ([, fields]) => {
    const old = await runWithout(["geo_audit"]);
    const answers = await Promise.all([retry(old.session_id, fields), retry(old.session_id, fields)]);
    expect(answers.map((answer) => answer.status).toSorted((a, b) => a - b)).toEqual([200, 409]);
  });
});

describe("of the first request", () => {
  test("edited fields are replaced, and everything else stays", async () => {
    const client_context = { client_name: "Acme", industry: "retail" };
    const old = await runWithout(["geo_audit"], "ok", { client_context, priority: "high", timeout_override: 30_000 });
    const run = await retried(old.session_id, {
      client_context: { industry: "travel" },
      timeout_override: 5_000,
      sync_scope: "full",
    });
    const [sent] = await sentUnder(run.session_id);
    expect(sent).toMatchObject({
      client_name: "Acme",
      input_data: { industry: "travel", sync_scope: "all_platforms", timeout_override_ms: 5_000 },
      metadata: { priority: "high" },
    });
    expect(run).toMatchObject({ sync_scope: "full", timeout_override_ms: 5_000, client_name: "Acme" });
    expect(run.agents[0].timeout_ms).toBe(5_000);
  });

  test("an override of limits stays, or is taken back with null", async () => {
    const first = await runWithout(["geo_audit"], "ok", { timeout_override: 30_000 });
    const second = await retried(first.session_id);
    expect(second.agents[0].timeout_ms).toBe(30_000);
    await report(second, ["geo_audit"], "failed");
    await holderIs(null);
    expect((await retried(second.session_id, { timeout_override: null })).agents[0].timeout_ms).toBe(150_000);
  });

  test.for([
    [{ sync_scope: "everything" }, "/sync_scope"],
    [{ client_context: { name: "Acme" } }, "/client_context/name"],
    [{ timeout_override: 1 }, "/timeout_override"],
    [{ agents: ["nobody"] }, "/agents/0"],
  ] as const)("an edit that is wrong is refused by name: %j", async ([fields, pointer]) => {
    const old = await runWithout(["geo_audit"]);
    const answer = await retry(old.session_id, fields);
    expect([answer.status, answer.body.errors[0].pointer]).toEqual([400, pointer]);
  });
});

describe("while another run is active", () => {
  test("a retry is refused, or waits if it may", async () => {
    const old = await runWithout(["geo_audit"]);
    const active = await startedRun();
    const answer = await retry(old.session_id);
    expect([...refused(answer), answer.body.active_session]).toEqual([409, "run_active", active.session_id]);
    const waiting = await retry(old.session_id, { on_busy: "queue" });
    expect([waiting.status, waiting.body.state, waiting.body.attempt]).toEqual([202, "queued", 2]);
    await cancel(active.session_id);
    await holderIs(waiting.body.session_id);
    expect(agentIds(await ringSession(waiting.body.session_id))).toEqual(["geo_audit"]);
  });

  test("a retry that restarts by force cancels it", async () => {
    const old = await runWithout(["geo_audit"]);
    const active = await startedRun();
    const answer = await retry(old.session_id, { force_restart: true });
    expect([answer.status, answer.body.cancelled_session]).toEqual([200, active.session_id]);
    expect((await status(active.session_id)).state).toBe("cancelled");
  });
});

test("a run that nobody knows cannot be run again", async () => {
  expect(refused(await retry("sync-1700000000000-abcde"))).toEqual([404, "session_not_found"]);
});

describe("a run that is under way", () => {
  /** The workflow of a re-run has an id of its own. */
  const under = (run: Body, rerun: number) => ({ workflow_id: `opal-${run.session_id}.rerun-${rerun}` });

  async function withFailed(...agents: readonly string[]): Promise<Body> {
    return report(await startedRun(), agents, "failed");
  }

  test("runs its failed agents once more within itself, by a call of their own", async () => {
    const run = await withFailed("geo_audit", "content_review");
    const answer = await retry(run.session_id);
    expect([answer.status, answer.body.session_id, answer.body.state]).toEqual([200, run.session_id, "running"]);
    expect(answer.body.rerun_agents).toEqual(["content_review", "geo_audit"]);
    expect((await agentOf(run.session_id, "geo_audit")).status).toBe("rerunning");
    const again = await ringSession(run.session_id);
    expect(again.reruns).toMatchObject([
      { rerun: 1, because: "asked_for", asked_for_by: OPERATOR, reduced_scope: false, over: false },
    ]);
    const [sent] = await sentUnder(`${run.session_id}.rerun-1`);
    expect(sent).toMatchObject({
      correlation_id: run.correlation_id,
      input_data: { agent_filter: ["content_review", "geo_audit"], retry_of: run.session_id },
    });
    expect(Object.hasOwn(sent.input_data, "reduced_scope")).toBe(false);
    expect(again.attempts).toMatchObject([{ purpose: "start" }, { purpose: "rerun 1", state: "accepted" }]);
  });

  test("takes in what they report under their own workflow id, and ends with it", async () => {
    const run = await withFailed("geo_audit");
    await report(run, othersThan("geo_audit", "cmp_organizer"));
    await retry(run.session_id, { agents: ["geo_audit"] });
    await ringSession(run.session_id);
    await report(run, ["cmp_organizer"]);
    expect((await status(run.session_id)).state).toBe("running");
    await webhook(agentEvent(run, "geo_audit", "completed", under(run, 1)));
    const ended = await status(run.session_id);
    expect(ended).toMatchObject({ state: "completed", completed_agents: 9, double_starts: 0 });
    expect((await agentOf(run.session_id, "geo_audit")).retry_count).toBe(1);
  });

  test("runs only the agents that are named", async () => {
    const run = await withFailed("geo_audit", "content_review");
    const answer = await retry(run.session_id, { agents: ["geographic_audit"] });
    expect(answer.body.rerun_agents).toEqual(["geo_audit"]);
    expect((await agentOf(run.session_id, "content_review")).status).toBe("failed");
  });

  test("refuses by pointer to run an agent that has not failed, and then runs none", async () => {
    const run = await withFailed("geo_audit");
    const answer = await retry(run.session_id, { agents: ["content_review", "geo_audit"] });
    expect(refused(answer)).toEqual([400, "validation_failed"]);
    expect(answer.body.errors).toEqual([{ pointer: "/agents/0", detail: expect.stringContaining("waiting") }]);
    expect((await status(run.session_id)).reruns).toEqual([]);
  });

  test("refuses by pointer an agent that it did not ask for", async () => {
    const run = await startedRun("ok", { agent_filter: ["geo_audit", "content_review"] });
    await report(run, ["geo_audit"], "failed");
    const answer = await retry(run.session_id, { agents: ["geo_audit", "cmp_organizer"] });
    expect(answer.body.errors).toEqual([{ pointer: "/agents/1", detail: expect.any(String) }]);
  });

  test("runs one agent twice at most", async () => {
    const run = await withFailed("geo_audit");
    for (const rerun of [1, 2]) {
      expect((await retry(run.session_id)).status).toBe(200);
      await ringSession(run.session_id);
      advanceClock(1_000);
      await webhook(agentEvent(run, "geo_audit", "failed", under(run, rerun)));
      expect((await agentOf(run.session_id, "geo_audit")).status).toBe("failed");
    }
    const answer = await retry(run.session_id, { agents: ["geo_audit"] });
    expect([answer.status, answer.body.errors[0].pointer]).toEqual([400, "/agents/0"]);
    expect(refused(await retry(run.session_id))).toEqual([409, "nothing_to_retry"]);
    expect(await agentOf(run.session_id, "geo_audit")).toMatchObject({ retry_count: 2, max_retries: 2 });
    expect((await status(run.session_id)).attempts).toHaveLength(3);
  });

  test("has nothing to run again while no agent has failed, nor before OPAL has accepted it", async () => {
    const run = await startedRun();
    expect(refused(await retry(run.session_id))).toEqual([409, "nothing_to_retry"]);
    await cancel(run.session_id);
    await holderIs(null);
    const requested = await startedRun("503 ok");
    expect(refused(await retry(requested.session_id))).toEqual([409, "nothing_to_retry"]);
  });
});

describe("fields that mean nothing here are refused, not ignored", () => {
  test("single agents, once the run has ended", async () => {
    const run = await runWithout(["geo_audit"]);
    const answer = await retry(run.session_id, { agents: ["geo_audit"] });
    expect([answer.status, answer.body.code, answer.body.state]).toEqual([409, "run_ended", "partially_completed"]);
  });

  test("anything but agents, while the run is under way", async () => {
    const run = await startedRun();
    const answer = await retry(run.session_id, { sync_scope: "full", failed_only: false });
    expect([answer.status, answer.body.errors.map((error: { pointer: string }) => error.pointer)]).toEqual([
      400,
      ["/failed_only", "/sync_scope"],
    ]);
  });
});
