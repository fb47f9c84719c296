// Starting a run, in whichever way: one intent is one request, whatever happens to it.
import { beforeEach, describe, expect, test, vi } from "vitest";
import {
  agentCompleted,
  agentStarted,
  ended,
  given,
  only,
  type Past,
  requested,
  running,
} from "../support/node/given.ts";
import { NOBODY, openBreaker, QUEUED, SWITCHED_OFF, T0 } from "./overviews.ts";

interface Sent {
  readonly path: string;
  readonly key: string | null;
  readonly body: unknown;
}

const sent: Sent[] = [];
let answers: (() => Promise<Response>)[] = [];

vi.stubGlobal("location", { pathname: "/engine/admin" });
vi.stubGlobal("history", { pushState: () => undefined });
vi.stubGlobal("fetch", (path: string, init: { headers: HeadersInit; body: string }) => {
  sent.push({ path, key: new Headers(init.headers).get("Idempotency-Key"), body: JSON.parse(init.body) });
  const answer = answers.shift();
  return answer === undefined ? new Promise(() => undefined) : answer();
});

const {
  dismissStart,
  isStarting,
  mayTryAgain,
  startForgetting,
  startRun,
  startSync,
  start,
  startWhenEnded,
  syncButton,
  tryAgain,
} = await import("../../src/dashboard/start.ts");
const { overview, run, shownQueued } = await import("../../src/dashboard/state.ts");
const { serverNow } = await import("../../src/dashboard/server-time.ts");
const { address } = await import("../../src/dashboard/location.ts");
const { summarise } = await import("../../src/sync/report.ts");
const { viewRun } = await import("../../src/sync/run/view.ts");
startForgetting();

const json = (status: number, value: unknown) => async () => new Response(JSON.stringify(value), { status });
const problem = (status: number, rest: Readonly<Record<string, unknown>>) =>
  json(status, { title: "No", detail: "No.", ...rest });
const started = (sessionId: string) => json(200, { session_id: sessionId, state: "requested" });
const busy = problem(409, { code: "run_active", active_session: "sync-2", started_by: "ada" });
const until = (state: string) => vi.waitFor(() => expect(start.value.state).toBe(state));

beforeEach(() => {
  sent.length = 0;
  answers = [];
  start.value = { state: "idle" };
  overview.value = NOBODY;
  run.value = null;
  address.value = { page: "now" };
  serverNow.value = T0;
});

describe("pressing the button", () => {
  test("sends one request with the scope and a key, and a second press sends none", () => {
    startSync("full");
    startSync("full");
    expect(syncButton.value).toEqual({ state: "starting" });
    expect(sent).toEqual([
      {
        path: "/api/force-sync/trigger",
        key: expect.stringMatching(/^[0-9a-f-]{36}$/),
        body: { sync_scope: "full" },
      },
    ]);
  });

  test("leads to the run that was started, and goes on saying so until the run is known", async () => {
    answers = [started("sync-1")];
    startSync("quick");
    await vi.waitFor(() => expect(address.value).toEqual({ page: "run", sessionId: "sync-1" }));
    expect(syncButton.value).toEqual({ state: "starting" });
    startSync("quick");
    expect(sent).toHaveLength(1);
    overview.value = { ...NOBODY, activeSessionId: "sync-1", runs: [{ ...shown(), sessionId: "sync-1" }] };
    expect(syncButton.value).toMatchObject({ state: "running", isAccepted: false, expectedAgents: 9 });
    expect(start.value).toEqual({ state: "idle" });
  });

  test("keeps the key for another try, and takes a new one for a new intent", async () => {
    answers = [problem(503, { code: "service_unavailable" }), problem(503, { code: "service_unavailable" })];
    startSync("full");
    await until("failed");
    tryAgain();
    await until("failed");
    startSync("full");
    expect(sent[1]).toEqual(sent[0]);
    expect(sent[2]?.key).not.toBe(sent[0]?.key);
  });

  test("keeps the problem when no answer comes at all", async () => {
    answers = [() => Promise.reject(new TypeError("Failed to fetch"))];
    startSync("quick");
    await until("failed");
    expect(start.value).toMatchObject({ problem: { status: 0, title: "The server could not be reached" } });
  });
});

describe("when another run is in the way", () => {
  test("the notice knows whose it is, and the page stays where it was", async () => {
    answers = [busy];
    startSync("quick");
    await until("busy");
    expect(start.value).toMatchObject({ holder: { sessionId: "sync-2", startedBy: "ada" }, isAskingToWait: false });
    expect(address.value).toEqual({ page: "now" });
    dismissStart();
    expect(start.value).toEqual({ state: "idle" });
  });

  test("the same thing may wait for its turn: one request more, with a key of its own", async () => {
    answers = [busy, json(202, { session_id: QUEUED.sessionId, state: "queued" })];
    startRun({ what: "retry", sessionId: "sync-1", isFailedOnly: true });
    await until("busy");
    startWhenEnded();
    startWhenEnded();
    expect(isStarting.value).toBe(true);
    expect(start.value).toMatchObject({ state: "busy", holder: { sessionId: "sync-2" } });
    await until("queued");
    expect(sent.map(({ path, body }) => [path, body])).toEqual([
      ["/api/force-sync/retry/sync-1", { failed_only: true }],
      ["/api/force-sync/retry/sync-1", { failed_only: true, on_busy: "queue" }],
    ]);
    expect(sent[1]?.key).not.toBe(sent[0]?.key);
    overview.value = { ...NOBODY, activeSessionId: "sync-2", queued: QUEUED };
    expect(start.value).toEqual({ state: "idle" });
  });

  test("its turn may have come at once", async () => {
    answers = [busy, started("sync-3")];
    startSync("quick");
    await until("busy");
    startWhenEnded();
    await until("sent");
    expect(address.value).toEqual({ page: "run", sessionId: "sync-3" });
  });

  test("a refusal to wait is a problem like any other, and is tried again with the same key", async () => {
    answers = [busy, problem(409, { code: "queue_full" })];
    startSync("quick");
    await until("busy");
    startWhenEnded();
    await until("failed");
    overview.value = { ...NOBODY, activeSessionId: "sync-2", runs: [{ ...shown(), sessionId: "sync-2" }] };
    expect(mayTryAgain(start.value)).toBe(true);
    tryAgain();
    expect(sent[2]).toEqual(sent[1]);
  });
});

describe("running something again", () => {
  test("a retry may ask for everything, a resume may say that the credential is valid", async () => {
    answers = [problem(409, { code: "nothing_to_retry" }), problem(409, { code: "x" }), problem(409, { code: "x" })];
    startRun({ what: "retry", sessionId: "sync-1", isFailedOnly: false });
    await until("failed");
    startRun({ what: "resume", sessionId: "sync-1", isCredentialConfirmed: false });
    await until("failed");
    startRun({ what: "resume", sessionId: "sync-1", isCredentialConfirmed: true });
    expect(sent.map(({ path, body }) => [path, body])).toEqual([
      ["/api/force-sync/retry/sync-1", { failed_only: false }],
      ["/api/force-sync/resume/sync-1", {}],
      ["/api/force-sync/resume/sync-1", { credential_confirmed: true }],
    ]);
  });

  test("does nothing while something else is being asked for", () => {
    startRun({ what: "retry", sessionId: "sync-1", isFailedOnly: true });
    startRun({ what: "resume", sessionId: "sync-1", isCredentialConfirmed: true });
    startSync("quick");
    expect(sent).toHaveLength(1);
    expect(syncButton.value).toEqual({ state: "starting" });
  });
});

describe("while a run is active", () => {
  test("the button names the agent at work by its place in the chain, and sends nothing", () => {
    const working = {
      ...shown(),
      sessionId: "sync-1",
      status: "running",
      workingAgents: ["customer_journey"],
    } as const;
    overview.value = { ...NOBODY, activeSessionId: "sync-1", runs: [{ ...working, completedAgents: 4 }] };
    expect(syncButton.value).toMatchObject({ state: "running", isAccepted: true, agentAtWork: 7, expectedAgents: 9 });
    startSync("quick");
    expect(sent).toEqual([]);
  });

  test("an agent that runs once more does not take it back; between two agents, and among few, ends are counted", () => {
    const once = { ...shown(), sessionId: "sync-1", workingAgents: ["content_review", "geo_audit"] } as const;
    overview.value = { ...NOBODY, activeSessionId: "sync-1", runs: [once] };
    expect(syncButton.value).toMatchObject({ agentAtWork: 3 });
    const between = { ...once, workingAgents: [], completedAgents: 1, progressPercent: 22 };
    overview.value = { ...NOBODY, activeSessionId: "sync-1", runs: [between] };
    expect(syncButton.value).toMatchObject({ agentAtWork: 3 });
    const few = running(only("geo_audit", "cmp_organizer"));
    const past: Past[] = [
      [5, agentCompleted("geo_audit")],
      [6, agentStarted("cmp_organizer")],
    ];
    run.value = given(...few, ...past).run();
    overview.value = { ...NOBODY, activeSessionId: run.value.request.sessionId };
    expect(syncButton.value).toMatchObject({ state: "running", agentAtWork: 2, expectedAgents: 2 });
  });

  test("the run's own log is believed before the overview, which hears of it later", () => {
    const cancelling: Past[] = [...running(), [5, { type: "cancel_requested", actor: "operator" }]];
    run.value = given(...cancelling).run();
    overview.value = { ...NOBODY, activeSessionId: run.value.request.sessionId, runs: [shown()] };
    expect(syncButton.value).toEqual({ state: "cancelling" });
    run.value = given(...cancelling, [6, ended("cancelled", "cancelled_by_operator")]).run();
    expect(syncButton.value).toEqual({ state: "ready" });
  });

  test("a run that cannot be drawn leaves the button to the overview", () => {
    const known = given(...running()).run();
    overview.value = { ...NOBODY, activeSessionId: known.request.sessionId, runs: [shown()] };
    run.value = Object.assign({ ...known }, { attempts: undefined });
    expect(syncButton.value).toMatchObject({ state: "running", agentAtWork: 1 });
  });

  test("a granted run of which nothing has been heard is starting", () => {
    overview.value = { ...NOBODY, activeSessionId: "sync-9" };
    expect(syncButton.value).toEqual({ state: "starting" });
  });
});

describe("while no run may start", () => {
  test("the button says that all is switched off, and sends nothing", () => {
    overview.value = { ...NOBODY, switchedOff: SWITCHED_OFF };
    expect(syncButton.value).toEqual({ state: "blocked", block: { by: "switch", switchedOff: SWITCHED_OFF } });
    startSync("quick");
    expect(sent).toEqual([]);
  });

  test("the button is ready again once OPAL is to be tried again, by the server's time", () => {
    overview.value = { ...NOBODY, breaker: openBreaker(T0 + 30_000) };
    expect(syncButton.value).toEqual({ state: "blocked", block: { by: "breaker", retryAt: T0 + 30_000 } });
    serverNow.value = T0 + 30_000;
    expect(syncButton.value).toEqual({ state: "ready" });
  });

  test("a run that goes on is what the button speaks of", () => {
    overview.value = {
      ...NOBODY,
      activeSessionId: "sync-1",
      runs: [{ ...shown(), sessionId: "sync-1" }],
      switchedOff: SWITCHED_OFF,
    };
    expect(syncButton.value).toMatchObject({ state: "running" });
  });
});

test("the run that is looked at may be the one that waits for its turn", () => {
  overview.value = { ...NOBODY, queued: QUEUED };
  expect(shownQueued.value).toBeNull();
  address.value = { page: "run", sessionId: QUEUED.sessionId };
  expect(shownQueued.value).toBe(QUEUED);
});

function shown() {
  return summarise(viewRun(given([0, requested()]).run()));
}
