import {
  abortAllDurableObjects,
  evictAllDurableObjects,
  runDurableObjectAlarm,
  runInDurableObject,
} from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { nextWakeUp } from "../../src/sync/run/deadlines.ts";
import type { RunEvent } from "../../src/sync/run/events.ts";
import { NO_RUN } from "../../src/sync/run/state.ts";
import { Workspace } from "../../src/workspace/object.ts";
import {
  type Answer,
  agentEvent,
  CHAIN,
  eventually,
  opalLedger,
  runningSync,
  status,
  trigger,
  webhook,
} from "../support/worker/client.ts";
import { advanceClock, breakD1, fixLuck, stopClock } from "../support/worker/faults.ts";
import { type WholeLife, wholeLife } from "../support/worker/life.ts";
import {
  alarmOf,
  eventsOf,
  eventTypes,
  evict,
  ring,
  sessionObject,
  settled,
  settledInTime,
  startOver,
  workspaceObject,
} from "../support/worker/objects.ts";

afterEach(startOver);

const LIFE_TIMEOUT_MS = 120_000;

const WHOLE_RUN = [
  ...["requested", "attempt_started", "attempt_accepted", "remote_bound"],
  ...CHAIN.flatMap((agent) => [
    ...[`delivery_recorded ${agent}`, `agent_started ${agent}`],
    ...[`delivery_recorded ${agent}`, `agent_completed ${agent}`],
  ]),
  "ended",
];

function told(events: readonly RunEvent[]): string[] {
  return events.map((event) => ("agentId" in event ? `${event.type} ${event.agentId}` : event.type));
}

async function countInD1(table: string, sessionId: string): Promise<number | null> {
  return env.DB.prepare(`SELECT count(*) AS n FROM ${table} WHERE session_id = ?`).bind(sessionId).first<number>("n");
}

describe("a whole run ends the same, each event once", () => {
  test.for([
    ["undisturbed", async () => {}],
    ["when its session is evicted between every two steps", (id: string) => evict(sessionObject(id))],
    ["when the workspace is evicted between every two steps", () => evict(workspaceObject())],
    ["when every object is evicted between every two steps", () => evictAllDurableObjects()],
    ["when every object is killed between every two steps", abortAllDurableObjects],
    [
      "when alarms ring between every two steps",
      async (id: string) => ring(sessionObject(id)).then(() => ring(workspaceObject())),
    ],
  ] as const)("%s", async ([, disturb]) => {
    const { body: run } = await trigger();
    await disturb(run.session_id);
    await eventually(
      () => status(run.session_id),
      (now) => now.state === "running",
    );
    for (const agent of CHAIN) {
      for (const outcome of ["started", "completed"]) {
        await disturb(run.session_id);
        const payload = agentEvent(run, agent, outcome);
        expect((await webhook(payload)).body.status).toBe("processed");
        await disturb(run.session_id);
        expect((await webhook(payload)).body.status).toBe("duplicate");
      }
    }
    const events = await eventsOf(run.session_id);
    expect(told(events)).toEqual(WHOLE_RUN);
    expect(events.map((event) => event.seq)).toEqual(events.map((_event, index) => index + 1));
    // A delivery to D1 or the workspace that a kill interrupted is taken up again by the alarm.
    await ring(sessionObject(run.session_id));
    await settled(run.session_id);
    expect(await status(run.session_id)).toMatchObject({
      ...{ state: "completed", progress: 100, completed_agents: 9, retry_attempts: 0, double_starts: 0 },
      deliveries: { processed: 18, duplicate: 18, late: 0, ignored: 0, quarantined: 0 },
    });
    expect(await opalLedger(run.session_id)).toHaveLength(1);
    expect(await countInD1("run_events", run.session_id)).toBe(WHOLE_RUN.length);
    expect(await countInD1("webhook_events", run.session_id)).toBe(18);
    expect((await workspaceObject().overview()).activeSessionId).toBeNull();
  });
});

describe("a whole life, with everything that can go wrong in it, leaves the same behind", () => {
  async function evictAll(): Promise<void> {
    for (const id of await workspaceObject().sessions("", 100)) await evict(sessionObject(id));
    await evict(workspaceObject());
  }

  let undisturbed: WholeLife;

  beforeAll(async () => {
    undisturbed = await wholeLife(async () => {});
    await startOver();
  }, LIFE_TIMEOUT_MS);

  test("undisturbed", () => {
    const { statuses, events, checks, overview } = undisturbed;
    expect(statuses).toMatchObject([
      {
        state: "partially_completed",
        completed_agents: 8,
        retry_attempts: 3,
        retried_as: [{ session_id: "sync-run3" }],
      },
      { state: "partially_completed", completed_agents: 8, retry_attempts: 0 },
      { state: "completed", completed_agents: 1, attempt: 2, retry_of: "sync-run1" },
    ]);
    const whatHappened = new Set(events.flat().map((event) => event.because ?? event.type));
    for (const event of ["breaker_open", "agent_timed_out", "invalid_result", "fallback_used", "result_attached"]) {
      expect(whatHappened).toContain(event);
    }
    expect(checks.map((check) => [check.isStateFold, check.differences])).toEqual(checks.map(() => [true, []]));
    expect(overview).toMatchObject({ activeSessionId: null, queued: null, breaker: { state: "closed" } });
  });

  test.for([
    ["when the workspace and every session are evicted between every two steps", evictAll],
    ["when every object is killed between every two steps", abortAllDurableObjects],
  ] as const)("%s", { timeout: LIFE_TIMEOUT_MS }, async ([, disturb]) => {
    expect(await wholeLife(disturb)).toEqual(undisturbed);
  });
});

describe("killed between the trigger and the first poll", () => {
  test.for([
    ["while it waits for its next attempt", "503 503 ok", (run: Answer["body"]) => run.attempts[0]?.state === "failed"],
    ["once OPAL has accepted", "ok", (run: Answer["body"]) => run.state === "running"],
    ["once it has failed", "401", (run: Answer["body"]) => run.state === "failed"],
  ] as const)("%s, the run answers as before", async ([, opal, isThere]) => {
    stopClock();
    fixLuck(0.9);
    const { body } = await trigger(opal);
    const before = await eventually(() => status(body.session_id), isThere);
    await abortAllDurableObjects();
    expect(await status(body.session_id)).toEqual(before);
  });
});

describe("the one alarm", () => {
  test("is set to the next thing the run waits for, after every step", async () => {
    const run = await runningSync();
    const session = sessionObject(run.session_id);
    for (const agent of CHAIN) {
      await webhook(agentEvent(run, agent));
      // Once D1 and the workspace have heard of it, only the run's own deadlines are left.
      await eventually(
        async () => ({ alarm: await alarmOf(session), due: nextWakeUp((await session.read())?.run ?? NO_RUN) ?? null }),
        ({ alarm, due }) => alarm === due,
      );
    }
    expect(await alarmOf(session)).toBeNull();
    await eventually(
      () => alarmOf(workspaceObject()),
      (at) => at === null,
    );
  });

  test("ringing twice in a row does nothing twice", async () => {
    stopClock();
    fixLuck(0);
    const { body } = await trigger("slow:200 ok");
    const session = sessionObject(body.session_id);
    await Promise.all([ring(session), ring(session)]);
    await ring(session);
    expect(await opalLedger(body.session_id)).toHaveLength(1);
    advanceClock(61_000);
    await Promise.all([ring(session), ring(session)]);
    await ring(session);
    const types = await eventTypes(body.session_id);
    expect(types.filter((type) => type === "agent_timed_out")).toHaveLength(1);
    // One for the run, one for its silent agent.
    expect(types.filter((type) => type === "attempt_started")).toHaveLength(2);
    expect(await opalLedger(body.session_id)).toHaveLength(1);
    expect(await opalLedger(`${body.session_id}.rerun-1`)).toHaveLength(1);
  });
});

describe("an alarm never throws, and comes back", () => {
  /** Runs the alarm as the platform does: what it does not arm anew is gone. */
  async function ringsAndComesBack(object: Parameters<typeof ring>[0]): Promise<void> {
    // From here on no alarm rings by itself: the real clock is an hour behind.
    advanceClock(60 * 60_000);
    for (let times = 0; times < 10; times++) {
      advanceClock(60_000);
      await runDurableObjectAlarm(object);
      expect(await alarmOf(object)).not.toBeNull();
    }
  }

  test("while D1 is down", async () => {
    stopClock();
    const { body } = await trigger("503");
    const repair = breakD1();
    await ringsAndComesBack(sessionObject(body.session_id));
    repair();
    await settledInTime(body.session_id);
  });

  test("while the workspace does not answer", async () => {
    stopClock();
    const { body } = await trigger("503");
    const report = vi.spyOn(Workspace.prototype, "report").mockRejectedValue(new Error("overloaded"));
    await ringsAndComesBack(sessionObject(body.session_id));
    report.mockRestore();
    await settledInTime(body.session_id);
  });

  test.for([
    ["the session", "outbox", (id: string) => sessionObject(id)],
    ["the session", "events", (id: string) => sessionObject(id)],
    ["the workspace", "outbox", () => workspaceObject()],
    ["the workspace", "held", () => workspaceObject()],
    ["the workspace", "runs", () => workspaceObject()],
  ] as const)("while %s cannot use its table %s", async ([, table, objectOf]) => {
    stopClock();
    const run = await runningSync();
    const object = objectOf(run.session_id);
    const rename = (from: string, to: string) =>
      runInDurableObject(
        object,
        (_instance, state) => void state.storage.sql.exec(`ALTER TABLE ${from} RENAME TO ${to}`),
      );
    await rename(table, "away");
    await ringsAndComesBack(object);
    await rename("away", table);
    await ring(object);
    expect((await status(run.session_id)).agents[0]).toMatchObject({ status: "timed_out" });
  });
});

test("a write that fails leaves memory as it was, and the same delivery is welcome afterwards", async () => {
  const run = await runningSync();
  const session = sessionObject(run.session_id);
  const payload = agentEvent(run, "integration_health");
  const rename = (from: string, to: string) =>
    runInDurableObject(
      session,
      (_instance, state) => void state.storage.sql.exec(`ALTER TABLE ${from} RENAME TO ${to}`),
    );
  for (const table of ["events", "bodies", "outbox", "state_cache"]) {
    const before = await eventsOf(run.session_id);
    await rename(table, "away");
    const refused = await webhook(payload);
    expect([refused.status, refused.headers.get("Retry-After")]).toEqual([503, "2"]);
    await rename("away", table);
    expect(await eventsOf(run.session_id)).toEqual(before);
    expect(await status(run.session_id)).toMatchObject({ completed_agents: 0, deliveries: { processed: 0 } });
  }
  expect((await webhook(payload)).body.status).toBe("processed");
  expect((await status(run.session_id)).completed_agents).toBe(1);
  expect((await eventTypes(run.session_id)).filter((type) => type === "delivery_recorded")).toHaveLength(1);
});
