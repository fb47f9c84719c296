import { abortAllDurableObjects, runInDurableObject } from "cloudflare:test";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { SyncSession } from "../../src/sync/object.ts";
import { Workspace } from "../../src/workspace/object.ts";
import {
  type Answer,
  agentEvent,
  cancel,
  eventually,
  opalLedger,
  runningSync,
  status,
  trigger,
  webhook,
} from "../support/worker/client.ts";
import { advanceClock, stopClock } from "../support/worker/faults.ts";
import {
  eventTypes,
  evict,
  passTimeUntil,
  query,
  ring,
  sessionObject,
  settled,
  startOver,
  workspaceObject,
} from "../support/worker/objects.ts";

beforeEach(stopClock);
afterEach(startOver);

const KILLS = [
  ["", async () => {}],
  [", and everything is killed", abortAllDurableObjects],
] as const;
/** Eviction waits for what is under way, a kill does not. */
const EVICTION = [", and the workspace is evicted", () => evict(workspaceObject())] as const;

async function holder(): Promise<string | null> {
  return (await workspaceObject().overview()).activeSessionId;
}

function failing(times: number) {
  let calls = 0;
  return () => calls++ < times;
}

/** The session's `start` does not come through so many times, or its answer does not. */
function breakStart(where: "before" | "after", times = 1): void {
  const start = SyncSession.prototype.start;
  const fails = failing(times);
  vi.spyOn(SyncSession.prototype, "start").mockImplementation(async function (this: SyncSession, ...args) {
    const isBroken = fails();
    if (isBroken && where === "before") throw new Error("the session does not answer");
    const report = await start.apply(this, args);
    if (isBroken) throw new Error("the answer is lost");
    return report;
  });
}

/** What a session says of itself does not reach the workspace until called off. */
function breakReports(): () => void {
  const spy = vi.spyOn(Workspace.prototype, "report").mockRejectedValue(new Error("the workspace does not answer"));
  return () => spy.mockRestore();
}

async function runs(id: string): Promise<Answer["body"]> {
  await ring(sessionObject(id));
  return eventually(
    () => status(id),
    (run) => run.state === "running",
  );
}

describe.for(KILLS)("granted, but the session was never started%s", ([, kill]) => {
  test("the next caller is told who holds the lease, and the run starts once by itself", async () => {
    breakStart("before");
    const first = await trigger();
    // The grant is durable, so the answer is the run's, though its session has not confirmed it yet.
    expect([first.status, first.body.status]).toEqual([200, "initiated"]);
    const id = (await holder()) ?? "";
    expect(first.body.session_id).toBe(id);
    await kill();
    expect((await trigger()).body).toMatchObject({ code: "run_active", active_session: id });
    advanceClock(1_000);
    await ring(workspaceObject());
    const run = await runs(id);
    expect(run.attempts).toHaveLength(1);
    expect(await opalLedger(id)).toHaveLength(1);
  });

  test("a caller with the same Idempotency-Key gets that very run", async () => {
    const key = { "Idempotency-Key": "mine" };
    breakStart("before");
    expect((await trigger("ok", key)).status).toBe(200);
    const id = await holder();
    await kill();
    advanceClock(1_000);
    await ring(workspaceObject());
    const again = await trigger("ok", key);
    expect([again.status, again.body.session_id]).toEqual([200, id]);
  });
});

describe.for([...KILLS, EVICTION])("started, but its confirmation was lost%s", ([, kill]) => {
  test("the run is started once, keeps the lease and is confirmed later", async () => {
    const restore = breakReports();
    breakStart("after");
    const first = await trigger();
    const id = (await holder()) ?? "";
    expect([first.status, first.body.session_id]).toEqual([200, id]);
    await kill();
    expect((await trigger()).body).toMatchObject({ code: "run_active", active_session: id });
    restore();
    advanceClock(1_000);
    await ring(workspaceObject());
    expect(await query(workspaceObject(), "SELECT session_id, state FROM lease")).toEqual([
      { session_id: id, state: "confirmed" },
    ]);
    await runs(id);
    expect((await eventTypes(id)).filter((type) => type === "requested")).toHaveLength(1);
    expect(await opalLedger(id)).toHaveLength(1);
  });
});

describe.for(KILLS)("ended, but the release was not delivered%s", ([, kill]) => {
  test("the lease is released by the session's own next try", async () => {
    const run = await runningSync();
    const restore = breakReports();
    await cancel(run.session_id);
    await kill();
    expect(await holder()).toBe(run.session_id);
    restore();
    await passTimeUntil([sessionObject(run.session_id)], holder, (id) => id === null);
    expect((await trigger()).status).toBe(200);
  });

  test("an overdue holder is asked before anybody is refused on its behalf", async () => {
    const run = await runningSync();
    await eventually(
      () => query(workspaceObject(), "SELECT due_at FROM lease"),
      ([lease]) => Number(lease?.due_at) > Date.now(),
    );
    breakReports();
    await cancel(run.session_id);
    await kill();
    expect((await trigger()).status).toBe(409);
    advanceClock(66_000);
    const next = await trigger();
    expect([next.status, next.body.session_id === run.session_id]).toEqual([200, false]);
  });
});

describe("asking an overdue holder", () => {
  test("leaves it the lease while it still runs", async () => {
    const run = await runningSync();
    breakReports();
    advanceClock(90_000);
    expect((await trigger()).body).toMatchObject({ code: "run_active", active_session: run.session_id });
    // It was moved when it was asked: the agent that is over its limit runs once more.
    expect((await status(run.session_id)).agents[0]).toMatchObject({ status: "rerunning" });
    expect(await eventTypes(run.session_id)).toContain("agent_timed_out");
  });

  test("takes it from a session that has lost its storage, and shows that run as lost", async () => {
    const run = await runningSync();
    await runInDurableObject(sessionObject(run.session_id), (_instance, state) => state.storage.deleteAll());
    await abortAllDurableObjects();
    advanceClock(90_000);
    expect((await trigger()).status).toBe(200);
    const lost = (await workspaceObject().overview()).runs.find((found) => found.sessionId === run.session_id);
    expect(lost).toMatchObject({ status: "failed", isOver: true, message: expect.stringContaining("lost") });
  });

  test("leaves it the lease when it does not answer", async () => {
    const run = await runningSync();
    vi.spyOn(SyncSession.prototype, "poke").mockRejectedValue(new Error("overloaded"));
    advanceClock(90_000);
    expect((await trigger()).body).toMatchObject({ active_session: run.session_id });
  });
});

describe("a release", () => {
  test("of a run that does not hold the lease changes nothing", async () => {
    const first = await runningSync();
    await cancel(first.session_id);
    await settled(first.session_id);
    const second = await runningSync();
    const old = await sessionObject(first.session_id).poke();
    if (old === undefined) throw new Error("the first run is gone");
    await workspaceObject().report(old);
    await workspaceObject().report({ ...old, seq: old.seq + 100 });
    expect(await holder()).toBe(second.session_id);
  });

  test("that is older news than what is known changes nothing", async () => {
    const run = await runningSync();
    const early = await sessionObject(run.session_id).poke();
    await webhook(agentEvent(run, "integration_health"));
    if (early === undefined) throw new Error("the run is gone");
    await eventually(
      () => workspaceObject().overview(),
      (overview) => overview.runs[0]?.completedAgents === 1,
    );
    await workspaceObject().report({ ...early, isOver: true });
    expect(await holder()).toBe(run.session_id);
  });
});
