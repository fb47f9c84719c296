// The live feed in its object: each event once, whoever says it how often, and sockets that are sent what they want.
import { abortAllDurableObjects, runInDurableObject } from "cloudflare:test";
import { afterEach, describe, expect, test, vi } from "vitest";
import { LIVE_TABLES } from "../../src/live/journal.ts";
import { newsOf } from "../../src/live/news.ts";
import { log as logLine } from "../../src/platform/log.ts";
import type { RunReport } from "../../src/sync/report.ts";
import { fold } from "../../src/sync/run/reduce.ts";
import { NO_RUN } from "../../src/sync/run/state.ts";
import { tellNews } from "../../src/sync/telling.ts";
import { Workspace } from "../../src/workspace/object.ts";
import {
  type Answer,
  API_KEY,
  agentEvent,
  allAgentsReport,
  call,
  cancel,
  eventually,
  ORIGIN,
  runningSync,
  send,
  trigger,
  webhook,
} from "../support/worker/client.ts";
import { switchOff, switchOn } from "../support/worker/control.ts";
import { advanceClock, fixLuck, stopClock } from "../support/worker/faults.ts";
import { handshake, type Watcher, watch } from "../support/worker/live.ts";
import {
  alarmOf,
  eventsOf,
  evict,
  query,
  quiet,
  ring,
  sessionObject,
  settled,
  startOver,
  workspaceObject,
} from "../support/worker/objects.ts";
import { address, announce, deliveryIds, FEED, noted, numbers } from "../support/worker/stream.ts";

afterEach(startOver);

type Query = Readonly<Record<string, unknown>>;

const feed = (filter?: Query, more: Readonly<Record<string, string>> = {}) =>
  watch(address(FEED, { ...(filter === undefined ? {} : { filter: JSON.stringify(filter) }), ...more }));

function changes(watcher: Watcher): { readonly data: Answer["body"] }[] {
  return watcher.messages.flatMap(({ type, change }) =>
    type === "change" ? [{ data: JSON.parse(JSON.stringify(change)) }] : [],
  );
}

function shows(watcher: Watcher, isThere: (data: Answer["body"][]) => boolean): Promise<Answer["body"][]> {
  return eventually(async () => changes(watcher).map(({ data }) => data), isThere);
}

/** What the ring holds, as it is kept. */
const ringRows = () => query(workspaceObject(), "SELECT name, session_id, data FROM live_events ORDER BY seq");

async function reportOf(sessionId: string): Promise<RunReport> {
  const report = await sessionObject(sessionId).poke();
  if (report === undefined) throw new Error("the run is gone");
  return report;
}

describe("what is told", () => {
  test("is the news of the whole log, although every report arrives twice and in between everybody forgets", async () => {
    const run = await runningSync();
    const session = sessionObject(run.session_id);
    const again = async () => {
      const { news } = newsOf(NO_RUN, await eventsOf(run.session_id));
      await workspaceObject().report(await reportOf(run.session_id), news);
    };
    for (const agent of ["integration_health", "content_review", "geo_audit"]) {
      await webhook(agentEvent(run, agent, "started"));
      await again();
      await evict(session);
      await webhook(agentEvent(run, agent));
      await evict(workspaceObject());
      await again();
    }
    await cancel(run.session_id);
    await settled(run.session_id);
    await again();
    const { news } = newsOf(NO_RUN, await eventsOf(run.session_id));
    const rows = await ringRows();
    expect(rows.map(({ name }) => name)).toEqual(news.map(({ event }) => event.name));
    expect(rows.filter(({ name }) => name === "workflow_completed")).toHaveLength(1);
    expect(rows.filter(({ name }) => name === "force_sync_completed")).toHaveLength(1);
  });

  test("comes when the workspace could not be told for a while, all of it", async () => {
    const run = await runningSync();
    await settledNews(run.session_id);
    vi.spyOn(Workspace.prototype, "report").mockRejectedValue(new Error("not now"));
    await allAgentsReport(run);
    await abortAllDurableObjects();
    vi.restoreAllMocks();
    await webhook(agentEvent(run, "geo_audit", "in_progress"));
    await settledNews(run.session_id);
  });

  /** Waits until the ring says all that follows from the log. */
  async function settledNews(sessionId: string): Promise<void> {
    const { news } = newsOf(NO_RUN, await eventsOf(sessionId));
    const expected = news.map(({ event }) => event.name);
    const rows = await eventually(ringRows, (found) => found.length >= expected.length);
    expect(rows.map(({ name }) => name)).toEqual(expected);
  }

  test("is told for messages that an older version left in the outbox", async () => {
    stopClock();
    advanceClock(3_600_000);
    const { body: run } = await trigger();
    await quiet();
    const before = (await ringRows()).length;
    const session = sessionObject(run.session_id);
    await runInDurableObject(session, (_instance, { storage }) => {
      storage.sql.exec("DELETE FROM outbox WHERE destination = 'workspace'");
    });
    await webhook(agentEvent(run, "geo_audit", "started"));
    await quiet();
    // As it was written then: the number of the last event, not of the first.
    const events = await eventsOf(run.session_id);
    await runInDurableObject(session, (_instance, { storage }) => {
      storage.sql.exec("INSERT INTO outbox (destination, message) VALUES ('workspace', ?)", String(events.length));
      storage.sql.exec(
        "INSERT INTO outbox_destinations (destination, failures, next_at, claimed) VALUES ('workspace', 0, 0, 0)",
      );
    });
    await evict(session);
    await quiet();
    expect(await query(session, "SELECT id FROM outbox WHERE destination = 'workspace'")).toEqual([]);
    const { news } = newsOf(NO_RUN, events);
    expect((await ringRows()).map(({ name }) => name)).toEqual(news.map(({ event }) => event.name));
    expect(before).toBeGreaterThan(0);
  });

  test("is told of a log of any length, page by page", async () => {
    const run = await runningSync();
    for (let page = 0; page < 4; page++) {
      await Promise.all(
        numbers(1, 40).map((note) => webhook(agentEvent(run, "geo_audit", "in_progress", { note: `${page}.${note}` }))),
      );
    }
    const log = await eventsOf(run.session_id);
    expect(log.length).toBeGreaterThan(300);
    const journal = { eventsAfter: (seq: number, limit = log.length) => log.slice(seq, seq + limit) };
    for (const since of [1, 150, log.length, log.length + 1]) {
      for (const told of [NO_RUN, fold(log.slice(0, 200))]) {
        const pages: number[][] = [];
        await tellNews(journal, { since, upTo: log.length, told }, async (news) => {
          pages.push(news.map(({ seq }) => seq));
        });
        const from = Math.max(told.seq, since - 1);
        const expected = newsOf(NO_RUN, log).news.filter(({ seq }) => seq > from && since <= log.length);
        expect(pages.flat()).toEqual(expected.map(({ seq }) => seq));
        expect(Math.max(...pages.map((page) => new Set(page).size))).toBeLessThanOrEqual(100);
        expect(pages.length).toBeGreaterThan(0);
      }
    }
    await settledNews(run.session_id);
  });

  test("by another object is taken once, and nothing of it that comes too late", async () => {
    await announce("inbox", [1, 2]);
    await announce("inbox", [1, 2, 3]);
    await announce("inbox", [2]);
    await announce("another inbox", [1]);
    await workspaceObject().announce("inbox", [noted(4), noted(4, { name: "error_notification" })]);
    await announce("inbox", []);
    const rows = await ringRows();
    expect(rows.map(({ data }) => JSON.parse(String(data)).delivery_id)).toEqual([
      "whd_1",
      "whd_2",
      "whd_3",
      "whd_1",
      "whd_4",
      "whd_4",
    ]);
  });

  test("keeps the newest 2,000, and goes on counting", async () => {
    for (let page = 0; page < 21; page++) await announce("inbox", numbers(1 + page * 100, 100 + page * 100));
    const [row] = await query(
      workspaceObject(),
      "SELECT count(*) AS n, MIN(seq) AS oldest, MAX(seq) AS newest FROM live_events",
    );
    expect(row).toEqual({ n: 2_000, oldest: 101, newest: 2_100 });
  });

  test("of the workspace itself is told once: the breaker, and a run that lost its record", async () => {
    fixLuck(0);
    const watcher = await feed({ event_types: ["system_health_alert", "workflow_completed", "force_sync_completed"] });
    const { body: run } = await trigger("503");
    await shows(watcher, (all) => all.some(({ alert }) => alert === "breaker_opened"));
    await workspaceObject().resetBreaker("an administrator", "OPAL is well again");
    const told = await shows(watcher, (all) => all.some(({ type }) => type === "force_sync_completed"));
    expect(told).toMatchObject([
      { alert: "breaker_opened", component: "opal_calls", status: "unhealthy", priority: "critical", session_id: null },
      { alert: "breaker_reset", status: "healthy", actor: "an administrator", reason: "OPAL is well again" },
      { type: "workflow_completed", session_id: run.session_id, workflowStatus: "failed", priority: "critical" },
      { type: "force_sync_completed", session_id: run.session_id },
    ]);
    await settled(run.session_id);

    const lost = await runningSync();
    await settledNewsOf(lost.session_id);
    await runInDurableObject(sessionObject(lost.session_id), async (_instance, { storage }) => {
      await storage.deleteAll();
    });
    await evict(sessionObject(lost.session_id));
    stopClock();
    advanceClock(7_200_000);
    await workspaceObject().sweep();
    await workspaceObject().sweep();
    const all = await shows(watcher, (found) => found.some(({ alert }) => alert === "lease_recovered"));
    const ofLost = all.filter(({ session_id }) => session_id === lost.session_id);
    expect(ofLost.map(({ type, alert, workflowStatus }) => [type, alert ?? workflowStatus])).toEqual([
      ["system_health_alert", "session_lost"],
      ["workflow_completed", "failed"],
      ["force_sync_completed", "failed"],
      ["system_health_alert", "lease_recovered"],
    ]);
  });

  async function settledNewsOf(sessionId: string): Promise<void> {
    await eventually(ringRows, (rows) => rows.some((row) => row.session_id === sessionId));
  }

  test("leaves out what a workspace did before it had a feed", async () => {
    await switchOff();
    await runInDurableObject(workspaceObject(), (_instance, { storage }) => {
      for (const table of ["live_events", "live_sources"]) storage.sql.exec(`DROP TABLE ${table}`);
      for (const statement of LIVE_TABLES) storage.sql.exec(statement);
    });
    await switchOn();
    const rows = await ringRows();
    expect(rows.map(({ data }) => JSON.parse(String(data)).alert)).toEqual(["switched_on"]);
  });
});

describe("a socket on the feed", () => {
  test("begins with how things stand, then shows every event once, and goes on where it was", async () => {
    const before = await feed();
    const [first] = await eventually(
      async () => before.messages,
      (messages) => messages.length === 1,
    );
    expect(first).toMatchObject({ type: "snapshot", seq: 0, state: { active_session: null, runs: [] } });
    await announce("inbox", [1, 2]);
    await shows(before, (all) => all.length === 2);
    before.close();
    await announce("inbox", numbers(3, 12));
    const after = await feed(undefined, { since: `${first?.epoch}.2` });
    await shows(after, (all) => all.length === 10);
    expect(after.messages.map(({ type, seq }) => [type, seq])).toEqual(numbers(3, 12).map((seq) => ["change", seq]));
    expect(deliveryIds(changes(after))).toEqual(numbers(3, 12).map((seq) => `whd_${seq}`));
    const lost = await feed(undefined, { since: `${first?.epoch}.99` });
    await eventually(
      async () => lost.messages,
      (messages) => messages.length === 1,
    );
    expect(lost.messages).toMatchObject([{ type: "reset", seq: 12, state: { runs: [] } }]);
  });

  test("and one on the overview get nothing of each other's", async () => {
    const [events, overview] = [await feed(), await watch("/api/force-sync/live")];
    await announce("inbox", [1]);
    await shows(events, (all) => all.length === 1);
    const run = await runningSync();
    await shows(events, (all) => all.some(({ status }) => status === "running"));
    await eventually(
      async () => overview.messages,
      (messages) => messages.some(({ change }) => JSON.stringify(change ?? {}).includes('"status":"running"')),
    );
    expect(changes(events).every(({ data }) => typeof data.type === "string")).toBe(true);
    expect(changes(overview).every(({ data }) => "activeSessionId" in data)).toBe(true);
    expect(run.session_id).toMatch(/^sync-/);
  });

  test("counts only what it was really sent against its window, and skips the rest", async () => {
    stopClock();
    const watcher = await feed({ min_priority: "high" });
    // Far more than a window, none of it wanted.
    for (let page = 0; page < 10; page++) await announce("inbox", numbers(1 + page * 100, 100 + page * 100));
    const wanted = (seqs: readonly number[]) =>
      workspaceObject().announce(
        "inbox",
        seqs.flatMap((seq) => [noted(seq), noted(seq, { priority: "high" })]),
      );
    for (let page = 10; page < 15; page++) await wanted(numbers(1 + page * 100, 100 + page * 100));
    await shows(watcher, (all) => all.length === 500);
    expect(watcher.messages.map(({ type }) => type)).not.toContain("resync");
    await wanted(numbers(1_501, 1_520));
    const messages = await eventually(
      async () => watcher.messages,
      (all) => all.at(-1)?.type === "resync",
    );
    expect(changes(watcher)).toHaveLength(512);
    advanceClock(10_000);
    await ring(workspaceObject());
    await eventually(
      async () => watcher.closedWith(),
      (code) => code === 4008,
    );
    const { epoch, seq } = messages.at(-1) ?? { epoch: "", seq: 0 };
    const again = await feed({ min_priority: "high" }, { since: `${epoch}.${seq}` });
    await shows(again, (all) => all.length === 8);
    expect(deliveryIds([...changes(watcher), ...changes(again)])).toEqual(numbers(1_001, 1_520).map((n) => `whd_${n}`));
    expect(await alarmOf(workspaceObject())).not.toBe(Date.now());
  });

  test("that acknowledges in time stays connected through any number of events", async () => {
    const watcher = await feed({ min_priority: "high" });
    for (let page = 0; page < 15; page++) {
      const seqs = numbers(1 + page * 100, 100 + page * 100);
      await workspaceObject().announce(
        "inbox",
        seqs.map((seq) => noted(seq, { priority: seq % 2 === 0 ? "high" : "low" })),
      );
      await shows(watcher, (all) => all.length === 50 * (page + 1));
      watcher.acknowledge(watcher.messages.at(-1)?.seq ?? 0);
    }
    expect(watcher.messages.map(({ type }) => type)).not.toContain("resync");
  });

  test("that comes with more to catch up on than its window is given time to acknowledge", async () => {
    stopClock();
    for (let page = 0; page < 12; page++) await announce("inbox", numbers(1 + page * 100, 100 + page * 100));
    const watcher = await feed({ include_historical: true });
    await shows(watcher, (all) => all.length === 512);
    await announce("inbox", [1_201]);
    watcher.acknowledge(512);
    await shows(watcher, (all) => all.length === 1_024);
    advanceClock(9_999);
    await ring(workspaceObject());
    watcher.acknowledge(1_024);
    await shows(watcher, (all) => all.length === 1_201);
    expect(deliveryIds(changes(watcher))).toEqual(numbers(1, 1_201).map((seq) => `whd_${seq}`));

    const idle = await feed({ include_historical: true });
    await shows(idle, (all) => all.length === 512);
    advanceClock(10_000);
    await ring(workspaceObject());
    await eventually(
      async () => idle.closedWith(),
      (code) => code === 4008,
    );
    expect(idle.messages.at(-1)).toMatchObject({ type: "resync", seq: 512 });
    expect(watcher.closedWith()).toBeUndefined();
  });

  test("keeps its filter when its object is evicted", async () => {
    const watcher = await feed({ min_priority: "high" });
    for (const seq of [1, 2, 3]) {
      await evict(workspaceObject());
      await workspaceObject().announce("inbox", [noted(seq, { priority: seq === 2 ? "critical" : "medium" })]);
    }
    await workspaceObject().announce("inbox", [noted(4, { priority: "high" })]);
    expect((await shows(watcher, (all) => all.length === 2)).map((data) => data.delivery_id)).toEqual([
      "whd_2",
      "whd_4",
    ]);
    expect(watcher.closedWith()).toBeUndefined();
  });
});

describe("a thousand sockets", () => {
  const SOCKETS = 1_000;
  const open = async (filter?: Query) => {
    const watchers: Watcher[] = [];
    for (let done = 0; done < SOCKETS; done += 100) {
      watchers.push(...(await Promise.all(Array.from({ length: 100 }, () => feed(filter)))));
    }
    return watchers;
  };

  test("that want something else cost next to nothing", async () => {
    await open({ min_priority: "critical" });
    const reads: string[] = [];
    await runInDurableObject(workspaceObject(), (_instance, state) => {
      const [socket] = state.getWebSockets("live-events");
      const prototype: WebSocket = Object.getPrototypeOf(socket);
      for (const name of ["serializeAttachment", "deserializeAttachment", "send"] as const) {
        const original = prototype[name];
        vi.spyOn(prototype, name).mockImplementation(function (this: WebSocket, ...given: never[]) {
          reads.push(name);
          return Reflect.apply(original, this, given);
        });
      }
    });
    for (const seq of numbers(1, 20)) await announce("inbox", [seq]);
    expect(reads).toEqual([]);
    const startedAt = performance.now();
    await workspaceObject().announce("inbox", [noted(21, { priority: "critical" })]);
    logLine("info", "measured", {
      what: "one event to all sockets, announced",
      sockets: SOCKETS,
      duration_ms: Math.round(performance.now() - startedAt),
    });
    expect(reads.filter((name) => name === "send")).toHaveLength(SOCKETS);
    expect(reads.filter((name) => name === "serializeAttachment")).toHaveLength(SOCKETS);
    expect(reads.filter((name) => name === "deserializeAttachment")).toEqual([]);
  });

  test("are sent one event each", async () => {
    const watchers = await open();
    const startedAt = performance.now();
    await announce("inbox", [1]);
    await eventually(
      async () => watchers.filter((watcher) => changes(watcher).length === 1).length,
      (count) => count === SOCKETS,
    );
    logLine("info", "measured", {
      what: "one event at all sockets",
      sockets: SOCKETS,
      duration_ms: Math.round(performance.now() - startedAt),
    });
    expect(watchers.every((watcher) => watcher.messages.length === 2)).toBe(true);
  });
});

describe("a handshake on the feed", () => {
  test.for([
    ["without credentials", {}, 401],
    ["with a wrong key", { Authorization: "Bearer wrong" }, 401],
    ["with a key", { Authorization: `Bearer ${API_KEY}` }, 101],
    ["with the cookie, from another site", { Origin: "https://evil.example" }, 403],
    ["with the cookie, from our own page", { Origin: ORIGIN }, 101],
  ] as const)("%s", async ([, headers, expected]) => {
    const signIn = await send("/api/auth/login", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ email: "operator@osa.localhost", password: "test-password" }),
    });
    const cookie = { Cookie: signIn.headers.get("Set-Cookie")?.split(";")[0] ?? "" };
    const response = await handshake(FEED, { ...headers, ...("Origin" in headers ? cookie : {}) });
    expect([response.status, response.webSocket === null]).toEqual([expected, expected !== 101]);
    response.webSocket?.accept();
    response.webSocket?.close();
  });

  test("with a filter that does not fit is refused by name, and one that is none is told to be one", async () => {
    const refused = await handshake(address(FEED, { filter: '{"min_priority":"urgent"}' }));
    const problem: { errors: { pointer: string }[] } = await refused.json();
    expect([refused.status, problem.errors.map(({ pointer }) => pointer)]).toEqual([400, ["?filter.min_priority"]]);
    expect((await call("GET", FEED)).body.code).toBe("upgrade_required");
  });
});
