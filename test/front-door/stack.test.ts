import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { readVars } from "../../scripts/dev-vars.ts";
import { freePort, isGroupAlive, ROOT } from "../../scripts/processes.ts";
import { type Stack, type StackOptions, StartFailure, startStack } from "../../scripts/stack.ts";

const { DEV_API_KEY } = readVars(join(ROOT, ".dev.vars.example"));
const HEADERS = { Authorization: `Bearer ${DEV_API_KEY}` };
const stateDirectory = mkdtempSync(join(tmpdir(), "osa-edge-front-door-"));
let options: StackOptions;
let stack: Stack;

beforeAll(async () => {
  options = { port: await freePort(), simulatorPort: await freePort(), stateDirectory, simulatorSpeed: 1000 };
  stack = await startStack(options);
});

afterAll(async () => {
  await stack?.stop();
  rmSync(stateDirectory, { recursive: true, force: true });
});

describe("the Worker and the simulator, as npm start runs them", () => {
  test("are healthy", async () => {
    expect((await fetch(`${stack.url}/api/health`)).status).toBe(200);
    expect((await fetch(`${stack.simulatorUrl}/simulator/health`)).status).toBe(200);
  });

  test("serve the dashboard and its bundle", async () => {
    const page = await fetch(`${stack.url}/engine/admin`);
    expect([page.status, page.headers.get("content-type")]).toEqual([200, expect.stringContaining("text/html")]);
    const bundle = await fetch(`${stack.url}/app/main.js`);
    expect([bundle.status, bundle.headers.get("content-type")]).toEqual([200, expect.stringContaining("javascript")]);
  });

  test("fire the cron minute on demand", async () => {
    await expect(stack.runCron()).resolves.toBeUndefined();
  });

  test("share their state with nobody", async () => {
    const second = startStack({ ...options, port: await freePort(), simulatorPort: await freePort() });
    await expect(second).rejects.toThrow(StartFailure);
    await expect(second).rejects.toThrow("is in use by another npm start or test");
  });

  test("play a force sync to its end, and still know it after the Worker crashed", async () => {
    const answer = await fetch(`${stack.url}/api/force-sync/trigger`, { method: "POST", headers: HEADERS });
    expect(answer.status).toBe(200);
    const { session_id: id } = await answer.json();
    await vi.waitFor(async () => expect(await statusOf(id)).toBe("completed"), { timeout: 20_000, interval: 200 });
    const pid = stack.worker.pid();
    stack.worker.kill("SIGKILL");
    await stack.worker.exited();
    await stack.worker.restart();
    expect(isGroupAlive(pid)).toBe(false);
    expect(await statusOf(id)).toBe("completed");
  });

  test("log each into one file, across restarts", async () => {
    const log = () => readFileSync(join(stateDirectory, "logs", "worker.log"), "utf8");
    await vi.waitFor(() => expect(log().match(/Ready on/g)).toHaveLength(2), 5000);
  });

  test("leave no process behind when they are stopped", async () => {
    const groups = [stack.worker.pid(), stack.simulator.pid()];
    expect(groups.map(isGroupAlive)).toEqual([true, true]);
    await stack.stop();
    expect(groups.map(isGroupAlive)).toEqual([false, false]);
  });
});

async function statusOf(id: string): Promise<string> {
  const response = await fetch(`${stack.url}/api/force-sync/status/${id}`, { headers: HEADERS });
  return (await response.json()).status;
}
