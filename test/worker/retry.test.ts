import { abortAllDurableObjects } from "cloudflare:test";
import { afterEach, describe, expect, test } from "vitest";
import {
  type Answer,
  agentEvent,
  eventually,
  opalLedger,
  runningSync,
  status,
  trigger,
  webhook,
} from "../support/worker/client.ts";
import { advanceClock, fixLuck, stopClock } from "../support/worker/faults.ts";
import { eventTypes, ring, sessionObject, startOver, workspaceObject } from "../support/worker/objects.ts";

afterEach(startOver);

type Body = Answer["body"];

async function runOf(opal: string, isDone: (run: Body) => boolean): Promise<Body> {
  const { body } = await trigger(opal);
  return eventually(() => status(body.session_id), isDone);
}

const isRunning = (run: Body) => run.state === "running";
const hasFailedOnce = (run: Body) => run.attempts[0]?.state === "failed";

/** How long after an attempt's end the next one is due. */
function waits(run: Body): number[] {
  return run.attempts.map((attempt: Body) => Date.parse(attempt.next_attempt_at) - Date.parse(attempt.ended_at));
}

/** The third failure has come to the workspace, so it lets nobody call for thirty seconds. */
async function breakerOpens(): Promise<void> {
  await eventually(
    () => workspaceObject().overview(),
    ({ breaker }) => breaker.state === "open",
  );
}

describe("a failure that may pass is tried again", () => {
  test.for([
    ["500", 500, "http_5xx"],
    ["503", 503, "http_5xx"],
    ["408", 408, "http_408"],
    ["429", 429, "http_429"],
    ["reset", null, "network_error"],
    ["hang", null, "timeout_error"],
  ] as const)("%s", async ([word, http_status, error_class]) => {
    fixLuck(0);
    const run = await runOf(`${word} ok`, isRunning);
    expect(run.attempts).toMatchObject([
      { attempt: 1, state: "failed", http_status, error_class, reason: expect.any(String) },
      { attempt: 2, state: "accepted", http_status: 200, error_class: null, next_attempt_at: null },
    ]);
    expect(run).toMatchObject({ retry_attempts: 1, opalWorkflowId: `opal-${run.session_id}`, double_starts: 0 });
  });
});

describe("a refusal that would only be repeated is final at once", () => {
  test.for([
    ["400", 400, "http_4xx", "opal_refused"],
    ["401", 401, "http_auth", "credential_refused"],
    ["403", 403, "http_auth", "credential_refused"],
    ["404", 404, "http_4xx", "opal_refused"],
    ["302", 302, "redirected", "opal_refused"],
    ["307", 307, "redirected", "opal_refused"],
  ] as const)("%s", async ([word, http_status, error_class, reason]) => {
    fixLuck(0);
    const run = await runOf(`${word} ok`, (now) => now.state !== "requested");
    // What a refused credential stopped can go on when that has been put right.
    const can_resume = reason === "credential_refused";
    expect(run).toMatchObject({ state: "failed", status: "failed", reason, can_retry: true, can_resume });
    expect(run.attempts).toMatchObject([{ state: "failed", http_status, error_class, next_attempt_at: null }]);
    expect(await opalLedger(run.session_id)).toHaveLength(1);
  });
});

test("after four attempts the run has failed, says so with its correlation id, and never said anything better", async () => {
  stopClock();
  fixLuck(0.5);
  const { session_id: id } = await runOf("503", hasFailedOnce);
  for (const wait of [1_000, 2_000]) {
    advanceClock(wait);
    await ring(sessionObject(id));
  }
  await breakerOpens();
  advanceClock(4_000);
  await ring(sessionObject(id));
  expect(await status(id)).toMatchObject({ state: "requested", progress: 0, waiting: { because: "breaker_open" } });
  advanceClock(26_000);
  await ring(sessionObject(id));
  const run = await status(id);
  expect(run).toMatchObject({
    state: "failed",
    status: "failed",
    reason: "opal_unreachable",
    progress: 0,
    completed_agents: 0,
    retry_attempts: 3,
    attempts_allowed: 4,
    next_attempt_at: null,
    opalStatus: null,
    polling: { should_continue: false },
  });
  expect(run.correlation_id).toBe(`force-${run.session_id}`);
  expect(run.error).toContain("HTTP 503");
  expect(run.attempts.map((attempt: Body) => attempt.state)).toEqual(["failed", "failed", "failed", "failed"]);
  expect(await eventTypes(run.session_id)).toEqual([
    "requested",
    ...Array.from({ length: 3 }, () => ["attempt_started", "attempt_failed"]).flat(),
    ...["attempt_postponed", "attempt_started", "attempt_failed", "ended"],
  ]);
  advanceClock(60 * 60_000);
  await ring(sessionObject(run.session_id));
  expect(await opalLedger(run.session_id)).toHaveLength(4);
});

describe("the wait before the next attempt", () => {
  test("doubles, and is visible with the failed attempt", async () => {
    stopClock();
    fixLuck(0.5);
    const { session_id: id } = await runOf("503 502 ok", hasFailedOnce);
    for (const [index, wait] of [1_000, 2_000].entries()) {
      const run = await eventually(
        () => status(id),
        (now) => now.attempts[index]?.state === "failed",
      );
      expect(waits(run).at(-1)).toBe(wait);
      expect(run.next_attempt_at).toBe(run.attempts.at(-1).next_attempt_at);
      advanceClock(wait - 1);
      await ring(sessionObject(id));
      expect(await opalLedger(id)).toHaveLength(run.attempts.length);
      advanceClock(1);
      await ring(sessionObject(id));
      await eventually(
        () => opalLedger(id),
        (calls) => calls.length === run.attempts.length + 1,
      );
    }
    await eventually(() => status(id), isRunning);
  });

  test("doubles once more after the third failure, and then until the circuit breaker lets a call through", async () => {
    stopClock();
    fixLuck(0.5);
    const { session_id: id } = await runOf("503 502 500 ok", hasFailedOnce);
    for (const wait of [1_000, 2_000]) {
      advanceClock(wait);
      await ring(sessionObject(id));
    }
    expect(waits(await status(id))).toEqual([1_000, 2_000, 4_000]);
    await breakerOpens();
    const openedAt = Date.now();
    advanceClock(4_000);
    await ring(sessionObject(id));
    const until = new Date(openedAt + 30_000).toISOString();
    const waiting = await status(id);
    expect(waiting).toMatchObject({
      state: "requested",
      next_attempt_at: until,
      waiting: { because: "breaker_open", until },
    });
    expect(waiting.message).toContain("circuit breaker");
    advanceClock(25_999);
    await ring(sessionObject(id));
    // The wait is no attempt, and is written down once.
    expect(await opalLedger(id)).toHaveLength(3);
    expect((await eventTypes(id)).filter((type) => type === "attempt_postponed")).toHaveLength(1);
    advanceClock(1);
    await ring(sessionObject(id));
    expect(await status(id)).toMatchObject({ state: "running", retry_attempts: 3, waiting: null });
  });

  test.for([
    ["429:7", 7_000],
    ["503:7", 7_000],
    ["429:3600", 1_800_000],
    ["503:0", 1_000],
    ["503:soon", 1_000],
  ] as const)("follows OPAL's Retry-After within reason: %s", async ([word, wait]) => {
    stopClock();
    fixLuck(0.5);
    const run = await runOf(`${word} ok`, hasFailedOnce);
    expect(waits(run)).toEqual([wait]);
    advanceClock(wait - 1);
    await ring(sessionObject(run.session_id));
    expect(await opalLedger(run.session_id)).toHaveLength(1);
    advanceClock(1);
    await ring(sessionObject(run.session_id));
    await eventually(() => status(run.session_id), isRunning);
  });
});

describe("an answer of 2xx is a success whatever its body, and the run learns its OPAL id from the first delivery", () => {
  test.for(["empty", "text", "huge"])("%s", async (word) => {
    const run = await runningSync(word);
    expect(run).toMatchObject({ opalWorkflowId: null, opal_workflow_ids: [] });
    expect(run.attempts).toMatchObject([{ state: "accepted", http_status: 200 }]);
    await webhook(agentEvent(run, "integration_health", "started", { workflow_id: `wf-of-${run.session_id}` }));
    const bound = await status(run.session_id);
    expect(bound).toMatchObject({ opal_workflow_ids: [`wf-of-${run.session_id}`], double_starts: 0, state: "running" });
    expect(bound.agents[0]).toMatchObject({ status: "running" });
  });
});

test("an acceptance that never comes to its end is one all the same, once the call's time is up", async () => {
  const startedAt = performance.now();
  const run = await runOf("stall 503", (now) => now.state !== "requested");
  expect(performance.now() - startedAt).toBeLessThan(4_000);
  expect(run).toMatchObject({ state: "running", attempts: [{ state: "accepted", http_status: 200 }] });
  expect(await opalLedger(run.session_id)).toHaveLength(1);
});

describe("a crash while the call is open", () => {
  test("counts as interrupted, waits, and repeats the call under the same key", async () => {
    stopClock();
    fixLuck(0.5);
    const { body } = await trigger("hang ok");
    await eventually(
      () => opalLedger(body.session_id),
      (calls) => calls.length === 1,
    );
    await abortAllDurableObjects();
    const after = await status(body.session_id);
    expect(after).toMatchObject({ state: "requested", attempts: [{ state: "failed", error_class: "interrupted" }] });
    expect(waits(after)).toEqual([1_000]);
    await ring(sessionObject(body.session_id));
    expect(await opalLedger(body.session_id)).toHaveLength(1);
    advanceClock(1_000);
    await ring(sessionObject(body.session_id));
    const run = await eventually(() => status(body.session_id), isRunning);
    expect(run).toMatchObject({ retry_attempts: 1, double_starts: 0 });
    const calls = await opalLedger(body.session_id);
    expect(calls.map((received) => received.headers["idempotency-key"])).toEqual([body.session_id, body.session_id]);
  });
});

describe("a delivery proves that OPAL runs it", () => {
  test("while the run waits for its next attempt: the attempt is dropped", async () => {
    stopClock();
    fixLuck(0.9);
    const waiting = await runOf("503 ok", hasFailedOnce);
    expect(waiting).toMatchObject({ state: "requested", next_attempt_at: expect.any(String) });
    await webhook(agentEvent(waiting, "integration_health", "started"));
    expect(await status(waiting.session_id)).toMatchObject({ state: "running", next_attempt_at: null });
    advanceClock(10_000);
    await ring(sessionObject(waiting.session_id));
    expect(await opalLedger(waiting.session_id)).toHaveLength(1);
    expect(await eventTypes(waiting.session_id)).toContain("accepted_by_delivery");
  });

  test("while the call is open: its failure changes nothing any more", async () => {
    fixLuck(0);
    const { body } = await trigger("fail:300 401");
    await eventually(
      () => opalLedger(body.session_id),
      (calls) => calls.length === 1,
    );
    await webhook(agentEvent(body, "integration_health", "started"));
    const run = await eventually(() => status(body.session_id), hasFailedOnce);
    expect(run).toMatchObject({ state: "running", next_attempt_at: null });
    expect(run.attempts).toMatchObject([{ error_class: "http_5xx", next_attempt_at: null }]);
    expect(await opalLedger(body.session_id)).toHaveLength(1);
  });

  test("with a second workflow id under our correlation id: a double start, recorded once", async () => {
    const run = await runningSync();
    const second = { workflow_id: `second-${run.session_id}` };
    await webhook(agentEvent(run, "integration_health", "started", second));
    await webhook(agentEvent(run, "integration_health", "completed", second));
    const opal_workflow_ids = [`opal-${run.session_id}`, second.workflow_id];
    expect(await status(run.session_id)).toMatchObject({ double_starts: 1, opal_workflow_ids });
    expect((await eventTypes(run.session_id)).filter((type) => type === "double_started")).toHaveLength(1);
  });
});
