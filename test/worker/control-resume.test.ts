// A refused credential stops a run until somebody has put it right; then the run is resumed as a new one.
import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { agentEvent, eventually, status, webhook } from "../support/worker/client.ts";
import {
  type Body,
  callsOf,
  cronMinute,
  HOUR_MS,
  holderIs,
  nextCallGets,
  othersThan,
  pass,
  report,
  resume,
  retry,
  ringSession,
  runWithout,
  startedRun,
  takeOverClock,
} from "../support/worker/control.ts";
import { eventTypes, ring, startOver, workspaceObject } from "../support/worker/objects.ts";

beforeEach(takeOverClock);
afterEach(startOver);

const KEY_NAME = "OPAL_STRATEGY_WORKFLOW_AUTH_KEY";
const RIGHT = { client_context: { client_name: "ok" } };

/** A run that OPAL refused because of our key. */
async function refusedRun(word = "401"): Promise<Body> {
  const run = await startedRun(`${word} ok`);
  await holderIs(null);
  return run;
}

/** As after a change of the setting: the object is told of another key. */
async function changeKey(object: Parameters<typeof ring>[0]): Promise<void> {
  await runInDurableObject<DurableObject, void>(object, (instance) => {
    Reflect.set(instance, "env", { ...env, [KEY_NAME]: "another-opal-bearer-key-of-forty-characters" });
  });
}

describe("a call that is refused for its credential", () => {
  test.for([
    ["401", 401],
    ["403", 403],
  ] as const)("with %s fails the run at once, and names the setting, never its value", async ([word, code]) => {
    const run = await refusedRun(word);
    expect(run).toMatchObject({
      ...{ state: "failed", reason: "credential_refused", can_resume: true, can_retry: true },
      credential_refused: { credential: KEY_NAME, http_status: code, agent_id: null },
      escalations: [{ because: "credential_refused" }],
    });
    expect(run.error).toContain(KEY_NAME);
    expect(JSON.stringify(run)).not.toContain("test-opal-bearer-key");
  });

  test("is never repeated by itself, however long one waits", async () => {
    const run = await refusedRun();
    for (let hours = 0; hours < 24; hours += 6) {
      await pass(run.session_id, 6 * HOUR_MS);
      await ring(workspaceObject());
      await cronMinute();
    }
    expect(await callsOf(run.session_id)).toBe(1);
    expect((await status(run.session_id)).state).toBe("failed");
  });
});

describe("resuming", () => {
  test("with the same key is refused, and so is a retry", async () => {
    const run = await refusedRun();
    for (const answer of [await resume(run.session_id, RIGHT), await retry(run.session_id, RIGHT)]) {
      expect([answer.status, answer.body.code, answer.body.credential]).toEqual([
        409,
        "credential_unchanged",
        KEY_NAME,
      ]);
    }
    expect((await workspaceObject().overview()).activeSessionId).toBeNull();
  });

  test("with the same key, confirmed to be good again, makes a new linked run", async () => {
    const old = await refusedRun();
    const answer = await resume(old.session_id, { ...RIGHT, credential_confirmed: true });
    expect([answer.status, answer.body.attempt, answer.body.retry_of]).toEqual([200, 2, old.session_id]);
    expect((await ringSession(answer.body.session_id)).state).toBe("running");
    const resumed = await eventually(
      () => status(old.session_id),
      (run) => run.retried_as.length === 1,
    );
    expect(resumed).toMatchObject({
      ...{ state: "failed", reason: "credential_refused" },
      retried_as: [{ session_id: answer.body.session_id, how: "resume", attempt: 2 }],
    });
    expect(await callsOf(old.session_id)).toBe(1);
  });

  test("with another key needs no confirmation", async () => {
    const old = await refusedRun();
    await changeKey(workspaceObject());
    expect((await resume(old.session_id, RIGHT)).status).toBe(200);
  });

  test("compares with the key that was refused, also when the same key is refused once more", async () => {
    const first = await refusedRun();
    const { body } = await resume(first.session_id, { credential_confirmed: true });
    await ringSession(body.session_id);
    await holderIs(null);
    expect(await status(body.session_id)).toMatchObject({ state: "failed", can_resume: true, attempt: 2 });
    expect((await resume(body.session_id)).body.code).toBe("credential_unchanged");
  });

  test("a run that stopped for another reason is refused", async () => {
    const failed = await startedRun("400");
    await holderIs(null);
    const partial = await runWithout(["geo_audit"]);
    for (const run of [failed, partial]) {
      expect((await status(run.session_id)).can_resume).toBe(false);
      const answer = await resume(run.session_id, { credential_confirmed: true });
      expect([answer.status, answer.body.code]).toEqual([409, "not_resumable"]);
    }
  });

  test("a run that is under way is refused", async () => {
    const run = await startedRun();
    expect((await resume(run.session_id)).body.code).toBe("not_resumable");
  });
});

describe("a credential that was refused to an agent", () => {
  const agentRefused = (run: Body) => webhook(agentEvent(run, "geo_audit", "failed", { error_code: 401 }));

  test("stops the run with what there is, and is not one of ours", async () => {
    const run = await startedRun();
    await report(run, ["content_review"]);
    await agentRefused(run);
    expect(await status(run.session_id)).toMatchObject({
      ...{ state: "partially_completed", reason: "credential_refused", can_resume: true },
      credential_refused: { credential: "OPAL agent geo_audit", http_status: null, agent_id: "geo_audit" },
    });
    expect(await eventTypes(run.session_id)).not.toContain("rerun_requested");
  });

  test("lets the run be resumed for what is missing, since we cannot see whether it was put right", async () => {
    const old = await startedRun();
    await report(old, ["content_review"]);
    await agentRefused(old);
    await holderIs(null);
    const { status: code, body } = await resume(old.session_id);
    expect(code).toBe(200);
    const run = await ringSession(body.session_id);
    expect(run.agents.map((agent: Body) => agent.agent_id)).toEqual(othersThan("content_review"));
    expect(run.carried_over).toMatchObject([{ agent_id: "content_review", from_session_id: old.session_id }]);
  });
});

test("a re-run that is refused for its credential is given up, and nothing is called with it again", async () => {
  const run = await startedRun();
  await report(run, ["geo_audit"], "failed");
  await retry(run.session_id);
  nextCallGets(Promise.resolve(new Response(null, { status: 401 })));
  expect(await ringSession(run.session_id)).toMatchObject({
    ...{ state: "running", reruns: [{ over: true }] },
    credential_refused: { credential: KEY_NAME, http_status: 401 },
  });
  // The first agent of the chain goes over its limit, which would otherwise be answered with a re-run.
  expect((await pass(run.session_id, 61_000)).agents[0]).toMatchObject({ status: "timed_out" });
  expect(await eventTypes(run.session_id)).toContain("agent_timed_out");
  expect((await status(run.session_id)).reruns).toHaveLength(1);
  await report(run, othersThan("geo_audit"));
  expect(await status(run.session_id)).toMatchObject({ state: "partially_completed", can_resume: true });
});
