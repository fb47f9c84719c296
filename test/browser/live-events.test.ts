// The live feed at clients that nobody changed for it: the EventSource of npm and of Chromium, and a plain WebSocket,
// against the real Worker, while connections are cut.
import { mkdtempSync, rmSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { EventSource } from "eventsource";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { WebSocket } from "ws";
import { readVars } from "../../scripts/dev-vars.ts";
import { freePort, ROOT } from "../../scripts/processes.ts";
import { type Stack, startStack } from "../../scripts/stack.ts";
import { LIVE_EVENT_NAMES } from "../../src/live/event.ts";
import { openBrowser } from "../support/node/browser.ts";

const { DEV_API_KEY = "" } = readVars(join(ROOT, ".dev.vars.example"));
const HEADERS = { Authorization: `Bearer ${DEV_API_KEY}`, "Content-Type": "application/json" };
const FEED = "/api/webhook-events";
const RUN_LIMIT_MS = 60_000;
const NAMES = [...LIVE_EVENT_NAMES, "reset"];

const stateDirectory = mkdtempSync(join(tmpdir(), "osa-live-"));
let stack: Stack;
let browser: Browser;
let wire: Wire;

beforeAll(async () => {
  const [port, simulatorPort] = [await freePort(), await freePort()];
  stack = await startStack({ port, simulatorPort, stateDirectory, simulatorSpeed: 30 });
  wire = await layWire(port);
  browser = await openBrowser();
});

afterAll(async () => {
  await browser?.close();
  await wire?.close();
  await stack?.stop();
  rmSync(stateDirectory, { recursive: true, force: true });
});

/** A way to the Worker that can be cut. */
interface Wire {
  readonly url: string;
  readonly cut: () => void;
  readonly close: () => Promise<void>;
}

async function layWire(port: number): Promise<Wire> {
  const ends = new Set<Socket>();
  const server: Server = createServer((near) => {
    const far = connect(port, "127.0.0.1");
    for (const [end, other] of [
      [near, far],
      [far, near],
    ] as const) {
      ends.add(end);
      end.on("error", () => undefined);
      end.on("close", () => {
        ends.delete(end);
        other.destroy();
      });
      end.pipe(other);
    }
  });
  const own = await freePort();
  await new Promise<void>((resolve) => server.listen(own, "127.0.0.1", resolve));
  const cut = () => {
    for (const end of ends) end.destroy();
  };
  const close = () => {
    cut();
    return new Promise<void>((resolve) => server.close(() => resolve()));
  };
  return { url: `http://127.0.0.1:${own}`, cut, close };
}

interface Told {
  readonly id: string;
  readonly name: string;
  readonly data: Readonly<Record<string, unknown>>;
}

async function post(path: string): Promise<{ readonly session_id: string }> {
  const response = await fetch(`${stack.url}${path}`, { method: "POST", headers: HEADERS, body: "{}" });
  expect(response.status).toBe(200);
  return response.json();
}

const isEndOf = (sessionId: string) => (told: Told) =>
  told.name === "workflow_completed" && told.data.session_id === sessionId;
const eventually = <Value>(read: () => Value) => expect.poll(read, { timeout: RUN_LIMIT_MS });
const numberOf = ({ id }: Told) => Number(id.split(".")[1]);

/** One after the other, none twice, none left out. */
function expectWhole(told: readonly Told[]): void {
  const first = told[0] === undefined ? 0 : numberOf(told[0]);
  expect(told.map(numberOf)).toEqual(told.map((_one, index) => first + index));
  expect(told.map(({ name }) => name)).not.toContain("reset");
}

test("npm's EventSource sees a whole run, although its connection is cut again and again", async () => {
  const told: Told[] = [];
  let opened = 0;
  const source = new EventSource(`${wire.url}${FEED}/stream`, {
    fetch: (url, init) => fetch(url, { ...init, headers: { ...init.headers, ...HEADERS } }),
  });
  source.addEventListener("open", () => {
    opened += 1;
  });
  for (const name of NAMES) {
    source.addEventListener(name, ({ lastEventId: id, data }) => told.push({ id, name, data: JSON.parse(data) }));
  }
  await eventually(() => opened).toBe(1);
  const run = await post("/api/force-sync/trigger");
  for (let cuts = 1; cuts <= 3; cuts++) {
    const before = told.length;
    await eventually(() => told.length).toBeGreaterThan(before + 3);
    wire.cut();
    await eventually(() => opened).toBe(cuts + 1);
  }
  await eventually(() => told.filter(isEndOf(run.session_id)).length).toBe(1);
  source.close();
  expectWhole(told);
  const changes = told.filter(({ name }) => name === "agent_status_change");
  expect(changes.filter(({ data }) => data.current_status === "completed")).toHaveLength(9);
  expect(told.filter(({ name }) => name === "force_sync_completed")).toHaveLength(1);
});

test("Chromium's EventSource sees the same with the session's cookie, also when the Worker starts anew", async () => {
  const page = await browser.newPage();
  await page.goto(`${stack.url}/engine/admin`);
  await page.getByLabel(/e-?mail/i).fill("operator@osa.localhost");
  await page.getByLabel(/password/i).fill("press-force-sync");
  await page.keyboard.press("Enter");
  await page.getByTestId("force-sync-button").waitFor();
  await page.evaluate(
    ([path, names]) => {
      const told: Told[] = [];
      const source = new window.EventSource(path);
      Object.assign(window, { told, source });
      for (const name of names) {
        source.addEventListener(name, ({ lastEventId: id, data }) => told.push({ id, name, data: JSON.parse(data) }));
      }
      return new Promise((resolve) => {
        source.onopen = resolve;
      });
    },
    [`${FEED}/stream`, NAMES] as const,
  );
  const told = (): Promise<Told[]> => page.evaluate(() => Reflect.get(window, "told"));
  const run = await post("/api/force-sync/trigger");
  await eventually(async () => (await told()).length).toBeGreaterThan(3);
  await stack.worker.restart();
  await eventually(async () => (await told()).filter(isEndOf(run.session_id)).length).toBe(1);
  const all = await told();
  expectWhole(all);
  expect(all.filter(({ name }) => name === "force_sync_completed")).toHaveLength(1);
  await page.context().close();
});

test("a plain WebSocket sees one run and nothing of others, and takes up again where it was cut", async () => {
  const run = await post("/api/force-sync/trigger");
  const other = { filter: JSON.stringify({ min_priority: "medium" }), session_id: run.session_id };
  const seqs: number[] = [];
  const told: Told["data"][] = [];
  const open = (since: string) => {
    const query = new URLSearchParams({ ...other, ...(since === "" ? {} : { since }) });
    const socket = new WebSocket(`${wire.url.replace("http", "ws")}${FEED}/live?${query}`, { headers: HEADERS });
    socket.on("error", () => undefined);
    socket.on("message", (text) => {
      const message = JSON.parse(String(text));
      cursor = `${message.epoch}.${message.seq}`;
      if (message.type !== "change") return;
      seqs.push(message.seq);
      told.push(message.change);
    });
    return socket;
  };
  let cursor = "";
  const first = open("");
  await eventually(() => told.length).toBeGreaterThan(2);
  const gone = new Promise((resolve) => first.once("close", resolve));
  wire.cut();
  await gone;
  const second = open(cursor);
  await eventually(() => told.some((data) => data.type === "workflow_completed")).toBe(true);
  second.close();
  expect(seqs).toEqual([...new Set(seqs)].toSorted((left, right) => left - right));
  expect(new Set(told.map((data) => data.session_id))).toEqual(new Set([run.session_id]));
  expect(told.filter((data) => data.priority === "low")).toEqual([]);
  const completed = told.filter((data) => data.current_status === "completed").map((data) => data.agent_id);
  expect(completed).toEqual([...new Set(completed)]);
});
