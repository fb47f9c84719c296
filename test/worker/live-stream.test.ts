// The live feed as a stream of server-sent events: what comes, to whom, and what a dropped connection costs.
import { abortAllDurableObjects, runInDurableObject } from "cloudflare:test";
import { afterEach, describe, expect, test } from "vitest";
import {
  agentEvent,
  allAgentsReport,
  cancel,
  eventually,
  runningSync,
  send,
  webhook,
} from "../support/worker/client.ts";
import { switchOff, switchOn } from "../support/worker/control.ts";
import { evict, settled, startOver, workspaceObject } from "../support/worker/objects.ts";
import {
  announce,
  deliveryIds,
  type Frame,
  type Listener,
  listen,
  noted,
  numbers,
  openStream,
} from "../support/worker/stream.ts";

afterEach(startOver);

function comes(listener: Listener, isThere: (events: readonly Frame[]) => boolean): Promise<readonly Frame[]> {
  return eventually(async () => listener.events(), isThere);
}

function socketsOpen(): Promise<number> {
  return runInDurableObject(
    workspaceObject(),
    (_instance, state) => state.getWebSockets("live-events").filter(({ readyState }) => readyState === 1).length,
  );
}

const named = (events: readonly Frame[], name: string) => events.filter(({ event }) => event === name);

describe("a stream", () => {
  test("is one that nobody caches or holds up, with its place in the feed first", async () => {
    const listener = await listen();
    const { headers, status } = listener.response;
    expect(status).toBe(200);
    expect(headers.get("Content-Type")).toBe("text/event-stream; charset=utf-8");
    expect(headers.get("Cache-Control")).toBe("no-cache, no-transform");
    expect(headers.get("X-Accel-Buffering")).toBe("no");
    expect(listener.frames).toEqual([{ retry: "3000" }, { id: expect.stringMatching(/^events-\d+\.0$/) }]);
  });

  test("tells a whole run, every change once, and its end in exactly one signal of each kind", async () => {
    const listener = await listen();
    const run = await runningSync();
    await allAgentsReport(run);
    await settled(run.session_id);
    await runningSync();
    const events = await comes(listener, (all) =>
      all.some(({ data }) => data.status === "running" && data.session_id !== run.session_id),
    );
    const ofRun = events.filter(({ data }) => data.session_id === run.session_id);
    for (const name of ["workflow_completed", "force_sync_completed"]) {
      expect(named(events, name)).toMatchObject([
        { data: { type: name, event_type: name, workflowStatus: "completed", session_id: run.session_id } },
      ]);
    }
    const changes = named(ofRun, "agent_status_change").map(({ data }) => `${data.agent_id} ${data.current_status}`);
    expect(changes).toHaveLength(18);
    expect(new Set(changes).size).toBe(18);
    expect(named(ofRun, "webhook_processed")).toHaveLength(18);
    expect(named(ofRun, "workflow_progress_update").at(-1)?.data).toMatchObject({ progress_percentage: 100 });
    const ids = events.map(({ id }) => Number(id?.split(".")[1]));
    expect(ids).toEqual(numbers(1, ids.length));
  });

  test("compares an agent's time with that of its last earlier run", async () => {
    const first = await runningSync();
    await webhook(agentEvent(first, "geo_audit", "started"));
    await webhook(agentEvent(first, "geo_audit"));
    await cancel(first.session_id);
    await settled(first.session_id);
    const listener = await listen({ filter: JSON.stringify({ event_types: ["performance_metric_update"] }) });
    const second = await runningSync();
    await webhook(agentEvent(second, "geo_audit", "started"));
    await webhook(agentEvent(second, "geo_audit"));
    const [metric] = await comes(listener, (events) => events.length === 1);
    expect(metric?.data).toMatchObject({ agent_id: "geo_audit", previous_value: expect.any(Number) });
    expect(["up", "down", "stable"]).toContain(metric?.data.trend);
  });

  test("tells when triggering is switched off and on", async () => {
    const listener = await listen();
    await switchOff("OPAL is being moved");
    await switchOn();
    const events = await comes(listener, (all) => all.length === 2);
    expect(events.map(({ data }) => [data.alert, data.component, data.priority, data.reason])).toEqual([
      ["switched_off", "triggering", "critical", "OPAL is being moved"],
      ["switched_on", "triggering", "medium", null],
    ]);
  });
});

describe("a connection that was dropped", () => {
  test("is taken up again with exactly the ten events that it missed, in order", async () => {
    const before = await listen();
    await announce("test", numbers(1, 3));
    await comes(before, (events) => events.length === 3);
    await before.close();
    await announce("test", numbers(4, 13));
    const after = await listen({}, before.lastId());
    await announce("test", [14]);
    const events = await comes(after, (all) => all.length >= 11);
    expect(deliveryIds(events)).toEqual(numbers(4, 14).map((seq) => `whd_${seq}`));
    expect(after.frames[1]).toMatchObject({ event: "webhook_processed" });
  });

  test("before any event had come has an id to come back with all the same", async () => {
    const before = await listen();
    await before.close();
    await announce("test", [1, 2]);
    const after = await listen({ last_event_id: before.lastId() });
    expect(deliveryIds(await comes(after, (events) => events.length === 2))).toEqual(["whd_1", "whd_2"]);
  });

  test("goes by the header when the address still has an older id", async () => {
    const before = await listen();
    await announce("test", numbers(1, 3));
    const [first, second] = await comes(before, (events) => events.length === 3);
    const after = await listen({ last_event_id: first?.id ?? "" }, second?.id);
    expect(deliveryIds(await comes(after, (events) => events.length === 1))).toEqual(["whd_3"]);
    // A header with nothing in it is none.
    const again = await listen({ last_event_id: first?.id ?? "" }, "");
    expect(deliveryIds(await comes(again, (events) => events.length === 2))).toEqual(["whd_2", "whd_3"]);
  });

  test.each([
    ["of another workspace's life", "events-1.1"],
    ["from the future", undefined],
    ["that is none", "nonsense"],
  ])("with an id %s gets one reset with how things stand, and goes on from now", async (_what, given) => {
    const run = await runningSync();
    const before = await listen();
    const lastId = given ?? before.lastId().replace(/\d+$/, "999999");
    const after = await listen({}, lastId);
    await comes(after, (events) => events.length === 1);
    await announce("test", [1]);
    const events = await comes(after, (all) => all.length >= 2);
    expect(events.map(({ event }) => event)).toEqual(["reset", "webhook_processed"]);
    expect(events[0]?.data).toMatchObject({
      active_session: run.session_id,
      runs: [{ session_id: run.session_id, state: "running" }],
      triggering: { enabled: true },
      breaker: { state: "closed" },
    });
  });

  test("with an id that the ring has forgotten gets one reset; one that it just has does not", async () => {
    const before = await listen();
    await announce("test", [1]);
    await comes(before, (events) => events.length === 1);
    const epoch = before.lastId().split(".")[0];
    for (let page = 0; page < 20; page++) await announce("test", numbers(2 + page * 100, 101 + page * 100));
    const forgotten = await listen({}, `${epoch}.0`);
    await comes(forgotten, (events) => events.length > 0);
    await announce("test", [2_002]);
    const events = await comes(forgotten, (all) => all.length > 1);
    expect(events.map(({ event }) => event)).toEqual(["reset", "webhook_processed"]);
    // The ring holds 2,000; all of them come although that is more than a window, because they are taken.
    const justEnough = await listen({}, `${epoch}.2`);
    const all = await comes(justEnough, (found) => found.length >= 2_000);
    expect(deliveryIds(all)).toEqual(numbers(3, 2_002).map((seq) => `whd_${seq}`));
  });

  test("by the death of its object ends cleanly, and is taken up without a gap", async () => {
    const before = await listen();
    await announce("test", [1]);
    await comes(before, (events) => events.length === 1);
    await abortAllDurableObjects();
    await eventually(
      async () => before.isOver(),
      (isOver) => isOver,
    );
    await announce("test", [2, 3]);
    const after = await listen({}, before.lastId());
    expect(deliveryIds(await comes(after, (events) => events.length === 2))).toEqual(["whd_2", "whd_3"]);
  });

  test("is none when the object is only evicted", async () => {
    const filter = JSON.stringify({ event_types: ["webhook_processed"], min_priority: "high" });
    const [all, some] = [await listen(), await listen({ filter })];
    for (const seq of [1, 2, 3]) {
      await evict(workspaceObject());
      await workspaceObject().announce("test", [noted(seq, { priority: seq === 2 ? "high" : "low" })]);
    }
    expect(deliveryIds(await comes(all, (events) => events.length === 3))).toEqual(["whd_1", "whd_2", "whd_3"]);
    expect(deliveryIds(await comes(some, (events) => events.length === 1))).toEqual(["whd_2"]);
    expect([all.isOver(), some.isOver()]).toEqual([false, false]);
  });
});

describe("a filter", () => {
  test("lets through what is about one run, named in whatever way, and never everything", async () => {
    const first = await runningSync();
    await webhook(agentEvent(first, "integration_health", "started", { workflow_id: "opal-first" }));
    const ids = [first.session_id, first.correlation_id, first.workflow_id, "opal-first"];
    const listeners = await Promise.all([
      ...ids.map((id) => listen({ session_id: id })),
      ...ids.map((id) => listen({ filter: JSON.stringify({ workflow_id: id }) })),
    ]);
    const others = await Promise.all(
      ["default", "recent-data-widget", "sync-1767603600000-other"].map((id) => listen({ session_id: id })),
    );
    await webhook(agentEvent(first, "integration_health"));
    await cancel(first.session_id);
    await settled(first.session_id);
    const second = await runningSync();
    await cancel(second.session_id);
    await settled(second.session_id);
    const everything = await listen({ filter: JSON.stringify({ include_historical: true }) });
    await comes(everything, (events) => named(events, "workflow_completed").length === 2);
    for (const listener of listeners) {
      const events = await comes(listener, (all) => named(all, "workflow_completed").length > 0);
      expect(new Set(events.map(({ data }) => data.session_id))).toEqual(new Set([first.session_id]));
      expect(named(events, "workflow_completed")).toHaveLength(1);
    }
    expect(others.map((listener) => listener.events())).toEqual([[], [], []]);
  });

  test("for history begins with what the feed still holds of what is wanted", async () => {
    await workspaceObject().announce("test", [noted(1), noted(2, { priority: "critical" }), noted(3)]);
    const without = await listen({ filter: JSON.stringify({ min_priority: "high" }) });
    const historical = await listen({ filter: JSON.stringify({ min_priority: "high", include_historical: true }) });
    await workspaceObject().announce("test", [noted(4, { priority: "high" })]);
    expect(deliveryIds(await comes(historical, (events) => events.length === 2))).toEqual(["whd_2", "whd_4"]);
    expect(deliveryIds(await comes(without, (events) => events.length === 1))).toEqual(["whd_4"]);
  });

  test.each([
    [{ filter: "{" }, "?filter"],
    [{ filter: '{"agents":["geo_audit"]}' }, "?filter.agents"],
    [{ filter: '{"min_priority":"urgent"}' }, "?filter.min_priority"],
    [{ session_id: "" }, "?session_id"],
    [{ sesion_id: "sync-1" }, "?sesion_id"],
  ])("%j is refused by name", async (query, pointer) => {
    const response = await openStream(query);
    const problem: { errors: { pointer: string }[] } = await response.json();
    expect([response.status, response.headers.get("Content-Type")]).toEqual([400, "application/problem+json"]);
    expect(problem.errors.map((error) => error.pointer)).toEqual([pointer]);
  });
});

describe("who may listen", () => {
  test("is nobody without credentials or with wrong ones", async () => {
    for (const headers of [{}, { Authorization: "Bearer wrong" }, { Cookie: "osa_session=a.b" }]) {
      expect((await openStream({}, headers)).status).toBe(401);
    }
    expect(await socketsOpen()).toBe(0);
  });

  test("is who is signed in, by the cookie", async () => {
    const signIn = await send("/api/auth/login", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ email: "operator@osa.localhost", password: "test-password" }),
    });
    const cookie = signIn.headers.get("Set-Cookie")?.split(";")[0] ?? "";
    const response = await openStream({}, { Cookie: cookie });
    expect(response.status).toBe(200);
    await response.body?.cancel();
  });
});

describe("a client", () => {
  test("that goes away leaves nothing open, however often", async () => {
    for (let round = 0; round < 5; round++) {
      const listeners = await Promise.all(numbers(1, 20).map(() => listen()));
      await eventually(socketsOpen, (open) => open === 20);
      await Promise.all(listeners.map((listener) => listener.close()));
      await eventually(socketsOpen, (open) => open === 0);
    }
  });

  test("that does not read is sent no more than the window, then the stream ends, and nothing is lost", async () => {
    const response = await openStream();
    await eventually(socketsOpen, (open) => open === 1);
    for (let page = 0; page < 8; page++) await announce("test", numbers(1 + page * 100, 100 + page * 100));
    await eventually(socketsOpen, (open) => open === 0);
    const text = await response.text();
    const ids = [...text.matchAll(/"delivery_id":"(whd_\d+)"/g)].map(([, id]) => id);
    expect(ids).toEqual(numbers(1, ids.length).map((seq) => `whd_${seq}`));
    expect(ids.length).toBeGreaterThan(0);
    expect(ids.length).toBeLessThan(800);
    const again = await listen({}, [...text.matchAll(/^id: (.*)$/gm)].at(-1)?.[1]);
    const rest = await comes(again, (events) => events.length >= 800 - ids.length);
    expect(deliveryIds(rest)).toEqual(numbers(ids.length + 1, 800).map((seq) => `whd_${seq}`));
  });
});
