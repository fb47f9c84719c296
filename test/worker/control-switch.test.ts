// The emergency switch: while it is off, nothing new starts and no call leaves; nothing is lost.
import { abortAllDurableObjects } from "cloudflare:test";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Answer, call, cancel, status } from "../support/worker/client.ts";
import {
  ADMIN,
  asAdmin,
  callsOf,
  cronMinute,
  get,
  HOUR_MS,
  holderIs,
  iso,
  logOf,
  MINUTE_MS,
  OPERATOR,
  pass,
  post,
  report,
  resume,
  retry,
  ringSession,
  runWithout,
  start,
  startedRun,
  switchOff,
  switchOn,
  takeOverClock,
} from "../support/worker/control.ts";
import { advanceClock, fixLuck } from "../support/worker/faults.ts";
import { startOver, workspaceObject } from "../support/worker/objects.ts";

beforeEach(takeOverClock);
afterEach(startOver);

const SWITCH = "/api/force-sync/switch";
const REASON = "OPAL is being moved";

function refusal({ status: code, body }: Answer): unknown[] {
  return [code, body.code, body.disabled_by, body.disabled_at, body.reason];
}

const refusedAt = (at: string) => [503, "triggering_disabled", ADMIN, at, REASON];

async function startsNothing(): Promise<void> {
  const { activeSessionId, queued } = await workspaceObject().overview();
  expect([activeSessionId, queued]).toEqual([null, null]);
}

describe("switching off", () => {
  test("is for administrators", async () => {
    for (const body of [{ enabled: false, reason: REASON }, { enabled: true }]) {
      const answer = await call("PUT", SWITCH, { body });
      expect([answer.status, answer.body.code]).toEqual([403, "access_denied"]);
    }
    expect((await get("/api/force-sync/control")).triggering).toEqual({ enabled: true });
  });

  test.for([{ enabled: false }, { enabled: false, reason: "  " }, { enabled: false, reason: "x" }])(
    "needs a reason: %j",
    async (body) => {
      const answer = await asAdmin("PUT", SWITCH, body);
      expect([answer.status, answer.body.errors[0].pointer]).toEqual([400, "/reason"]);
      expect((await get("/api/force-sync/control")).triggering).toEqual({ enabled: true });
    },
  );

  test("is shown with who, when and why, and so is in the log what becomes of it", async () => {
    const answer = await switchOff();
    const triggering = { enabled: false, disabled_by: ADMIN, disabled_at: iso(Date.now()), reason: REASON };
    expect([answer.status, answer.body.triggering]).toEqual([200, triggering]);
    expect((await get("/api/force-sync/control")).triggering).toEqual(triggering);
    await abortAllDurableObjects();
    expect((await get("/api/force-sync/control")).triggering).toEqual(triggering);
    await switchOn();
    expect((await get("/api/force-sync/control")).triggering).toEqual({ enabled: true });
    expect(await logOf("switched_on", "switched_off")).toMatchObject([
      { type: "switched_on", actor: ADMIN },
      { type: "switched_off", actor: ADMIN, reason: REASON },
    ]);
  });
});

describe("while it is off, refused with who, when and why", () => {
  test.for([
    ["a trigger", "/api/force-sync/trigger", {}],
    ["a trigger that would wait for its turn", "/api/force-sync/trigger", { on_busy: "queue" }],
    ["a trigger by force", "/api/force-sync/trigger", { force_restart: true }],
    ["the sync entrance of old", "/api/opal/sync", {}],
    ["the workflow by its name", "/api/orchestrations/trigger", { workflow_name: "strategy_workflow" }],
    [
      "the entrance in OPAL's terms",
      "/api/opal/trigger",
      { workflow_type: "quick_assessment", priority: "low", context: { business_objectives: ["grow"] } },
    ],
  ] as const)("is %s", async ([, path, body]) => {
    await switchOff();
    expect(refusal(await post(path, body))).toEqual(refusedAt(iso(Date.now())));
    expect(await logOf("sync_refused")).toMatchObject([{ actor: OPERATOR, code: "triggering_disabled" }]);
    await startsNothing();
  });

  test("is a retry", async () => {
    const old = await runWithout(["geo_audit"]);
    await switchOff();
    expect(refusal(await retry(old.session_id))).toEqual(refusedAt(iso(Date.now())));
    await startsNothing();
  });

  test("is a resume", async () => {
    const old = await startedRun("401");
    await holderIs(null);
    await switchOff();
    expect(refusal(await resume(old.session_id, { credential_confirmed: true }))).toEqual(refusedAt(iso(Date.now())));
    await startsNothing();
  });

  test("is running failed agents once more", async () => {
    const run = await startedRun();
    await report(run, ["geo_audit"], "failed");
    await switchOff();
    expect(refusal(await retry(run.session_id))).toEqual(refusedAt(iso(Date.now())));
    expect((await status(run.session_id)).reruns).toEqual([]);
  });

  test("is a schedule that somebody runs, or whose time has come", async () => {
    const { body } = await post("/api/schedules", { name: "Each minute", cron: "* * * * *" });
    await switchOff();
    const offAt = iso(Date.now());
    expect(refusal(await post(`/api/schedules/${body.schedule.id}/run`))).toEqual(refusedAt(offAt));
    advanceClock(MINUTE_MS);
    await cronMinute();
    const { schedule } = await get(`/api/schedules/${body.schedule.id}`);
    expect(schedule.last_firings).toMatchObject([
      { outcome: "refused", reason: expect.stringContaining(REASON), session_id: null },
    ]);
    await startsNothing();
  });
});

describe("while it is off", () => {
  test("a run that waits for its next attempt goes on waiting, and goes on once it is on again", async () => {
    fixLuck(0);
    const { session_id: id } = await startedRun("503 ok");
    await switchOff();
    for (let times = 0; times < 4; times++) {
      expect(await pass(id, 15_000)).toMatchObject({ state: "requested", waiting: { because: "switched_off" } });
    }
    expect([await callsOf(id), (await status(id)).attempts.length]).toEqual([1, 1]);
    await switchOn();
    expect(await pass(id, 15_000)).toMatchObject({ state: "running", waiting: null });
    expect(await callsOf(id)).toBe(2);
  });

  test("a run that was granted just before makes no first call", async () => {
    const { body } = await start();
    await switchOff();
    expect((await ringSession(body.session_id)).waiting.because).toBe("switched_off");
    expect(await callsOf(body.session_id)).toBe(0);
    await switchOn();
    expect((await pass(body.session_id, 15_000)).state).toBe("running");
  });

  test("a run that OPAL works on goes on to its end", async () => {
    const run = await startedRun();
    await switchOff();
    expect((await report(run)).state).toBe("completed");
  });

  test("a run can be cancelled", async () => {
    const run = await startedRun();
    await switchOff();
    expect((await cancel(run.session_id)).body.state).toBe("cancelled");
  });

  test("a run whose turn has come is not started, not even by the cron minute, until it is on again", async () => {
    const holder = await startedRun();
    const { body: queued } = await start("ok", { on_busy: "queue" });
    await switchOff();
    await cancel(holder.session_id);
    await holderIs(null);
    await pass(holder.session_id, HOUR_MS);
    await cronMinute();
    expect(await status(queued.session_id)).toMatchObject({ state: "queued", waiting_for: null });
    await switchOn();
    await holderIs(queued.session_id);
    expect((await ringSession(queued.session_id)).state).toBe("running");
    expect(await callsOf(queued.session_id)).toBe(1);
  });
});

test("switching on when it is on changes nothing and is not in the log", async () => {
  expect((await switchOn()).body.triggering).toEqual({ enabled: true });
  expect(await logOf("switched_on")).toEqual([]);
});
