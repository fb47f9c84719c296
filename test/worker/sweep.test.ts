// The cron minute: a second pair of eyes, should an alarm have been lost.
import { abortAllDurableObjects, createScheduledController, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import worker from "../../src/index.ts";
import { SyncSession } from "../../src/sync/object.ts";
import { Workspace } from "../../src/workspace/object.ts";
import { allAgentsReport, eventually, runningSync, status, trigger } from "../support/worker/client.ts";
import { advanceClock, breakD1, fixLuck, stopClock } from "../support/worker/faults.ts";
import {
  alarmOf,
  eventTypes,
  ring,
  sessionObject,
  settledInTime,
  startOver,
  workspaceObject,
} from "../support/worker/objects.ts";

beforeEach(stopClock);
afterEach(startOver);

async function cronMinute(): Promise<void> {
  await worker.scheduled(createScheduledController(), { ...env });
}

/** The cron minute, as far as the platform lets it be called: twice at once changes nothing more. */
async function cronMinuteTwice(): Promise<void> {
  await Promise.all([cronMinute(), cronMinute()]);
}

describe("the cron minute", () => {
  test("starts a run that was granted and never started, though the workspace's alarm is lost", async () => {
    vi.spyOn(SyncSession.prototype, "start").mockRejectedValueOnce(new Error("the session does not answer"));
    expect((await trigger()).status).toBe(200);
    const id = (await workspaceObject().overview()).activeSessionId ?? "";
    await runInDurableObject(workspaceObject(), (_instance, state) => state.storage.deleteAlarm());
    await abortAllDurableObjects();
    advanceClock(60_000);
    await cronMinuteTwice();
    await ring(sessionObject(id));
    await eventually(
      () => status(id),
      (run) => run.state === "running",
    );
    expect((await eventTypes(id)).filter((type) => type === "requested")).toHaveLength(1);
  });

  test("wakes a session whose alarm was deleted, once it is overdue", async () => {
    const run = await runningSync();
    await runInDurableObject(sessionObject(run.session_id), (_instance, state) => state.storage.deleteAlarm());
    advanceClock(70_000);
    await cronMinuteTwice();
    expect(await alarmOf(sessionObject(run.session_id))).not.toBeNull();
    expect((await eventTypes(run.session_id)).filter((type) => type === "agent_timed_out")).toHaveLength(1);
  });

  test("settles a run that ended while D1 was down and whose alarm was deleted", async () => {
    fixLuck(0);
    const run = await runningSync();
    const repair = breakD1();
    await allAgentsReport(run);
    expect((await status(run.session_id)).state).toBe("completed");
    await runInDurableObject(sessionObject(run.session_id), (_instance, state) => state.storage.deleteAlarm());
    repair();
    advanceClock(120_000);
    await cronMinuteTwice();
    const session = sessionObject(run.session_id);
    await settledInTime(run.session_id);
    await eventually(
      () => alarmOf(session),
      (at) => at === null,
    );
  });

  test("reaches every workspace, also those after one that fails", async () => {
    await workspaceObject("acme").overview();
    await env.DB.prepare("INSERT INTO workspaces (workspace) VALUES ('acme')").run();
    const sweep = vi.spyOn(Workspace.prototype, "sweep").mockRejectedValueOnce(new Error("overloaded"));
    await cronMinute();
    expect(sweep).toHaveBeenCalledTimes(2);
    const repair = breakD1();
    await cronMinute();
    expect(sweep).toHaveBeenCalledTimes(3);
    repair();
  });
});
