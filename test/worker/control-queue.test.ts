// The one place in the queue behind the active run.
import { abortAllDurableObjects, runInDurableObject } from "cloudflare:test";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { SyncSession } from "../../src/sync/object.ts";
import { type Answer, cancel, eventually, status } from "../support/worker/client.ts";
import {
  type Body,
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
  report,
  ringSession,
  start,
  startedRun,
  switchOff,
  switchOn,
  takeOverClock,
} from "../support/worker/control.ts";
import { advanceClock } from "../support/worker/faults.ts";
import {
  eventTypes,
  evict,
  ring,
  sessionObject,
  settled,
  startOver,
  workspaceObject,
} from "../support/worker/objects.ts";

beforeEach(takeOverClock);
afterEach(startOver);

const QUEUE_LIMIT_MS = 2 * HOUR_MS;

function queue(opal = "ok"): Promise<Answer> {
  return start(opal, { on_busy: "queue" });
}

async function holderAndQueued(): Promise<{ readonly holder: Body; readonly id: string }> {
  const holder = await startedRun();
  const { body } = await queue();
  return { holder, id: body.session_id };
}

describe("a trigger that may wait", () => {
  test("is answered 202 with its own ids and where to follow it", async () => {
    const holder = await startedRun();
    const answer = await queue();
    expect([answer.status, answer.headers.get("Location")]).toEqual([202, answer.body.status_url]);
    expect(answer.body).toMatchObject({ success: true, state: "queued", status: "initiated", progress: 0 });
    expect(answer.body.session_id).not.toBe(holder.session_id);
  });

  test("is visible at its address, in the overview and in the control", async () => {
    const { holder, id } = await holderAndQueued();
    expect(await status(id)).toMatchObject({
      ...{ success: true, session_id: id, state: "queued", waiting_for: holder.session_id, triggered_by: OPERATOR },
      ...{ created_at: iso(Date.now()), expires_at: iso(Date.now() + QUEUE_LIMIT_MS) },
      polling: { should_continue: true },
    });
    expect((await workspaceObject().overview()).queued).toMatchObject({ sessionId: id, actor: OPERATOR });
    expect(await get("/api/force-sync/control")).toMatchObject({
      active_session: holder.session_id,
      queued: { session_id: id, queued_by: OPERATOR },
    });
    expect(await logOf("sync_queued")).toMatchObject([{ actor: OPERATOR, session_id: id }]);
  });

  test("does not wait when nothing is active", async () => {
    const answer = await queue();
    expect([answer.status, answer.body.state]).toEqual([200, "requested"]);
  });

  test("is refused when another one waits already, and told which", async () => {
    const { holder, id } = await holderAndQueued();
    const answer = await queue();
    expect([answer.status, answer.body.code]).toEqual([409, "queue_full"]);
    expect(answer.body).toMatchObject({ queued_session: id, active_session: holder.session_id });
  });

  test("makes no call before it is its turn", async () => {
    const { id } = await holderAndQueued();
    await ring(workspaceObject());
    await cronMinute();
    expect([await callsOf(id), await eventTypes(id)]).toEqual([0, []]);
  });

  test("survives the death of everything", async () => {
    const { holder, id } = await holderAndQueued();
    await abortAllDurableObjects();
    expect(await status(id)).toMatchObject({ state: "queued", waiting_for: holder.session_id });
  });
});

describe("it starts by itself once the active run", () => {
  const ENDINGS: readonly (readonly [string, string, (run: Body) => Promise<unknown>])[] = [
    ["has completed", "ok", (run) => report(run)],
    [
      "has ended with some agents missing",
      "ok",
      async (run) => {
        await report(run, ["geo_audit"], "failed");
        await pass(run.session_id, 11 * MINUTE_MS);
      },
    ],
    ["has fallen silent", "ok", (run) => pass(run.session_id, 10 * MINUTE_MS)],
    ["is cancelled", "ok", (run) => cancel(run.session_id)],
    ["is refused by OPAL", "503 400", (run) => pass(run.session_id, 30_000)],
    ["is refused for its credential", "503 401", (run) => pass(run.session_id, 30_000)],
    ["was not accepted in time", "503 503 503 503", (run) => pass(run.session_id, HOUR_MS)],
  ];

  test.for(ENDINGS)("%s", async ([, opal, end]) => {
    const holder = await startedRun(opal);
    const { body } = await queue();
    await end(holder);
    await holderIs(body.session_id);
    expect((await workspaceObject().overview()).queued).toBeNull();
    expect((await ringSession(body.session_id)).state).toBe("running");
    expect(await callsOf(body.session_id)).toBe(1);
    expect((await status(holder.session_id)).completed_at).not.toBeNull();
  });

  test("has lost its storage", async () => {
    const { holder, id } = await holderAndQueued();
    await runInDurableObject(sessionObject(holder.session_id), (_instance, state) => state.storage.deleteAll());
    await abortAllDurableObjects();
    advanceClock(2 * MINUTE_MS);
    await cronMinute();
    await holderIs(id);
    expect((await ringSession(id)).state).toBe("running");
  });

  test("is over, which nobody else can use to slip in", async () => {
    const { holder, id } = await holderAndQueued();
    await cancel(holder.session_id);
    const others = await Promise.all(Array.from({ length: 10 }, () => start()));
    expect(new Set(others.map((answer) => answer.status))).toEqual(new Set([409]));
    await holderIs(id);
  });
});

describe("between the release and the start", () => {
  const LOSSES: readonly (readonly [string, () => Promise<void>])[] = [
    ["nothing else happens", async () => {}],
    ["the workspace is evicted", () => evict(workspaceObject())],
    ["everything is killed", abortAllDurableObjects],
  ];

  test.for(LOSSES)("the start fails and %s: it starts once all the same", async ([, lose]) => {
    const { holder, id } = await holderAndQueued();
    vi.spyOn(SyncSession.prototype, "start").mockRejectedValueOnce(new Error("the session does not answer"));
    await cancel(holder.session_id);
    await holderIs(id);
    await lose();
    expect((await start()).body).toMatchObject({ code: "run_active", active_session: id });
    advanceClock(1_000);
    await ring(workspaceObject());
    expect((await ringSession(id)).state).toBe("running");
    expect((await eventTypes(id)).filter((type) => type === "requested")).toHaveLength(1);
    expect(await callsOf(id)).toBe(1);
  });

  test("it is said to be about to start, not unknown", async () => {
    const { holder, id } = await holderAndQueued();
    vi.spyOn(SyncSession.prototype, "start").mockRejectedValueOnce(new Error("the session does not answer"));
    await cancel(holder.session_id);
    await holderIs(id);
    expect(await status(id)).toMatchObject({ code: "service_unavailable", status: 503 });
  });
});

describe("withdrawing it", () => {
  test("takes it out of the queue; it is in the history as cancelled, and was never called", async () => {
    const { holder, id } = await holderAndQueued();
    const answer = await cancel(id);
    expect([answer.status, answer.body]).toEqual([
      200,
      expect.objectContaining({ session_id: id, state: "cancelled", status: "failed", cancelled: true }),
    ]);
    await settled(id);
    expect(await status(id)).toMatchObject({ state: "cancelled", reason: "withdrawn_from_queue" });
    const { runs } = await get("/api/force-sync/runs");
    expect(runs).toContainEqual(
      expect.objectContaining({ session_id: id, state: "cancelled", reason: "withdrawn_from_queue" }),
    );
    expect(await logOf("sync_withdrawn")).toMatchObject([{ actor: OPERATOR, session_id: id }]);
    await cancel(holder.session_id);
    await holderIs(null);
    expect([await callsOf(id), (await workspaceObject().overview()).queued]).toEqual([0, null]);
  });

  test("makes room for another one", async () => {
    const { holder, id } = await holderAndQueued();
    await cancel(id);
    const next = await queue();
    expect(next.status).toBe(202);
    await cancel(holder.session_id);
    await holderIs(next.body.session_id);
  });

  test("twice is answered twice with the same end", async () => {
    const { id } = await holderAndQueued();
    await cancel(id);
    await settled(id);
    const again = await cancel(id);
    expect([again.status, again.body.state]).toEqual([200, "cancelled"]);
  });

  test("does not make it unknown, not even while its session cannot be told", async () => {
    const { id } = await holderAndQueued();
    vi.spyOn(SyncSession.prototype, "start").mockRejectedValueOnce(new Error("the session does not answer"));
    await cancel(id);
    expect((await status(id)).code).not.toBe("session_not_found");
  });
});

describe("after two hours", () => {
  /** The active run has ended, but nothing is started while triggering is off. */
  async function waitingForLong(): Promise<string> {
    const { holder, id } = await holderAndQueued();
    await switchOff();
    await cancel(holder.session_id);
    await holderIs(null);
    return id;
  }

  test("it is withdrawn by the workspace itself", async () => {
    const id = await waitingForLong();
    advanceClock(QUEUE_LIMIT_MS - 1);
    await ring(workspaceObject());
    expect((await status(id)).state).toBe("queued");
    advanceClock(1);
    await ring(workspaceObject());
    const ended = await eventually(
      () => status(id),
      (run) => run.state !== "queued",
    );
    expect(ended).toMatchObject({ state: "cancelled", reason: "withdrawn_from_queue" });
    expect(await logOf("sync_withdrawn")).toMatchObject([{ actor: "workspace", session_id: id }]);
    expect(await callsOf(id)).toBe(0);
  });

  test("it is not started any more, though its withdrawal is late", async () => {
    const id = await waitingForLong();
    advanceClock(QUEUE_LIMIT_MS + 1);
    await switchOn();
    await ring(workspaceObject());
    await settled(id);
    expect(await status(id)).toMatchObject({ state: "cancelled", reason: "withdrawn_from_queue" });
    expect(await callsOf(id)).toBe(0);
  });
});
