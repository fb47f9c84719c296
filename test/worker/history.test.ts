// What was: runs from D1, across sessions, and the log of one run from its object.
import { env } from "cloudflare:workers";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { RunEvent } from "../../src/sync/run/events.ts";
import { type Answer, allAgentsReport, call, cancel, runningSync, trigger } from "../support/worker/client.ts";
import { advanceClock, stopClock } from "../support/worker/faults.ts";
import { eventsOf, settled, startOver } from "../support/worker/objects.ts";

beforeEach(stopClock);
afterEach(startOver);

type Page = { runs: { session_id: string; state: string }[]; next_before: string | number | null };

async function page(search: string): Promise<Page> {
  return (await call("GET", `/api/force-sync/runs${search}`)).body;
}

async function endedRuns(count: number, msBetween: number): Promise<string[]> {
  const ids: string[] = [];
  for (let times = 0; times < count; times++) {
    const { body: run } = await trigger();
    await cancel(run.session_id);
    await settled(run.session_id);
    ids.push(run.session_id);
    advanceClock(msBetween);
  }
  return ids;
}

async function allPages(limit: number): Promise<string[]> {
  const seen: string[] = [];
  let cursor: string | number | null = null;
  do {
    const { runs, next_before }: Page = await page(`?limit=${limit}${cursor === null ? "" : `&before=${cursor}`}`);
    seen.push(...runs.map((run) => run.session_id));
    cursor = next_before;
  } while (cursor !== null && seen.length < 20);
  return seen;
}

test("lists runs newest first, page by page, each once", async () => {
  const ids = await endedRuns(5, 1_000);
  expect((await page("")).runs).toMatchObject(
    ids.toReversed().map((session_id) => ({ session_id, state: "cancelled" })),
  );
  for (const limit of [1, 2, 3, 5]) expect(await allPages(limit)).toEqual(ids.toReversed());
});

test("loses no run on the edge of a page, even if several began in the same millisecond", async () => {
  const ids = await endedRuns(3, 0);
  for (const limit of [1, 2, 3]) expect((await allPages(limit)).sort()).toEqual(ids.sort());
});

test("is the workspace's own", async () => {
  await endedRuns(1, 0);
  expect((await page("")).runs).toHaveLength(1);
  await env.DB.prepare("UPDATE opal_workflow_executions SET workspace = 'acme'").run();
  expect((await page("")).runs).toEqual([]);
});

test.for(["limit=0", "limit=101", "limit=ten", "before=-1", "befor=1", "limit=1&limit=2x"])(
  "refuses ?%s",
  async (search) => {
    const answer = await call("GET", `/api/force-sync/runs?${search}`);
    expect([answer.status, answer.body.code]).toEqual([400, "validation_failed"]);
    expect(answer.body.errors[0].pointer).toBe(`?${search.split("=")[0]}`);
  },
);

test("a run's own log can be read in pages, too", async () => {
  const run = await runningSync();
  await allAgentsReport(run);
  const all = await eventsOf(run.session_id);
  const seqs: number[] = [];
  let after: number | null = 0;
  while (after !== null) {
    const page: Answer = await call("GET", `/api/force-sync/events/${run.session_id}?limit=20&after=${after}`);
    seqs.push(...page.body.events.map((event: RunEvent) => event.seq));
    after = page.body.next_after;
  }
  expect(seqs).toEqual(all.map((event) => event.seq));
});
