// Schedules: nothing runs by itself until somebody creates one; what is due runs once, whatever becomes of the ticks.
import { abortAllDurableObjects } from "cloudflare:test";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { ScheduleJournal } from "../../src/schedules/journal.ts";
import { SyncSession } from "../../src/sync/object.ts";
import { type Answer, call, cancel, eventually, status } from "../support/worker/client.ts";
import {
  type Body,
  breakReports,
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
  ringSession,
  sentUnder,
  start,
  startedRun,
  takeOverClock,
} from "../support/worker/control.ts";
import { advanceClock, fixLuck } from "../support/worker/faults.ts";
import { sessionObject, startOver, workspaceObject } from "../support/worker/objects.ts";

beforeEach(takeOverClock);
afterEach(startOver);

const PATH = "/api/schedules";
type Fields = Readonly<Record<string, unknown>>;

const create = (fields: Fields = {}): Promise<Answer> => post(PATH, { name: "Mine", cron: "* * * * *", ...fields });

async function schedule(fields: Fields = {}): Promise<Body> {
  return (await create(fields)).body.schedule;
}

async function show(id: string): Promise<Body> {
  return (await get(`${PATH}/${id}`)).schedule;
}

/** The clock goes on to the schedule's next time. */
async function untilDue({ next_firings: next }: Body): Promise<void> {
  advanceClock(Date.parse(next[0].utc) - Date.now());
}

async function holder(): Promise<string | null> {
  return (await workspaceObject().overview()).activeSessionId;
}

async function grants(): Promise<number> {
  return (await logOf("sync_granted")).length;
}

function pointers({ status: code, body }: Answer): unknown[] {
  return [code, ...body.errors.map((error: Body) => error.pointer)];
}

describe("keeping schedules", () => {
  test("there is none at first, and nothing runs by itself", async () => {
    expect((await get(PATH)).schedules).toEqual([]);
    for (let hours = 0; hours < 24; hours += 4) {
      advanceClock(4 * HOUR_MS);
      await cronMinute();
    }
    expect([await holder(), await grants()]).toEqual([null, 0]);
  });

  test("one that is created says what it does and when it will, and starts nothing yet", async () => {
    const answer = await create({
      ...{ name: "Nightly", cron: "30 3 * * 1-5", time_zone: "Europe/Prague", sync_scope: "full" },
      ...{ agent_filter: ["geographic_audit"], client_context: { client_name: "Acme" }, on_busy: "queue" },
    });
    const { schedule: made } = answer.body;
    expect([answer.status, answer.headers.get("Location")]).toEqual([201, `${PATH}/${made.id}`]);
    expect(made).toMatchObject({
      ...{ name: "Nightly", cron: "30 3 * * 1-5", time_zone: "Europe/Prague", sync_scope: "full", on_busy: "queue" },
      ...{ agent_filter: ["geo_audit"], client_context: { client_name: "Acme" }, paused: false },
      ...{ created_by: OPERATOR, created_at: iso(Date.now()), last_firings: [] },
    });
    expect(made.next_firings).toHaveLength(5);
    for (const { local } of made.next_firings) expect(local).toContain("03:30");
    expect((await get(PATH)).schedules).toEqual([made]);
    expect(await show(made.id)).toEqual(made);
    expect(await holder()).toBeNull();
    expect(await logOf("schedule_created")).toMatchObject([{ actor: OPERATOR, schedule: made.id }]);
  });

  test.for([
    [{ cron: "every day" }, ["/cron"]],
    [{ cron: "61 * * * *" }, ["/cron"]],
    [{ cron: "0 0 31 2 *" }, ["/cron"]],
    [{ time_zone: "Mars/Olympus" }, ["/time_zone"]],
    [{ agent_filter: ["geo_audit", "nobody"] }, ["/agent_filter/1"]],
    [{ name: "" }, ["/name"]],
    [{ on_busy: "wait" }, ["/on_busy"]],
    [{ every: "day" }, ["/every"]],
  ] as const)("a wrong one is refused by name: %j", async ([fields, wrong]) => {
    expect(pointers(await create(fields))).toEqual([400, ...wrong]);
    expect((await get(PATH)).schedules).toEqual([]);
  });

  test("a change is checked like a new one, and counts from now on", async () => {
    const { id } = await schedule({ cron: "0 0 * * *" });
    expect(pointers(await call("PATCH", `${PATH}/${id}`, { body: { cron: "nonsense" } }))).toEqual([400, "/cron"]);
    const { body } = await call("PATCH", `${PATH}/${id}`, { body: { cron: "*/5 * * * *" } });
    expect(Date.parse(body.schedule.next_firings[0].utc) - Date.now()).toBeLessThanOrEqual(5 * MINUTE_MS);
  });

  test("one that is deleted is gone, and fires no more", async () => {
    const made = await schedule();
    const answer = await call("DELETE", `${PATH}/${made.id}`);
    expect([answer.status, answer.body]).toEqual([204, ""]);
    for (const method of ["GET", "DELETE"]) {
      expect((await call(method, `${PATH}/${made.id}`)).body.code).toBe("resource_not_found");
    }
    await untilDue(made);
    await cronMinute();
    expect([(await get(PATH)).schedules, await grants()]).toEqual([[], 0]);
  });

  test("there is room for fifty", async () => {
    for (let made = 0; made < 50; made++) expect((await create({ cron: "0 0 * * *" })).status).toBe(201);
    const answer = await create();
    expect([answer.status, answer.body.code]).toEqual([409, "schedule_limit"]);
    expect((await get(PATH)).schedules).toHaveLength(50);
  });
});

describe("one whose time has come", () => {
  test("is started by the cron minute, as what it was created for, and says so", async () => {
    const made = await schedule({ agent_filter: ["geo_audit"], client_context: { client_name: "ok Acme" } });
    await untilDue(made);
    await cronMinute();
    const id = (await holder()) ?? "";
    const run = await ringSession(id);
    expect(run).toMatchObject({ state: "running", trigger_source: "scheduled", triggered_by: "schedule Mine" });
    const [sent] = await sentUnder(id);
    expect(sent).toMatchObject({
      client_name: "ok Acme",
      input_data: { agent_filter: ["geo_audit"], triggered_by: "scheduled" },
    });
    const { last_firings: firings, next_firings: next } = await show(made.id);
    expect(firings).toEqual([
      {
        ...{ scheduled_for: made.next_firings[0].utc, outcome: "started", reason: null, at: iso(Date.now()) },
        ...{ late: false, session_id: id, status_url: `/api/force-sync/status/${id}` },
      },
    ]);
    expect(next[0].utc).toBe(made.next_firings[1].utc);
    expect(await logOf("schedule_fired")).toMatchObject([{ schedule: made.id, session_id: id, outcome: "started" }]);
  });

  test("is not started before its time", async () => {
    const made = await schedule();
    advanceClock(Date.parse(made.next_firings[0].utc) - Date.now() - 1);
    await cronMinute();
    expect(await grants()).toBe(0);
  });

  test.for([
    ["comes twice", cronMinute, cronMinute],
    ["comes twice, with everything killed in between", cronMinute, () => abortAllDurableObjects().then(cronMinute)],
    ["comes twice at once", () => Promise.all([cronMinute(), cronMinute()]), cronMinute],
  ] as const)("is started once when the tick %s", async ([, tick, again]) => {
    const made = await schedule();
    await untilDue(made);
    await tick();
    await again();
    expect(await grants()).toBe(1);
    expect((await show(made.id)).last_firings).toMatchObject([{ outcome: "started", session_id: await holder() }]);
  });

  test("is started once when a tick dies right after the start, and the next one writes it down", async () => {
    const made = await schedule();
    await untilDue(made);
    vi.spyOn(ScheduleJournal.prototype, "recordFiring").mockImplementationOnce(() => {
      throw new Error("the tick dies");
    });
    await cronMinute();
    const id = await holder();
    expect((await show(made.id)).last_firings).toEqual([]);
    await cronMinute();
    expect(await grants()).toBe(1);
    expect((await show(made.id)).last_firings).toMatchObject([{ outcome: "started", session_id: id }]);
  });

  test("is started once and recorded as started when a second tick comes while the first still asks the holder", async () => {
    const made = await schedule();
    const last = await startedRun();
    const stale = await sessionObject(last.session_id).poke();
    const repair = breakReports();
    await cancel(last.session_id);
    advanceClock(2 * MINUTE_MS);
    const poke = SyncSession.prototype.poke;
    let open: () => void = () => {};
    const gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    let asked = 0;
    vi.spyOn(SyncSession.prototype, "poke").mockImplementation(async function (this: SyncSession) {
      // Both ticks' own look at what is overdue finds nothing new; then the first one that starts has to wait.
      if (++asked <= 2) return stale;
      await gate;
      return poke.call(this);
    });
    const ticks = [workspaceObject().sweep(), workspaceObject().sweep()];
    await Promise.race(ticks);
    open();
    await Promise.all(ticks);
    repair();
    const { last_firings: firings } = await show(made.id);
    expect([firings[0].outcome, firings[0].session_id]).toEqual(["started", await holder()]);
  });

  test("is skipped when a run is active, and says which; the next time it is tried again", async () => {
    const made = await schedule();
    const active = await startedRun();
    await untilDue(made);
    await cronMinute();
    expect(await holder()).toBe(active.session_id);
    expect((await show(made.id)).last_firings).toMatchObject([
      { outcome: "skipped", session_id: active.session_id, reason: expect.any(String) },
    ]);
    expect(await logOf("schedule_skipped")).toMatchObject([{ schedule: made.id, outcome: "skipped" }]);
    await cancel(active.session_id);
    await holderIs(null);
    advanceClock(MINUTE_MS);
    await cronMinute();
    expect((await show(made.id)).last_firings).toMatchObject([{ outcome: "started" }, { outcome: "skipped" }]);
  });

  test("waits for its turn when it may, and starts once the active run is over", async () => {
    const made = await schedule({ on_busy: "queue" });
    const active = await startedRun();
    await untilDue(made);
    await cronMinute();
    const [firing] = (await show(made.id)).last_firings;
    expect(firing.outcome).toBe("queued");
    expect(await status(firing.session_id)).toMatchObject({ state: "queued", triggered_by: "schedule Mine" });
    advanceClock(MINUTE_MS);
    await cronMinute();
    expect((await show(made.id)).last_firings[0]).toMatchObject({ outcome: "skipped" });
    await cancel(active.session_id);
    await holderIs(firing.session_id);
    expect((await ringSession(firing.session_id)).state).toBe("running");
  });

  test("is refused while OPAL is left alone", async () => {
    fixLuck(0);
    const made = await schedule();
    // The breaker is open for half a minute.
    await untilDue(made);
    advanceClock(-10_000);
    const { session_id: id } = await startedRun("503");
    for (const failures of [1, 2]) {
      await eventually(
        () => get("/api/force-sync/breaker"),
        (breaker) => breaker.failures_in_window === failures,
      );
      await ringSession(id);
    }
    await cancel(id);
    await holderIs(null);
    advanceClock(10_000);
    await cronMinute();
    expect((await show(made.id)).last_firings).toMatchObject([{ outcome: "refused", session_id: null }]);
    expect(await holder()).toBeNull();
  });

  test("starts two schedules of the same minute one after the other: the second meets the first", async () => {
    const [first, second] = [await schedule({ name: "First" }), await schedule({ name: "Second" })];
    await untilDue(first);
    await cronMinute();
    const outcomes = [await show(first.id), await show(second.id)].map((made) => made.last_firings[0].outcome);
    expect(outcomes.toSorted()).toEqual(["skipped", "started"]);
    expect(await grants()).toBe(1);
  });
});

describe("after a time without ticks", () => {
  test("the latest firing runs once, and those before it are recorded as missed", async () => {
    const made = await schedule();
    await untilDue(made);
    advanceClock(5 * MINUTE_MS + 30_000);
    await cronMinute();
    expect(await grants()).toBe(1);
    const { last_firings: firings, next_firings: next } = await show(made.id);
    const first = Date.parse(made.next_firings[0].utc);
    expect(firings.map((firing: Body) => [firing.scheduled_for, firing.outcome, firing.late])).toEqual([
      [iso(first + 5 * MINUTE_MS), "started", false],
      ...[4, 3, 2, 1, 0].map((minutes) => [iso(first + minutes * MINUTE_MS), "missed", true]),
    ]);
    expect(next[0].utc).toBe(iso(first + 6 * MINUTE_MS));
    expect(await logOf("schedule_missed")).toMatchObject([{ schedule: made.id, firings: 5 }]);
    await cronMinute();
    expect(await grants()).toBe(1);
  });

  test("a single firing that is made up for is marked as late", async () => {
    const made = await schedule({ cron: "0 0 * * *" });
    await untilDue(made);
    advanceClock(3 * HOUR_MS);
    await cronMinute();
    expect((await show(made.id)).last_firings).toMatchObject([{ outcome: "started", late: true }]);
    expect(await logOf("schedule_missed")).toEqual([]);
  });
});

describe("pausing", () => {
  const change = (id: string, paused: boolean) => call("PATCH", `${PATH}/${id}`, { body: { paused } });

  test("keeps it from firing, and says who did it and when", async () => {
    const made = await schedule();
    const { body } = await change(made.id, true);
    expect(body.schedule).toMatchObject({ paused: true, paused_by: OPERATOR, next_firings: [] });
    expect(body.schedule.paused_at).toBe(iso(Date.now()));
    advanceClock(HOUR_MS);
    await cronMinute();
    expect([await grants(), (await show(made.id)).last_firings]).toEqual([0, []]);
  });

  test("ends with the next firing after it, and what lay in between was not missed", async () => {
    const made = await schedule();
    await change(made.id, true);
    advanceClock(HOUR_MS);
    const { body } = await change(made.id, false);
    expect(body.schedule).toMatchObject({ paused: false, paused_by: null });
    await cronMinute();
    expect(await grants()).toBe(0);
    await untilDue(body.schedule);
    await cronMinute();
    expect((await show(made.id)).last_firings).toMatchObject([{ outcome: "started", late: false }]);
    expect((await logOf("schedule_paused", "schedule_resumed")).map((entry) => entry.type)).toEqual([
      "schedule_resumed",
      "schedule_paused",
    ]);
  });
});

describe("running one now", () => {
  const runNow = (id: string) => post(`${PATH}/${id}/run`);

  test("starts what it does, in the name of whoever asked, also while it is paused", async () => {
    const made = await schedule({ agent_filter: ["geo_audit"] });
    await call("PATCH", `${PATH}/${made.id}`, { body: { paused: true } });
    const answer = await runNow(made.id);
    expect([answer.status, answer.body.agents_scheduled]).toEqual([200, ["geo_audit"]]);
    const run = await ringSession(answer.body.session_id);
    expect(run).toMatchObject({ triggered_by: OPERATOR, trigger_source: "force_sync", state: "running" });
    expect((await show(made.id)).last_firings).toEqual([]);
  });

  test("is refused while a run is active, or waits, as the schedule says", async () => {
    const active = await startedRun();
    const refused = await runNow((await schedule()).id);
    expect([refused.status, refused.body.active_session]).toEqual([409, active.session_id]);
    const waiting = await runNow((await schedule({ on_busy: "queue" })).id);
    expect([waiting.status, waiting.body.state]).toEqual([202, "queued"]);
    expect(await callsOf(waiting.body.session_id)).toBe(0);
  });

  test("of one that does not exist starts nothing", async () => {
    expect((await runNow("schedule-of-nobody")).status).toBe(404);
    expect(await holder()).toBeNull();
  });

  test("does not keep it from firing at its time", async () => {
    const made = await schedule({ agent_filter: ["geo_audit"] });
    const { body } = await runNow(made.id);
    await ringSession(body.session_id);
    await report(body, ["geo_audit"]);
    await holderIs(null);
    await untilDue(made);
    await cronMinute();
    expect((await show(made.id)).last_firings).toMatchObject([{ outcome: "started" }]);
  });
});

test("a started run's later end leaves the schedule's record as it is", async () => {
  const made = await schedule();
  await untilDue(made);
  await cronMinute();
  const id = (await holder()) ?? "";
  await ringSession(id);
  await pass(id, 10 * MINUTE_MS);
  expect((await status(id)).state).toBe("timed_out");
  expect((await show(made.id)).last_firings).toMatchObject([{ outcome: "started", session_id: id }]);
  expect((await start()).status).toBe(200);
});
