// The Force sync button: one intent is one request, whatever happens to it.
import { beforeEach, describe, expect, test, vi } from "vitest";
import { ended, given, type Past, requested, running } from "../support/node/given.ts";

interface Sent {
  readonly key: string | null;
  readonly body: unknown;
}

const sent: Sent[] = [];
let answers: (() => Promise<Response>)[] = [];

vi.stubGlobal("location", { pathname: "/engine/admin" });
vi.stubGlobal("history", { pushState: () => undefined });
vi.stubGlobal("fetch", (_path: string, init: { headers: HeadersInit; body: string }) => {
  sent.push({ key: new Headers(init.headers).get("Idempotency-Key"), body: JSON.parse(init.body) });
  const answer = answers.shift();
  return answer === undefined ? new Promise(() => undefined) : answer();
});

const { startForgetting, startSync, start, syncButton, tryAgain } = await import("../../src/dashboard/start.ts");
const { overview, run } = await import("../../src/dashboard/state.ts");
const { address } = await import("../../src/dashboard/location.ts");
const { summarise } = await import("../../src/sync/report.ts");
const { viewRun } = await import("../../src/sync/run/view.ts");
startForgetting();

const json = (status: number, value: unknown) => async () => new Response(JSON.stringify(value), { status });
const problem = (status: number, rest: Readonly<Record<string, unknown>>) =>
  json(status, { title: "No", detail: "No.", ...rest });

beforeEach(() => {
  sent.length = 0;
  answers = [];
  start.value = { state: "idle" };
  overview.value = { activeSessionId: null, runs: [] };
  run.value = null;
  address.value = { page: "now" };
});

describe("pressing the button", () => {
  test("sends one request with the scope and a key, and a second press sends none", () => {
    startSync("full");
    startSync("full");
    expect(syncButton.value).toEqual({ state: "starting" });
    expect(sent).toEqual([{ key: expect.stringMatching(/^[0-9a-f-]{36}$/), body: { sync_scope: "full" } }]);
  });

  test("leads to the run that was started, and goes on saying so until the run is known", async () => {
    answers = [json(200, { session_id: "sync-1" })];
    startSync("quick");
    await vi.waitFor(() => expect(address.value).toEqual({ page: "run", sessionId: "sync-1" }));
    expect(syncButton.value).toEqual({ state: "starting" });
    startSync("quick");
    expect(sent).toHaveLength(1);
    overview.value = { activeSessionId: "sync-1", runs: [{ ...shown(), sessionId: "sync-1" }] };
    expect(syncButton.value).toMatchObject({ state: "running", completedAgents: 0, expectedAgents: 9 });
    expect(start.value).toEqual({ state: "idle" });
  });

  test("leads to the run that holds the lease when somebody was faster", async () => {
    answers = [problem(409, { code: "run_active", active_session: "sync-2" })];
    startSync("quick");
    await vi.waitFor(() => expect(start.value).toEqual({ state: "joined", sessionId: "sync-2" }));
    expect(address.value).toEqual({ page: "run", sessionId: "sync-2" });
  });

  test("keeps the key for another try, and takes a new one for a new intent", async () => {
    answers = [problem(503, { code: "service_unavailable" }), problem(503, { code: "service_unavailable" })];
    startSync("full");
    await vi.waitFor(() => expect(start.value.state).toBe("failed"));
    tryAgain();
    await vi.waitFor(() => expect(start.value.state).toBe("failed"));
    startSync("full");
    expect(sent[1]).toEqual(sent[0]);
    expect(sent[2]?.key).not.toBe(sent[0]?.key);
  });

  test("keeps the problem when no answer comes at all", async () => {
    answers = [() => Promise.reject(new TypeError("Failed to fetch"))];
    startSync("quick");
    await vi.waitFor(() => expect(start.value.state).toBe("failed"));
    expect(start.value).toMatchObject({ problem: { status: 0, title: "The server could not be reached" } });
  });
});

describe("while a run is active", () => {
  test("the button counts its agents and sends nothing", () => {
    overview.value = { activeSessionId: "sync-1", runs: [{ ...shown(), sessionId: "sync-1", completedAgents: 5 }] };
    expect(syncButton.value).toMatchObject({ state: "running", completedAgents: 5, expectedAgents: 9 });
    startSync("quick");
    expect(sent).toEqual([]);
  });

  test("the run's own log is believed before the overview, which hears of it later", () => {
    const cancelling: Past[] = [...running(), [5, { type: "cancel_requested", actor: "operator" }]];
    run.value = given(...cancelling).run();
    overview.value = { activeSessionId: run.value.request.sessionId, runs: [shown()] };
    expect(syncButton.value).toEqual({ state: "cancelling" });
    run.value = given(...cancelling, [6, ended("cancelled", "cancelled_by_operator")]).run();
    expect(syncButton.value).toEqual({ state: "ready" });
  });

  test("a run that cannot be drawn leaves the button to the overview", () => {
    const known = given(...running()).run();
    overview.value = { activeSessionId: known.request.sessionId, runs: [shown()] };
    run.value = Object.assign({ ...known }, { attempts: undefined });
    expect(syncButton.value).toMatchObject({ state: "running", completedAgents: 0 });
  });

  test("a granted run of which nothing has been heard is starting", () => {
    overview.value = { activeSessionId: "sync-9", runs: [] };
    expect(syncButton.value).toEqual({ state: "starting" });
  });
});

function shown() {
  return summarise(viewRun(given([0, requested()]).run()));
}
