// Everything that was received, as lines of JSON that can be read while they come.
import { env, exports } from "cloudflare:workers";
import { afterEach, expect, test, vi } from "vitest";
import {
  type Answer,
  API_KEY,
  agentEvent,
  call,
  eventually,
  ORIGIN,
  runningSync,
  send,
  webhook,
} from "../support/worker/client.ts";
import { deliveryId, eventRow, list, numbers, storeEvents, T0 } from "../support/worker/events.ts";
import { startOver } from "../support/worker/objects.ts";

afterEach(startOver);

type Body = Answer["body"];

const PAGE = 500;

function download(query = ""): Promise<Response> {
  const headers = { Authorization: `Bearer ${API_KEY}` };
  return exports.default.fetch(`${ORIGIN}/api/webhook-events/export${query}`, { headers });
}

const linesOf = (text: string): Body[] => text.split("\n").flatMap((line) => (line === "" ? [] : [JSON.parse(line)]));

async function exported(query = ""): Promise<Body[]> {
  return linesOf(await (await download(query)).text());
}

const numberOf = (line: Body) => Number(line.delivery_id.slice(4));

test("an export has every event once, newest first, and nothing else", async () => {
  const count = 2 * PAGE + 17;
  await storeEvents(Array.from({ length: count }, (_, n) => eventRow(n, { receivedAt: T0 + Math.floor(n / 3) })));
  const response = await download();
  expect(response.headers.get("Content-Type")).toBe("application/x-ndjson; charset=utf-8");
  expect(response.headers.get("Content-Disposition")).toBe('attachment; filename="webhook-events.ndjson"');
  const text = await response.text();
  expect(text.endsWith("}\n")).toBe(true);
  const lines = linesOf(text);
  expect(lines.map(numberOf)).toEqual(Array.from({ length: count }, (_, n) => count - 1 - n));
  expect(lines[0]).toEqual((await list("?limit=1")).body.events[0]);
});

test("an export knows the list's filters and cursors, and refuses what the list refuses", async () => {
  await storeEvents([eventRow(1), eventRow(2, { verdict: "late" }), eventRow(3, { verdict: "late" }), eventRow(4)]);
  expect((await exported("?status=late")).map(numberOf)).toEqual([3, 2]);
  const first = await list("?limit=2");
  expect(numbers(first)).toEqual([4, 3]);
  expect((await exported(`?cursor=${first.body.next_cursor}`)).map(numberOf)).toEqual([2, 1]);
  expect(await exported("?q=nothinglikethis")).toEqual([]);
  for (const query of ["?limit=5", "?status=odd", "?include_body=maybe"]) {
    expect((await call("GET", `/api/webhook-events/export${query}`)).status, query).toBe(400);
  }
  expect((await send("/api/webhook-events/export", {})).status).toBe(401);
});

test("an export with bodies has every character of them, and says which are gone", async () => {
  const run = await runningSync();
  const bodies = [
    JSON.stringify(agentEvent(run, "geo_audit")),
    `\ufeff${JSON.stringify(agentEvent(run, "content_review"))}\r\n`,
    JSON.stringify(agentEvent(run, "cmp_organizer", "completed", { agent_data: { long: "ü".repeat(1_200_000) } })),
  ];
  const ids: string[] = [];
  for (const body of bodies) ids.push((await webhook(body)).body.webhook_id);
  await eventually(
    async () => numbersOf(await list()),
    (found) => found === bodies.length,
  );
  await storeEvents([eventRow(1, { sessionId: run.session_id })]);
  // One of them D1 has lost; the run's own object has it still.
  await env.DB.prepare("DELETE FROM bodies WHERE body_id = ?").bind(ids[0]).run();
  const lines = new Map((await exported("?include_body=true")).map((line) => [line.delivery_id, line]));
  expect(ids.map((id) => lines.get(id).body === bodies[ids.indexOf(id)])).toEqual([true, true, true]);
  expect(lines.get(deliveryId(1))).toMatchObject({ body: null, body_missing: "delivery_expired" });
});

const numbersOf = (answer: Answer) => answer.body.events.length;

test("an export that breaks off says so in its last line, and where to go on", async () => {
  await storeEvents(Array.from({ length: PAGE + 20 }, (_, n) => eventRow(n)));
  const database: D1Database = Object.getPrototypeOf(env.DB);
  const { batch } = database;
  let asked = 0;
  const spy = vi.spyOn(database, "batch").mockImplementation(function (this: D1Database, ...statements) {
    if (++asked > 1) throw new Error("D1_ERROR: Network connection lost.");
    return batch.apply(this, statements);
  });
  const lines = await exported();
  spy.mockRestore();
  const last = lines.pop();
  expect(lines.map(numberOf)).toEqual(Array.from({ length: PAGE }, (_, n) => PAGE + 19 - n));
  expect(last).toMatchObject({ error: "service_unavailable", next_cursor: expect.stringMatching(/^time\./) });
  const rest = await exported(`?cursor=${last.next_cursor}`);
  expect(rest.map(numberOf)).toEqual(Array.from({ length: 20 }, (_, n) => 19 - n));
});

test("an export is read no faster than it is taken, and no further than it is wanted", async () => {
  await storeEvents(Array.from({ length: 3 * PAGE }, (_, n) => eventRow(n)));
  const database: D1Database = Object.getPrototypeOf(env.DB);
  const spy = vi.spyOn(database, "batch");
  const reader = (await download()).body?.getReader();
  await reader?.read();
  await reader?.cancel();
  expect(spy.mock.calls.length).toBeLessThan(3);
});
