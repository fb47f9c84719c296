// The circuit breaker between a workspace and OPAL.
import { abortAllDurableObjects } from "cloudflare:test";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { triggerBody } from "../../src/sync/schema.ts";
import { orderFrom } from "../../src/sync/starting.ts";
import { cancel, eventually, opalLedgerOfClient, status } from "../support/worker/client.ts";
import {
  ADMIN,
  asAdmin,
  type Body,
  breakReports,
  called,
  callsOf,
  get,
  holderIs,
  iso,
  logOf,
  MINUTE_MS,
  OPERATOR,
  pass,
  post,
  ringMeanwhile,
  ringSession,
  start,
  startedRun,
  takeOverClock,
} from "../support/worker/control.ts";
import { advanceClock, fixLuck } from "../support/worker/faults.ts";
import { eventTypes, evict, ring, sessionObject, startOver, workspaceObject } from "../support/worker/objects.ts";

const OPEN_MS = 30_000;
const WINDOW_MS = 5 * MINUTE_MS;

beforeEach(() => {
  takeOverClock();
  // The next attempt is due at once, so that only the breaker makes it wait.
  fixLuck(0);
});
afterEach(startOver);

const breaker = () => get("/api/force-sync/breaker");

function breakerIs(state: string): Promise<Body> {
  return eventually(breaker, (now) => now.state === state);
}

/** A run whose calls failed three times, so that the breaker is open; its fourth call gets OPAL's fourth word. */
async function runThatOpened(opal = "503 503 503 ok"): Promise<Body> {
  const { session_id: id } = await startedRun(opal);
  for (const failures of [1, 2]) {
    await eventually(breaker, (now) => now.failures_in_window === failures);
    await ringSession(id);
  }
  await breakerIs("open");
  return status(id);
}

/** The breaker may try again, and no run is active. */
async function readyToTry(): Promise<void> {
  const run = await runThatOpened();
  await cancel(run.session_id);
  await holderIs(null);
  advanceClock(OPEN_MS);
}

describe("three failed calls", () => {
  test("open it: a new run is refused with the time to wait, and that is written down", async () => {
    await runThatOpened();
    const answer = await start();
    expect([answer.status, answer.body.code, answer.headers.get("Retry-After")]).toEqual([503, "breaker_open", "30"]);
    expect(answer.body.retry_at).toBe(iso(Date.now() + OPEN_MS));
    expect(await logOf("sync_refused")).toMatchObject([{ actor: OPERATOR, code: "breaker_open" }]);
    expect(await logOf("breaker_opened")).toMatchObject([{ from: "closed" }]);
    advanceClock(OPEN_MS - 500);
    expect((await start()).headers.get("Retry-After")).toBe("1");
  });

  test("of several runs open it as well", async () => {
    for (const failures of [1, 2, 3]) {
      const run = await startedRun("503");
      await eventually(breaker, (now) => now.failures_in_window === failures);
      await cancel(run.session_id);
      await holderIs(null);
    }
    expect((await breaker()).state).toBe("open");
    expect((await start()).status).toBe(503);
  });

  test.for(["400", "401", "404", "302"])("that OPAL answered, with %s, do not open it", async (word) => {
    for (let times = 0; times < 3; times++) {
      await startedRun(word);
      await holderIs(null);
    }
    expect(await breaker()).toMatchObject({ state: "closed", failures_in_window: 0 });
  });

  test("within five minutes open it, a longer time does not", async () => {
    const { session_id: id } = await startedRun("503");
    await eventually(breaker, (now) => now.failures_in_window === 1);
    await ringSession(id);
    await eventually(breaker, (now) => now.failures_in_window === 2);
    await pass(id, WINDOW_MS);
    await eventually(breaker, (now) => now.last_calls.length === 3);
    expect(await breaker()).toMatchObject({ state: "closed", failures_in_window: 1 });
  });

  test("are shown, the latest first", async () => {
    const run = await runThatOpened();
    expect(await breaker()).toMatchObject({
      ...{ destination: "opal", state: "open", retry_at: iso(Date.now() + OPEN_MS) },
      rules: { failures_to_open: 3, window_ms: WINDOW_MS, open_ms: OPEN_MS, successes_to_close: 2 },
      last_calls: [3, 2, 1].map((attempt) => ({ session_id: run.session_id, attempt, outcome: "failure" })),
      counters: { opal_calls_failure: 3, breaker_opened: 1 },
    });
  });
});

describe("while it is open", () => {
  test("the waiting run's next attempt is no attempt, until one single call tries again", async () => {
    const { session_id: id } = await runThatOpened();
    const waiting = await ringSession(id);
    expect(waiting).toMatchObject({ state: "requested", waiting: { because: "breaker_open" } });
    expect([waiting.attempts.length, waiting.next_attempt_at]).toEqual([3, iso(Date.now() + OPEN_MS)]);
    await pass(id, OPEN_MS - 1);
    expect(await callsOf(id)).toBe(3);
    advanceClock(1);
    await Promise.all(Array.from({ length: 5 }, () => ringSession(id)));
    expect(await status(id)).toMatchObject({ state: "running", waiting: null });
    expect(await callsOf(id)).toBe(4);
    expect(await breakerIs("half_open")).toMatchObject({ successes: 1 });
    expect((await eventTypes(id)).filter((type) => type === "attempt_started")).toHaveLength(4);
  });

  test("a fourth failure opens it anew for as long", async () => {
    const { session_id: id } = await runThatOpened("503");
    await pass(id, OPEN_MS);
    const ended = await status(id);
    expect(ended).toMatchObject({ state: "failed", reason: "opal_unreachable" });
    expect(ended.attempts).toHaveLength(4);
    await eventually(breaker, (now) => now.counters.breaker_opened === 2);
    expect(await breaker()).toMatchObject({ state: "open", retry_at: iso(Date.now() + OPEN_MS) });
    expect((await start()).status).toBe(503);
  });

  test.for([
    ["evicted", () => evict(workspaceObject())],
    ["killed with everything else", abortAllDurableObjects],
  ] as const)("the workspace may be %s: it is open afterwards, for as long as before", async ([, lose]) => {
    await runThatOpened();
    advanceClock(10_000);
    await lose();
    expect((await start()).headers.get("Retry-After")).toBe("20");
  });

  test("another workspace's runs are not affected", async () => {
    await runThatOpened();
    const acme = workspaceObject("acme");
    const answer = await acme.requestSync(orderFrom(triggerBody.parse({}), OPERATOR, "force_sync"), undefined);
    if (!answer.ok) throw new Error(answer.code);
    await ring(sessionObject(answer.sync.sessionId, "acme"));
    expect(await callsOf(answer.sync.sessionId)).toBe(1);
    expect((await acme.control()).breaker).toMatchObject({ state: "closed", failures: 0 });
  });
});

describe("half open", () => {
  test("two calls that succeed close it", async () => {
    await readyToTry();
    const first = await startedRun();
    await breakerIs("half_open");
    await cancel(first.session_id);
    await holderIs(null);
    await startedRun();
    expect(await breakerIs("closed")).toMatchObject({ failures_in_window: 0, retry_at: null });
    const log = await logOf("breaker_opened", "breaker_half_opened", "breaker_closed");
    expect(log.map((entry) => entry.type)).toEqual(["breaker_closed", "breaker_half_opened", "breaker_opened"]);
  });

  test("one call that fails opens it", async () => {
    await readyToTry();
    await startedRun("503");
    expect(await breakerIs("open")).toMatchObject({ retry_at: iso(Date.now() + OPEN_MS) });
  });

  test("of ten triggers at once one runs, and one call leaves", async () => {
    await readyToTry();
    const client = `ok half-open-${crypto.randomUUID()}`;
    const answers = await Promise.all(Array.from({ length: 10 }, () => start(client)));
    const started = answers.filter((answer) => answer.status === 200);
    expect([started.length, answers.filter((answer) => answer.body.code === "run_active").length]).toEqual([1, 9]);
    const id = started[0]?.body.session_id;
    await Promise.all(Array.from({ length: 10 }, () => ringSession(id)));
    expect(await opalLedgerOfClient(client)).toHaveLength(1);
  });

  test("a new run is not refused while a call tries, it waits for its own turn", async () => {
    await readyToTry();
    const { body: first } = await start("hang");
    const ringing = ringMeanwhile(first.session_id);
    await called(first.session_id);
    expect((await start()).body.code).toBe("run_active");
    expect((await breaker()).state).toBe("half_open");
    await cancel(first.session_id);
    await ringing;
  });

  test("a call that was cancelled says nothing, and makes room for the next one at once", async () => {
    await readyToTry();
    const { body: first } = await start("hang");
    const ringing = ringMeanwhile(first.session_id);
    await called(first.session_id);
    await cancel(first.session_id);
    await ringing;
    await holderIs(null);
    expect(await breaker()).toMatchObject({ state: "half_open", successes: 0, retry_at: null });
    expect((await startedRun()).state).toBe("running");
  });

  test("a permit whose holder died comes back after the time that its call could have taken", async () => {
    await readyToTry();
    const { body: run } = await start("hang ok");
    void ringMeanwhile(run.session_id);
    await called(run.session_id);
    const repair = breakReports();
    await abortAllDurableObjects();
    expect(await ringSession(run.session_id)).toMatchObject({
      attempts: [{ error_class: "interrupted" }],
      waiting: { because: "breaker_probing", until: iso(Date.now() + 6_500) },
    });
    await pass(run.session_id, 6_499);
    expect(await callsOf(run.session_id)).toBe(1);
    expect(await pass(run.session_id, 1)).toMatchObject({ state: "running" });
    expect(await callsOf(run.session_id)).toBe(2);
    repair();
  });
});

describe("resetting it", () => {
  const reset = "/api/force-sync/breaker/reset";

  test("is not for an operator", async () => {
    await runThatOpened();
    const answer = await post(reset);
    expect([answer.status, answer.body.code, answer.body.required_permissions]).toEqual([
      403,
      "access_denied",
      ["admin"],
    ]);
    expect((await breaker()).state).toBe("open");
  });

  test("by an administrator closes it, with a reason in the log, and runs start again", async () => {
    const run = await runThatOpened();
    const answer = await asAdmin("POST", reset, { reason: "OPAL is back" });
    expect([answer.status, answer.body.state, answer.body.retry_at]).toEqual([200, "closed", null]);
    expect(await logOf("breaker_reset")).toMatchObject([{ actor: ADMIN, reason: "OPAL is back", from: "open" }]);
    await cancel(run.session_id);
    await holderIs(null);
    expect((await startedRun()).state).toBe("running");
  });
});
