import { abortAllDurableObjects } from "cloudflare:test";
import { afterEach, describe, expect, test } from "vitest";
import { runEvent } from "../../src/sync/run/events.ts";
import { fold } from "../../src/sync/run/reduce.ts";
import type { Run } from "../../src/sync/run/state.ts";
import {
  type Answer,
  agentEvent,
  allAgentsReport,
  CHAIN,
  call,
  eventually,
  runningSync,
  trigger,
  webhook,
} from "../support/worker/client.ts";
import { advanceClock, fixLuck, stopClock } from "../support/worker/faults.ts";
import { handshake, type LiveMessage, seen, type Watcher, watch } from "../support/worker/live.ts";
import { alarmOf, eventsOf, evict, ring, sessionObject, startOver } from "../support/worker/objects.ts";

afterEach(startOver);

const OVERVIEW = "/api/force-sync/live";

function pathOf(run: { session_id: string }, since = ""): string {
  return `${OVERVIEW}/${run.session_id}${since === "" ? "" : `?since=${since}`}`;
}

async function lastSeq(run: { session_id: string }): Promise<number> {
  return (await eventsOf(run.session_id)).length;
}

/** What a dashboard knows from what it was sent. */
function known(messages: readonly LiveMessage[]): Run {
  const [snapshot, ...changes] = messages;
  const state: Run = JSON.parse(JSON.stringify(snapshot?.state));
  return fold(
    changes.map((message) => runEvent.parse(message.change)),
    state,
  );
}

function seqs(watcher: Watcher): number[] {
  return watcher.messages.map((message) => message.seq);
}

function count(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, index) => from + index);
}

/** Events of a run in numbers: the same report again and again, never with the same words. */
async function flood(run: Answer["body"], deliveries: number): Promise<void> {
  const payload = (index: number) => agentEvent(run, "geo_audit", "in_progress", { note: `${index}` });
  for (let done = 0; done < deliveries; done += 40) {
    const size = Math.min(40, deliveries - done);
    await Promise.all(Array.from({ length: size }, (_, index) => webhook(payload(done + index))));
  }
}

describe("a socket on a run", () => {
  test("shows a snapshot first, then every change once and in order, which add up to the run", async () => {
    fixLuck(0);
    const { body: run } = await trigger("503 ok");
    const watcher = await watch(pathOf(run));
    await eventually(
      () => call("GET", `/api/force-sync/status/${run.session_id}`),
      (answer) => answer.body.state === "running",
    );
    await allAgentsReport(run);
    const last = await lastSeq(run);
    await seen(watcher, last);
    const [first] = watcher.messages;
    expect(first).toMatchObject({ type: "snapshot", epoch: run.session_id });
    expect(watcher.messages.slice(1).every((message) => message.type === "change")).toBe(true);
    expect(seqs(watcher)).toEqual(count(first?.seq ?? 0, last));
    expect(known(watcher.messages)).toEqual((await sessionObject(run.session_id).read())?.run);
  });

  test("goes on where it was, with exactly what was missed", async () => {
    const run = await runningSync();
    const epoch = run.session_id;
    await webhook(agentEvent(run, "integration_health"));
    const events = await eventsOf(run.session_id);
    for (const since of [0, 1, events.length - 1]) {
      const watcher = await watch(pathOf(run, `${epoch}.${since}`));
      await seen(watcher, events.length);
      expect(watcher.messages.map((message) => message.type)).not.toContain("snapshot");
      expect(watcher.messages.map((message) => message.change)).toEqual(events.slice(since));
    }
    const upToDate = await watch(pathOf(run, `${epoch}.${events.length}`));
    await webhook(agentEvent(run, "content_review", "started"));
    await seen(upToDate, events.length + 2);
    expect(seqs(upToDate)).toEqual([events.length + 1, events.length + 2]);
  });

  test.for([
    ["another epoch", (id: string) => `${id.replace("sync", "synk")}.1`],
    ["a number from the future", (id: string) => `${id}.999999`],
    ["no number", (id: string) => `${id}.`],
    ["nonsense", () => "%00"],
  ] as const)("starts anew with a snapshot for %s", async ([, sinceOf]) => {
    const run = await runningSync();
    const watcher = await watch(pathOf(run, sinceOf(run.session_id)));
    await seen(watcher, 1);
    expect(watcher.messages).toMatchObject([{ type: "snapshot", seq: await lastSeq(run) }]);
  });

  test("survives its object's eviction and misses nothing", async () => {
    const run = await runningSync();
    const watcher = await watch(pathOf(run));
    const start = await lastSeq(run);
    for (const agent of CHAIN.slice(0, 3)) {
      await evict(sessionObject(run.session_id));
      await webhook(agentEvent(run, agent));
    }
    const last = await lastSeq(run);
    await seen(watcher, last);
    expect(seqs(watcher)).toEqual(count(start, last));
    expect(watcher.closedWith()).toBeUndefined();
    expect(known(watcher.messages)).toEqual((await sessionObject(run.session_id).read())?.run);
  });

  test("that a kill has cut off can be taken up again without a gap", async () => {
    const run = await runningSync();
    const before = await watch(pathOf(run));
    await webhook(agentEvent(run, "integration_health"));
    const cut = await lastSeq(run);
    await seen(before, cut);
    await abortAllDurableObjects();
    await webhook(agentEvent(run, "content_review"));
    const after = await watch(pathOf(run, `${run.session_id}.${cut}`));
    await seen(after, await lastSeq(run));
    expect(known([...before.messages, ...after.messages])).toEqual((await sessionObject(run.session_id).read())?.run);
  });

  test("answers pings without waking anybody, and ignores what makes no sense", async () => {
    const run = await runningSync();
    const watcher = await watch(pathOf(run));
    for (const text of [
      "ping",
      "{",
      "null",
      '{"type":"acknowledge","seq":-1}',
      '{"type":"shout"}',
      "x".repeat(100_000),
    ]) {
      watcher.send(text);
    }
    watcher.acknowledge(9_999);
    await webhook(agentEvent(run, "integration_health"));
    await seen(watcher, await lastSeq(run));
    expect(watcher.closedWith()).toBeUndefined();
  });

  test("closes when its client closes", async () => {
    const run = await runningSync();
    const watcher = await watch(pathOf(run));
    watcher.close();
    await eventually(
      async () => watcher.closedWith(),
      (code) => code === 1000,
    );
  });
});

describe("a client that does not acknowledge", () => {
  const WINDOW = 512;

  test("is sent no more than the window, told to start anew, and closed after ten seconds", async () => {
    stopClock();
    const run = await runningSync();
    const watcher = await watch(pathOf(run));
    const start = await lastSeq(run);
    await flood(run, 260);
    const messages = await eventually(
      async () => watcher.messages,
      (all) => all.at(-1)?.type === "resync",
    );
    expect(seqs(watcher)).toEqual([...count(start, start + WINDOW), start + WINDOW]);
    expect(messages).toHaveLength(WINDOW + 2);
    expect(await lastSeq(run)).toBeGreaterThan(start + WINDOW);
    advanceClock(9_999);
    await ring(sessionObject(run.session_id));
    expect(watcher.closedWith()).toBeUndefined();
    advanceClock(1);
    await ring(sessionObject(run.session_id));
    await eventually(
      async () => watcher.closedWith(),
      (code) => code === 4008,
    );
    const again = await watch(pathOf(run, `${run.session_id}.${start + WINDOW}`));
    await seen(again, await lastSeq(run));
    expect(known([...messages.slice(0, -1), ...again.messages])).toEqual(
      (await sessionObject(run.session_id).read())?.run,
    );
    // Nobody is stalled any more, so the alarm waits for the run and not for a socket that is gone.
    expect(await alarmOf(sessionObject(run.session_id))).toBeGreaterThan(Date.now());
  });

  test("and is not there any more to answer the close, keeps no alarm ringing", async () => {
    stopClock();
    const run = await runningSync();
    const { webSocket } = await handshake(pathOf(run));
    expect(webSocket).not.toBeNull();
    await flood(run, 260);
    const session = sessionObject(run.session_id);
    await eventually(
      () => alarmOf(session),
      (at) => at === Date.now() + 10_000,
    );
    advanceClock(10_000);
    for (let times = 0; times < 3; times++) {
      await ring(session);
      expect(await alarmOf(session)).toBeGreaterThan(Date.now());
    }
  });

  test("now and then stays connected through any number of changes", async () => {
    const run = await runningSync();
    const watcher = await watch(pathOf(run));
    const start = await lastSeq(run);
    for (let rounds = 0; rounds < 3; rounds++) {
      await flood(run, 90);
      await webhook(agentEvent(run, CHAIN[rounds] ?? "geo_audit"));
      const last = await lastSeq(run);
      await seen(watcher, last);
      watcher.acknowledge(last);
    }
    expect(seqs(watcher)).toEqual(count(start, await lastSeq(run)));
    expect(watcher.messages.map((message) => message.type)).not.toContain("resync");
  });
});
