// Two Workers before one set of objects, as two isolates of the edge are: nothing is decided in either of them.
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createTestHarness } from "wrangler";

const ROOT = join(import.meta.dirname, "../..");
const KEY = "test-api-key-with-operator-rights";
const HEADERS = { Authorization: `Bearer ${KEY}`, "Content-Type": "application/json" };

/** What OPAL answers next; it counts every call. */
const opal = { status: 200, calls: 0 };
let server: Server;
let root: string;
let harness: ReturnType<typeof createTestHarness>;

beforeAll(async () => {
  server = createServer((request, response) => {
    opal.calls += 1;
    request.resume();
    response.writeHead(opal.status).end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  // A developer's .dev.vars must not reach into the test.
  root = await mkdtemp(join(tmpdir(), "two-isolates-"));
  harness = createTestHarness({ root, workers: [worker("first", port), worker("second", port)] });
  await harness.listen();
  await harness.getWorker("first").applyD1Migrations("DB");
});

afterAll(async () => {
  await harness.close();
  await rm(root, { recursive: true });
  await new Promise((resolve) => server.close(resolve));
});

/** The first one has the objects, the second one uses those of the first. */
function worker(name: "first" | "second", opalPort: number) {
  const elsewhere = name === "first" ? {} : { script_name: "first" };
  return {
    config: {
      name,
      main: join(ROOT, "src/index.ts"),
      compatibility_date: "2026-10-01",
      d1_databases: [{ binding: "DB", database_id: "two-isolates", migrations_dir: join(ROOT, "migrations") }],
      durable_objects: {
        bindings: [
          { name: "SYNC_SESSION", class_name: "SyncSession", ...elsewhere },
          { name: "WORKSPACE", class_name: "Workspace", ...elsewhere },
        ],
      },
      ...(name === "first" ? { migrations: [{ tag: "v1", new_sqlite_classes: ["SyncSession", "Workspace"] }] } : {}),
      vars: {
        ENVIRONMENT: "development",
        OPAL_WEBHOOK_URL: `http://127.0.0.1:${opalPort}/webhooks/strategy-workflow/trigger`,
        OPAL_STRATEGY_WORKFLOW_AUTH_KEY: "test-opal-bearer-key-of-forty-characters",
        OSA_WEBHOOK_SHARED_SECRET: "test-webhook-secret-of-forty-characters-",
        SESSION_SECRET: "test-session-secret-of-forty-characters-",
        DEV_API_KEY: KEY,
        DEADLINE_SCALE: "0.1",
      },
    },
  };
}

/** Half of the requests come to either of them. */
async function ask(turn: number, path: string, init: { method?: string; body?: string } = {}) {
  const name = turn % 2 === 0 ? "first" : "second";
  const url = `http://osa.test/api/force-sync/${path}`;
  const answer = await harness.getWorker(name).fetch(url, { ...init, headers: HEADERS });
  return { status: answer.status, body: JSON.parse(await answer.text()) };
}

const trigger = (turn: number) => ask(turn, "trigger", { method: "POST", body: "{}" });

async function until<Value>(read: () => Promise<Value>, isDone: (value: Value) => boolean): Promise<Value> {
  for (;;) {
    const value = await read();
    if (isDone(value)) return value;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

test("of a hundred triggers at once through both of them, one starts a run and calls OPAL", async () => {
  opal.calls = 0;
  const answers = await Promise.all(Array.from({ length: 100 }, (_, turn) => trigger(turn)));
  const granted = answers.filter(({ status }) => status === 200);
  expect(granted).toHaveLength(1);
  expect(answers.filter(({ status, body }) => status === 409 && body.code === "run_active")).toHaveLength(99);
  const id = granted[0]?.body.session_id;
  await until(
    () => ask(1, `status/${id}`),
    ({ body }) => body.state === "running",
  );
  expect(opal.calls).toBe(1);
  expect((await ask(1, `status/${id}`, { method: "DELETE" })).body).toMatchObject({ confirmed: true });
});

test("what one of them saw fail opens the breaker for the other, and one probe goes out", async () => {
  opal.status = 503;
  opal.calls = 0;
  const { body } = await trigger(0);
  await until(
    () => ask(0, "breaker"),
    ({ body: breaker }) => breaker.state === "open",
  );
  expect(opal.calls).toBe(3);
  expect(await trigger(1)).toMatchObject({ status: 503, body: { code: "breaker_open" } });
  const ended = await until(
    () => ask(1, `status/${body.session_id}`),
    (status) => status.body.state === "failed",
  );
  expect(ended.body.attempts).toHaveLength(4);
  expect(opal.calls).toBe(4);
});
