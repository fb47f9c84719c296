// Cancelling several runs at once.
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Answer, status } from "../support/worker/client.ts";
import {
  type Body,
  callsOf,
  holderIs,
  logOf,
  OPERATOR,
  post,
  report,
  start,
  startedRun,
  stuckRun,
  takeOverClock,
} from "../support/worker/control.ts";
import { eventsOf, settled, startOver, workspaceObject } from "../support/worker/objects.ts";

beforeEach(takeOverClock);
afterEach(startOver);

function cancelAll(fields: Readonly<Record<string, unknown>> = {}): Promise<Answer> {
  return post("/api/force-sync/cancel", fields);
}

async function activeAndQueued(): Promise<{ readonly active: Body; readonly queued: Body }> {
  const active = await startedRun();
  const { body: queued } = await start("ok", { on_busy: "queue" });
  return { active, queued };
}

test("with dry_run says what would be cancelled, and changes nothing", async () => {
  const { active, queued } = await activeAndQueued();
  const before = [await workspaceObject().overview(), await eventsOf(active.session_id), await logOf()];
  const { status: code, body } = await cancelAll({ dry_run: true });
  expect([code, body]).toEqual([
    200,
    {
      ...{ success: true, dry_run: true, count: 2 },
      results: [
        { session_id: queued.session_id, outcome: "would_be_withdrawn" },
        { session_id: active.session_id, outcome: "would_be_cancelled" },
      ],
    },
  ]);
  expect([await workspaceObject().overview(), await eventsOf(active.session_id), await logOf()]).toEqual(before);
});

test("withdraws the run that waits and cancels the active one, and nothing starts in between", async () => {
  const { active, queued } = await activeAndQueued();
  const { body } = await cancelAll();
  expect(body).toMatchObject({
    ...{ dry_run: false, count: 2 },
    results: [
      { session_id: queued.session_id, outcome: "withdrawn" },
      { session_id: active.session_id, outcome: "cancelled" },
    ],
  });
  await holderIs(null);
  await settled(queued.session_id);
  expect(await status(active.session_id)).toMatchObject({ state: "cancelled", reason: "cancelled_by_operator" });
  expect(await status(queued.session_id)).toMatchObject({ state: "cancelled", reason: "withdrawn_from_queue" });
  expect(await logOf("sync_granted")).toHaveLength(1);
  expect(await callsOf(queued.session_id)).toBe(0);
  expect(await logOf("sync_withdrawn")).toMatchObject([{ actor: OPERATOR }]);
});

test("when nothing runs or waits has nothing to do", async () => {
  expect((await cancelAll()).body).toEqual({ success: true, dry_run: false, count: 0, results: [] });
});

test("leaves alone what has ended already", async () => {
  const run = await startedRun();
  await report(run);
  await holderIs(null);
  expect((await cancelAll()).body.count).toBe(0);
  expect((await status(run.session_id)).state).toBe("completed");
});

describe("runs that are named", () => {
  test("are answered one by one: cancelled, ended already, or not found", async () => {
    const ended = await startedRun();
    await report(ended);
    await holderIs(null);
    const active = await startedRun();
    const nobody = "sync-1700000000000-abcde";
    const { body } = await cancelAll({ session_ids: [nobody, ended.session_id, active.session_id, "not an id"] });
    expect(body.results).toEqual([
      { session_id: nobody, outcome: "not_found" },
      { session_id: ended.session_id, outcome: "already_ended" },
      { session_id: active.session_id, outcome: "cancelled" },
      { session_id: "not an id", outcome: "not_found" },
    ]);
  });

  test("are the only ones that are cancelled", async () => {
    const { active, queued } = await activeAndQueued();
    await cancelAll({ session_ids: [queued.session_id] });
    expect((await status(active.session_id)).state).toBe("running");
    expect((await workspaceObject().overview()).queued).toBeNull();
  });

  test.for([
    ["session", ({ session_id }: Body) => session_id],
    ["correlation", ({ correlation_id }: Body) => correlation_id],
    ["workflow", ({ workflow_id }: Body) => workflow_id],
  ] as const)("by their %s ids, in any order, are cancelled without one starting in between", async ([, idOf]) => {
    const { active, queued } = await activeAndQueued();
    const session_ids = [idOf(active), idOf(queued)];
    const { body } = await cancelAll({ session_ids });
    expect(body.results).toContainEqual({ session_id: idOf(queued), outcome: "withdrawn" });
    expect(body.results).toContainEqual({ session_id: idOf(active), outcome: "cancelled" });
    expect(await logOf("sync_granted")).toHaveLength(1);
  });

  test.for([
    [{ session_ids: [] }, "/session_ids"],
    [{ session_ids: [""] }, "/session_ids/0"],
    [{ dry_run: "yes" }, "/dry_run"],
    [{ all: true }, "/all"],
  ] as const)("wrongly are refused by name, and nothing is cancelled: %j", async ([fields, pointer]) => {
    const run = await startedRun();
    const answer = await cancelAll(fields);
    expect([answer.status, answer.body.errors[0].pointer]).toEqual([400, pointer]);
    expect((await status(run.session_id)).state).toBe("running");
  });
});

test("a call that cannot be ended leaves the cancel unconfirmed", async () => {
  const run = await stuckRun();
  expect((await cancelAll()).body.results).toEqual([{ session_id: run.id, outcome: "cancelling" }]);
  await run.letGo();
  expect((await status(run.id)).state).toBe("cancelled");
});
