// Many at once: one run, one call, and nobody is left in doubt.
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Answer, cancel, eventually, opalLedgerOfClient, status } from "../support/worker/client.ts";
import {
  type Body,
  callsOf,
  get,
  holderIs,
  pass,
  ringSession,
  start,
  startedRun,
  takeOverClock,
} from "../support/worker/control.ts";
import { advanceClock } from "../support/worker/faults.ts";
import { startOver, workspaceObject } from "../support/worker/objects.ts";

beforeEach(takeOverClock);
afterEach(startOver);

const AT_ONCE = 100;
const ROUNDS = 10;

function atOnce(times: number, act: () => Promise<Answer>): Promise<Answer[]> {
  return Promise.all(Array.from({ length: times }, act));
}

function count(answers: readonly Answer[], code: number): number {
  return answers.filter((answer) => answer.status === code).length;
}

async function isOver(id: string): Promise<boolean> {
  return (await status(id)).completed_at !== null;
}

test(`of ${AT_ONCE} triggers at once one runs and calls OPAL once, ${ROUNDS} times in a row`, {
  timeout: 120_000,
}, async () => {
  for (let round = 0; round < ROUNDS; round++) {
    const client = `ok contention-${crypto.randomUUID()}`;
    const answers = await atOnce(AT_ONCE, () => start(client));
    expect([count(answers, 200), count(answers, 409)]).toEqual([1, AT_ONCE - 1]);
    const id = answers.find((answer) => answer.status === 200)?.body.session_id;
    for (const { body } of answers) expect(body.active_session ?? body.session_id).toBe(id);
    expect((await ringSession(id)).state).toBe("running");
    expect(await opalLedgerOfClient(client)).toHaveLength(1);
    await cancel(id);
    await holderIs(null);
    advanceClock(1_000);
  }
  const { counters } = await get("/api/force-sync/breaker");
  expect(counters).toMatchObject({ syncs_granted: ROUNDS, syncs_refused: ROUNDS * (AT_ONCE - 1) });
});

test("of a hundred triggers that may wait one runs, one waits, and all others are told both", async () => {
  const answers = await atOnce(AT_ONCE, () => start("ok", { on_busy: "queue" }));
  expect([count(answers, 200), count(answers, 202), count(answers, 409)]).toEqual([1, 1, AT_ONCE - 2]);
  const { activeSessionId, queued } = await workspaceObject().overview();
  for (const { body } of answers.filter((answer) => answer.status === 409)) {
    expect(body).toMatchObject({ code: "queue_full", active_session: activeSessionId });
    expect(body.queued_session).toBe(queued?.sessionId);
  }
});

describe("restarts by force, five at once", () => {
  async function settledDown(): Promise<{ readonly active: string; readonly queued: string | null }> {
    const { activeSessionId, queued } = await eventually(
      () => workspaceObject().overview(),
      (overview) => overview.activeSessionId !== null,
    );
    return { active: activeSessionId ?? "", queued: queued?.sessionId ?? null };
  }

  function idsOf(answers: readonly Answer[]): string[] {
    return answers.filter((answer) => answer.body.success).map((answer) => answer.body.session_id);
  }

  test("leave exactly one run active, at most one waiting, and every other one over", async () => {
    const first = await startedRun();
    const answers = await atOnce(5, () => start("ok", { force_restart: true }));
    for (const answer of answers) expect([200, 202, 409]).toContain(answer.status);
    const { active, queued } = await settledDown();
    expect(await isOver(first.session_id)).toBe(true);
    for (const id of idsOf(answers)) {
      if (id === active) expect(await isOver(id)).toBe(false);
      else if (id === queued) expect((await status(id)).state).toBe("queued");
      else expect((await status(id)).state).toBe("cancelled");
    }
    expect((await ringSession(active)).state).toBe("running");
    for (const id of idsOf(answers)) expect(await callsOf(id)).toBe(id === active ? 1 : 0);
  });

  test("leave a run that was cancelled without any call that would still leave", async () => {
    const first = await startedRun("503 ok");
    const answers = await atOnce(5, () => start("ok", { force_restart: true }));
    const { active } = await settledDown();
    await pass(first.session_id, 3_600_000);
    expect(await callsOf(first.session_id)).toBe(1);
    for (const id of idsOf(answers)) if (id !== active) expect(await callsOf(id)).toBe(0);
  });
});

test("triggers, cancels and restarts by force all at once leave at most one run active", async () => {
  const first = await startedRun();
  const acts: readonly (() => Promise<Answer>)[] = [
    () => start(),
    () => start("ok", { on_busy: "queue" }),
    () => start("ok", { force_restart: true }),
    () => cancel(first.session_id),
  ];
  const answers = await Promise.all(Array.from({ length: 6 }, () => acts.map((act) => act())).flat());
  const ids: string[] = answers.filter(({ body }) => body.success).map(({ body }) => body.session_id);
  await eventually(
    async () => Promise.all([...new Set(ids)].map((id) => status(id))),
    (runs) => runs.every((run: Body) => run.success),
  );
  const runs = await Promise.all([...new Set(ids)].map((id) => status(id)));
  const active = runs.filter((run) => run.state === "requested" || run.state === "running");
  const { activeSessionId } = await workspaceObject().overview();
  expect(active.map((run) => run.session_id)).toEqual(activeSessionId === null ? [] : [activeSessionId]);
  expect(runs.filter((run) => run.state === "queued").length).toBeLessThanOrEqual(1);
});
