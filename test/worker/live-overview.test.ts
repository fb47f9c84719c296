import { abortAllDurableObjects } from "cloudflare:test";
import { afterEach, describe, expect, test } from "vitest";
import {
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
import { fixLuck } from "../support/worker/faults.ts";
import { handshake, type LiveMessage, type Watcher, watch } from "../support/worker/live.ts";
import { evict, sessionObject, settled, startOver, workspaceObject } from "../support/worker/objects.ts";

afterEach(startOver);

const OVERVIEW = "/api/force-sync/live";

interface Summary {
  readonly sessionId: string;
  readonly status: string;
  readonly message: string;
  readonly isOver: boolean;
  readonly progressPercent: number;
  readonly completedAgents: number;
}

/** What decides whether a run may start. */
interface Control {
  readonly switchedOff: unknown;
  readonly breaker: { readonly state: string } | undefined;
  readonly queued: { readonly sessionId: string } | null;
}

interface Shown extends Control {
  readonly activeSessionId: string | null;
  readonly runs: readonly Summary[];
}

interface Change extends Control {
  /** Null when only the control has changed. */
  readonly run: Summary | null;
  readonly activeSessionId: string | null;
}

/** What a dashboard knows from what it was sent. */
function shown(messages: readonly LiveMessage[]): Shown {
  let now: Shown = { activeSessionId: null, switchedOff: null, breaker: undefined, queued: null, runs: [] };
  for (const message of messages) {
    if (message.type === "snapshot") now = stateOf(message);
    if (message.type === "change") {
      const { run, ...rest } = changeOf(message);
      const others = now.runs.filter((known) => known.sessionId !== run?.sessionId);
      now = { ...rest, runs: run === null ? now.runs : [run, ...others] };
    }
  }
  return now;
}

function stateOf(message: LiveMessage): Shown {
  return JSON.parse(JSON.stringify(message.state));
}

function changeOf(message: LiveMessage): Change {
  return JSON.parse(JSON.stringify(message.change));
}

function shows(watcher: Watcher, isThere: (now: Shown) => boolean): Promise<Shown> {
  return eventually(async () => shown(watcher.messages), isThere);
}

describe("the overview's socket", () => {
  test("shows a run from its request to its end, and who holds the lease", async () => {
    const watcher = await watch(OVERVIEW);
    await shows(watcher, () => watcher.messages[0]?.type === "snapshot");
    expect(watcher.messages).toMatchObject([
      { state: { activeSessionId: null, runs: [], switchedOff: null, breaker: { state: "closed" }, queued: null } },
    ]);
    const run = await runningSync();
    await shows(watcher, (now) => now.activeSessionId === run.session_id && now.runs[0]?.status === "running");
    await allAgentsReport(run);
    const end = await shows(watcher, (now) => now.runs[0]?.isOver === true);
    expect(end).toMatchObject({ activeSessionId: null, runs: [{ status: "completed", progressPercent: 100 }] });

    const summaries = watcher.messages.slice(1).flatMap((message) => changeOf(message).run ?? []);
    expect(summaries.every((summary) => summary.sessionId === run.session_id)).toBe(true);
    expect(summaries[0]?.status).toBe("requested");
    const progress = summaries.map((summary) => summary.progressPercent);
    expect(progress).toEqual(progress.toSorted((left, right) => left - right));
    const seqs = watcher.messages.map((message) => message.seq);
    expect(seqs).toEqual(seqs.map((_seq, index) => (seqs[0] ?? 0) + index));
  });

  test("shows the same as asking for it", async () => {
    const watcher = await watch(OVERVIEW);
    const first = await runningSync();
    await cancel(first.session_id);
    await settled(first.session_id);
    const second = await runningSync();
    await webhook(agentEvent(second, "integration_health"));
    const now = await shows(watcher, ({ runs }) => runs.some((run) => run.completedAgents === 1));
    expect(now).toEqual(await workspaceObject().overview());
  });

  test("shows what decides whether a run may start, also when no run has changed", async () => {
    const watcher = await watch(OVERVIEW);
    await workspaceObject().switchOff("an administrator", "OPAL is being moved");
    const off = await shows(watcher, (now) => now.switchedOff !== null);
    expect(off.switchedOff).toMatchObject({ by: "an administrator", reason: "OPAL is being moved" });
    await workspaceObject().switchOn("an administrator", null);
    await shows(watcher, (now) => now.switchedOff === null);
    expect(watcher.messages.slice(1).map((message) => changeOf(message).run)).toEqual([null, null]);

    await runningSync();
    const { body: queued } = await call("POST", "/api/force-sync/trigger", { body: { on_busy: "queue" } });
    await shows(watcher, (now) => now.queued?.sessionId === queued.session_id);
    await call("DELETE", `/api/force-sync/status/${queued.session_id}`);
    await shows(watcher, (now) => now.queued === null && now.runs[0]?.sessionId === queued.session_id);
    expect(shown(watcher.messages)).toEqual(await workspaceObject().overview());
  });

  test("shows the circuit breaker when it opens", async () => {
    fixLuck(0);
    const watcher = await watch(OVERVIEW);
    await trigger("503");
    await shows(watcher, (now) => now.breaker?.state === "open");
    expect(shown(watcher.messages).breaker).toEqual((await workspaceObject().overview()).breaker);
  });

  test("survives the workspace's eviction", async () => {
    const watcher = await watch(OVERVIEW);
    await evict(workspaceObject());
    const run = await runningSync();
    await shows(watcher, (now) => now.activeSessionId === run.session_id);
    expect(watcher.messages.filter((message) => message.type === "snapshot")).toHaveLength(1);
    expect(watcher.closedWith()).toBeUndefined();
  });

  test("goes on where it was after a kill, with exactly what was missed", async () => {
    const before = await watch(OVERVIEW);
    const run = await runningSync();
    await shows(before, (now) => now.runs[0]?.status === "running");
    const { epoch, seq } = before.messages.at(-1) ?? { epoch: "", seq: 0 };
    await abortAllDurableObjects();
    await webhook(agentEvent(run, "integration_health"));
    await eventually(
      () => workspaceObject().overview(),
      (overview) => overview.runs[0]?.completedAgents === 1,
    );
    const after = await watch(`${OVERVIEW}?since=${epoch}.${seq}`);
    await shows(after, (now) => now.runs[0]?.completedAgents === 1);
    expect(after.messages[0]).toMatchObject({ type: "change", epoch, seq: seq + 1 });
    expect(shown([...before.messages, ...after.messages]).runs).toEqual((await workspaceObject().overview()).runs);
  });

  test("is sent nothing for a report that shows nothing new of its run", async () => {
    const run = await runningSync();
    const report = await sessionObject(run.session_id).poke();
    if (report === undefined) throw new Error("the run is gone");
    const socket = await watch(OVERVIEW);
    await shows(socket, (now) => now.runs[0]?.status === "running");
    const before = socket.messages.length;
    await workspaceObject().report({ ...report, seq: report.seq + 1, dueAt: (report.dueAt ?? 0) + 1 });
    const summary = { ...report.summary, message: "Something else" };
    await workspaceObject().report({ ...report, seq: report.seq + 2, summary });
    await shows(socket, (now) => now.runs[0]?.message === "Something else");
    expect(socket.messages).toHaveLength(before + 1);
  });

  test("starts anew with a snapshot for a number the ring has forgotten", async () => {
    const run = await runningSync();
    const report = await sessionObject(run.session_id).poke();
    if (report === undefined) throw new Error("the run is gone");
    const first = await watch(OVERVIEW);
    await shows(first, (now) => now.runs[0]?.status === "running");
    const { epoch, seq } = first.messages.at(-1) ?? { epoch: "", seq: 0 };
    first.close();
    const workspace = workspaceObject();
    for (let news = 1; news <= 1_101; news += 77) {
      const page = Array.from({ length: 77 }, (_, index) => {
        const seq = report.seq + news + index;
        return { ...report, seq, summary: { ...report.summary, message: `Change ${seq}` } };
      });
      // By one stub, so that none overtakes another and is old news.
      await Promise.all(page.map((newer) => workspace.report(newer)));
    }
    const tooOld = await watch(`${OVERVIEW}?since=${epoch}.${seq}`);
    await shows(tooOld, () => tooOld.messages.length > 0);
    expect(tooOld.messages).toMatchObject([{ type: "snapshot", epoch }]);
    const justEnough = await watch(`${OVERVIEW}?since=${epoch}.${(tooOld.messages[0]?.seq ?? 0) - 500}`);
    await shows(justEnough, () => justEnough.messages.length === 500);
    expect(justEnough.messages[0]?.type).toBe("change");
  });
});

describe("a handshake", () => {
  async function signedInCookie(): Promise<string> {
    const answer = await send("/api/auth/login", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ email: "operator@osa.localhost", password: "test-password" }),
    });
    return answer.headers.get("Set-Cookie")?.split(";")[0] ?? "";
  }

  test.for([
    ["without credentials", async () => ({}), 401],
    ["with a wrong key", async () => ({ Authorization: "Bearer wrong" }), 401],
    [
      "with the cookie, from another site",
      async () => ({ Cookie: await signedInCookie(), Origin: "https://evil.example" }),
      403,
    ],
    ["with the cookie, from nowhere", async () => ({ Cookie: await signedInCookie() }), 403],
    ["with the cookie, from a sandbox", async () => ({ Cookie: await signedInCookie(), Origin: "null" }), 403],
    ["with the cookie, from our own page", async () => ({ Cookie: await signedInCookie(), Origin: ORIGIN }), 101],
  ] as const)("%s", async ([, headersOf, expected]) => {
    const { body: run } = await trigger();
    for (const path of [OVERVIEW, `${OVERVIEW}/${run.session_id}`]) {
      const response = await handshake(path, { ...(await headersOf()) });
      expect([response.status, response.webSocket === null]).toEqual([expected, expected !== 101]);
      response.webSocket?.accept();
      response.webSocket?.close();
    }
  });

  test("on an unknown run finds nothing", async () => {
    const response = await handshake(`${OVERVIEW}/sync-1700000000000-abcde`);
    expect([response.status, response.webSocket]).toEqual([404, null]);
  });

  test("that is none is told to be one, and the answer carries the request's id", async () => {
    const { body: run } = await trigger();
    for (const path of [OVERVIEW, `${OVERVIEW}/${run.session_id}`]) {
      const answer = await call("GET", path, { headers: { "X-Correlation-ID": "my-request" } });
      expect([answer.status, answer.body.code]).toEqual([426, "upgrade_required"]);
      expect([answer.body.request_id, answer.headers.get("X-Correlation-Id")]).toEqual(["my-request", "my-request"]);
      expect(answer.headers.get("X-Content-Type-Options")).toBe("nosniff");
    }
  });
});
