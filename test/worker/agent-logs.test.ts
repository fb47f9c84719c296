// What went wrong with agents, across runs: the list, what it has in common, and how often.
import { env } from "cloudflare:workers";
import { drizzle } from "drizzle-orm/d1";
import { afterEach, describe, expect, test } from "vitest";
import { listTrouble } from "../../src/operations/agent-log-store.ts";
import { type Answer, agentEvent, call, cancel, runningSync, send, webhook } from "../support/worker/client.ts";
import { oddResult } from "../support/worker/control.ts";
import { breakD1 } from "../support/worker/faults.ts";
import { settled, startOver } from "../support/worker/objects.ts";

afterEach(startOver);

type Body = Answer["body"];

const logs = (search = "") => call("GET", `/api/monitoring/agent-logs${search}`);

/** A run in which one agent failed, one handed over what nobody can read, and all others said nothing. */
async function troubledRun(error = "The sitemap is empty."): Promise<string> {
  const run = await runningSync();
  const failed = { agent_data: { error_message: error, error } };
  await webhook(agentEvent(run, "geo_audit", "failed", failed));
  await oddResult(run, "content_review");
  await cancel(run.session_id);
  await settled(run.session_id);
  return run.session_id;
}

describe("agent logs", () => {
  test("name each trouble with its run, level, reason and the sender's own words", async () => {
    const id = await troubledRun();
    const { status, body } = await logs();
    expect(status).toBe(200);
    const about = (agent: string) =>
      body.logs.find((entry: Body) => entry.agent_id === agent && entry.level === "error");
    expect(about("geo_audit")).toMatchObject({
      ...{ level: "error", agent_name: "GEO audit", session_id: id, event_type: "agent_failed" },
      ...{ reason: "reported_failure", message: "The sender reported it.", error: "The sitemap is empty." },
      ...{ timestamp: expect.stringMatching(/Z$/), delivery_id: expect.stringMatching(/^whd_/) },
    });
    expect(about("content_review")).toMatchObject({ level: "error", event_type: "result_quarantined", error: null });
    expect((await call("GET", about("geo_audit").why_url)).status).toBe(200);
    expect(JSON.stringify(body)).not.toMatch(/stack/i);
    expect(body.logs.map((entry: Body) => entry.timestamp)).toEqual(
      body.logs
        .map((entry: Body) => entry.timestamp)
        .toSorted()
        .toReversed(),
    );
  });

  test("group the same trouble of the same agent over all runs, and count by agent", async () => {
    const first = await troubledRun();
    const second = await troubledRun();
    const { body } = await logs();
    const pattern = body.patterns.find((group: Body) => group.agent_id === "geo_audit");
    expect(pattern).toMatchObject({
      ...{ event_type: "agent_failed", reason: "reported_failure", level: "error", count: 2, affected_runs: 2 },
      last_session_id: [first, second].toSorted().at(-1),
    });
    expect(pattern.first_seen < pattern.last_seen).toBe(true);
    const total = body.logs.filter((entry: Body) => entry.level === "error").length;
    expect(body.counts_24h.errors).toBe(total);
    const geo = body.counts_24h.agents.find((agent: Body) => agent.agent_id === "geo_audit");
    expect(geo).toMatchObject({ errors: 2, warnings: 0 });
    expect(body.counts_24h.agents).toHaveLength(9);
  });

  test("are filtered by agent, level and time", async () => {
    await troubledRun();
    const all = (await logs()).body.logs;
    const ids = async (search: string) => {
      const answer = await logs(search);
      expect([search, answer.status, answer.body.detail]).toEqual([search, 200, undefined]);
      return answer.body.logs.map((entry: Body) => entry.event_id);
    };
    const expected = (is: (entry: Body) => boolean) => all.filter(is).map((entry: Body) => entry.event_id);
    expect(await ids("?agent=GEO_Audit")).toEqual(expected((entry) => entry.agents.includes("geo_audit")));
    for (const level of ["error", "warning"]) {
      expect(await ids(`?level=${level}`)).toEqual(expected((entry) => entry.level === level));
    }
    expect((await ids("?level=warning")).length).toBeGreaterThan(0);
    const warned = (await logs("?level=warning")).body;
    expect(warned.patterns.every((group: Body) => group.level === "warning")).toBe(true);
    expect(await ids("?from=2020-01-01T00:00:00Z&to=2020-01-20T00:00:00Z")).toEqual([]);
    const [newest] = all;
    expect(await ids(`?to=${newest.timestamp}`)).not.toContain(newest.event_id);
    expect(await ids(`?from=${newest.timestamp}`)).toContain(newest.event_id);
  });

  test("are paged without gaps or repeats, and say when there is no more", async () => {
    await troubledRun();
    await troubledRun();
    const all = (await logs()).body.logs.map((entry: Body) => entry.event_id);
    expect(all.length).toBeGreaterThan(4);
    const seen: string[] = [];
    let cursor: string | null = "";
    while (cursor !== null && seen.length < 100) {
      const { body }: Answer = await logs(`?limit=2${cursor === "" ? "" : `&cursor=${cursor}`}`);
      seen.push(...body.logs.map((entry: Body) => entry.event_id));
      cursor = body.next_cursor;
    }
    expect(seen).toEqual(all);
  });

  test.for([
    ["agent=astrologer", "?agent"],
    ["level=fatal", "?level"],
    ["from=yesterday", "?from"],
    ["from=2026-01-01T00:00:00Z&to=2026-03-01T00:00:00Z", "?from"],
    ["from=2026-02-01T00:00:00Z&to=2026-01-01T00:00:00Z", "?from"],
    ["cursor=one", "?cursor"],
    ["limit=0", "?limit"],
    ["agnet=geo_audit", "?agnet"],
  ] as const)("refuse %s by name", async ([search, pointer]) => {
    const answer = await logs(`?${search}`);
    expect(answer).toMatchObject({ status: 400, body: { code: "validation_failed", errors: [{ pointer }] } });
  });

  test("are not for strangers, and say when they cannot be read", async () => {
    expect((await send("/api/monitoring/agent-logs", {})).status).toBe(401);
    const repair = breakD1();
    const answer = await logs();
    repair();
    expect(answer).toMatchObject({ status: 503, body: { code: "service_unavailable" } });
  });

  test("of another workspace stay there", async () => {
    const id = await troubledRun();
    await env.DB.prepare("UPDATE run_events SET workspace = 'acme' WHERE session_id = ?").bind(id).run();
    const { body } = await logs();
    expect([body.logs, body.patterns, body.counts_24h.errors]).toEqual([[], [], 0]);
  });
});

test("the list reads the small index of trouble, whatever is asked for", async () => {
  const db = drizzle(env.DB);
  const all = { workspace: "default", from: 0, to: Number.MAX_SAFE_INTEGER };
  const after = { at: 5, sessionId: "sync-1", seq: 3 };
  for (const filter of [all, { ...all, level: "error" as const }, { ...all, agentId: "geo_audit" as const }]) {
    const { sql, params } = listTrouble(db, filter, { limit: 50, after }).toSQL();
    const { results } = await env.DB.prepare(`EXPLAIN QUERY PLAN ${sql}`)
      .bind(...params)
      .all();
    const plan = results.map((row) => String(row.detail));
    expect(plan.find((step) => step.includes("run_events"))).toContain("USING INDEX run_events_of_trouble");
    expect(plan.find((step) => step.includes("webhook_events"))).toContain("webhook_events_by_delivery");
  }
});
