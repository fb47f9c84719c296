// Questions that are asked of D1 across sessions.
import { env } from "cloudflare:workers";
import { drizzle } from "drizzle-orm/d1";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { runIds } from "../../src/platform/ids.ts";
import { project } from "../../src/sync/projection.ts";
import { runEvent } from "../../src/sync/run/events.ts";
import { fold } from "../../src/sync/run/reduce.ts";
import { agentHealth, recentRuns24h } from "../../src/sync/store.ts";
import {
  agentCompleted,
  agentFailed,
  agentStarted,
  agentTimedOut,
  at,
  ended,
  type Past,
  PLAN,
  requested,
  running,
} from "../support/node/given.ts";
import { breakD1 } from "../support/worker/faults.ts";
import { startOver } from "../support/worker/objects.ts";

afterEach(startOver);

const db = drizzle(env.DB);
const HOUR = 3_600;

/** A run of so many hours after the first, as its log tells it: `past` begins when it was requested. */
async function ran(hours: number, workspace: string, past: (request: typeof PLAN) => readonly Past[]): Promise<string> {
  const request = { ...PLAN, workspace, ...runIds(at(hours * HOUR), "abcde") };
  const events = past(request).map(([seconds, body], index) =>
    runEvent.parse({ ...body, seq: index + 1, at: at(hours * HOUR + seconds), version: 2 }),
  );
  const run = fold(events);
  if (run.status === "absent") throw new Error("there is no run");
  await project(db, run, events, { bodyParts: () => [], receiptOf: () => ({ dedupKey: "key", headers: null }) });
  return request.sessionId;
}

const completedIn = (seconds: number) => (request: typeof PLAN) =>
  [
    ...running(request),
    [5, agentStarted("geo_audit")],
    [20, agentCompleted("geo_audit")],
    [seconds, ended("completed", "all_agents_completed")],
  ] satisfies Past[];

const failedIn = (seconds: number) => (request: typeof PLAN) =>
  [
    ...running(request),
    [30, agentFailed("geo_audit")],
    [seconds, ended("partially_completed", "some_agents_completed")],
  ] satisfies Past[];

const stillRunning = (request: typeof PLAN) => [...running(request), [5, agentStarted("geo_audit")]] satisfies Past[];

const withdrawn = (request: typeof PLAN) =>
  [
    [0, requested(request)],
    [1, ended("cancelled", "withdrawn_from_queue")],
  ] satisfies Past[];

describe("the runs since a time", () => {
  beforeEach(async () => {
    await ran(0, "default", completedIn(9_000));
    await ran(10, "default", completedIn(100));
    await ran(11, "default", completedIn(200));
    await ran(12, "default", failedIn(600));
    await ran(13, "default", stillRunning);
    await ran(14, "acme", completedIn(1));
  });

  test("are counted by status, and those that have ended are averaged", async () => {
    expect(await recentRuns24h(db, "default", at(10 * HOUR))).toEqual({
      byStatus: { completed: 2, partially_completed: 1, running: 1 },
      averageDurationMs: 300_000,
    });
  });

  test("have no average while none has ended", async () => {
    expect(await recentRuns24h(db, "default", at(13 * HOUR))).toEqual({
      byStatus: { running: 1 },
      averageDurationMs: null,
    });
    expect(await recentRuns24h(db, "nobody", 0)).toEqual({ byStatus: {}, averageDurationMs: null });
  });
});

describe("how an agent has been doing", () => {
  const ask = (hours: number, workspace = "default") =>
    agentHealth(db, { workspace, agentId: "geo_audit", since: at(hours * HOUR) });

  test("is counted since a time by what became of it", async () => {
    await ran(0, "default", failedIn(600));
    await ran(10, "default", completedIn(100));
    await ran(11, "default", completedIn(100));
    await ran(12, "default", (request) => [...running(request), [160, agentTimedOut("geo_audit", 150_000)]]);
    await ran(13, "default", withdrawn);
    await ran(14, "acme", completedIn(100));
    expect((await ask(10)).byStatus).toEqual({ completed: 2, timed_out: 1, skipped: 1 });
    expect((await ask(0)).byStatus).toEqual({ completed: 2, timed_out: 1, skipped: 1, failed: 1 });
  });

  test("shows the newest run in which it was at work", async () => {
    await ran(0, "default", failedIn(600));
    const newest = await ran(10, "default", stillRunning);
    await ran(11, "default", withdrawn);
    const { last } = await ask(24);
    expect(last).toMatchObject({
      requestedAt: at(10 * HOUR),
      execution: { sessionId: newest, agentId: "geo_audit", status: "running", isLate: false, completedAt: null },
    });
  });

  test("shows its last ten failures, newest first, of whatever age", async () => {
    const failed: string[] = [];
    for (let hours = 0; hours < 12; hours++) failed.push(await ran(hours, "default", failedIn(600)));
    await ran(12, "default", completedIn(100));
    await ran(13, "acme", failedIn(600));
    const { failures } = await ask(24);
    expect(failures.map((failure) => failure.sessionId)).toEqual(failed.toReversed().slice(0, 10));
    expect(failures[0]).toEqual({
      ...{ sessionId: failed.at(-1), status: "failed", at: at(11 * HOUR + 30), reason: "reported_failure" },
    });
  });

  test("is empty for an agent that never ran", async () => {
    expect(await ask(0, "nobody")).toEqual({ byStatus: {}, last: null, failures: [] });
  });
});

test("while D1 does not answer, neither question is answered", async () => {
  const repair = breakD1();
  await expect(recentRuns24h(db, "default", 0)).rejects.toThrow();
  await expect(agentHealth(db, { workspace: "default", agentId: "geo_audit", since: 0 })).rejects.toThrow();
  repair();
});
