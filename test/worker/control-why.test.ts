// The log of a run as an explanation: what happened, what each event changed, what it looked like then, and why.
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { RunEvent } from "../../src/sync/run/events.ts";
import { fold } from "../../src/sync/run/reduce.ts";
import { RULES } from "../../src/sync/run/rules.ts";
import { viewRun } from "../../src/sync/run/view.ts";
import { agentEvent, CHAIN, call, status, webhook } from "../support/worker/client.ts";
import {
  type Body,
  get,
  iso,
  oddResult,
  othersThan,
  pass,
  report,
  ringSession,
  startedRun,
  takeOverClock,
} from "../support/worker/control.ts";
import { advanceClock, fixLuck } from "../support/worker/faults.ts";
import { eventsOf, startOver } from "../support/worker/objects.ts";

beforeEach(takeOverClock);
afterEach(startOver);

const path = (what: "why" | "state" | "events", id: string, query = "") => `/api/force-sync/${what}/${id}${query}`;

function why(id: string, query = ""): Promise<Body> {
  return get(path("why", id, query));
}

function types(chain: readonly Body[]): string[] {
  return chain.map((step: Body) => step.event_type);
}

/** A failed call, a late agent that is run again, a failed one, an unreadable one, and an end with what there is. */
async function eventfulRun(): Promise<Body> {
  fixLuck(0);
  const { session_id: id } = await startedRun("503 ok");
  const run = await ringSession(id);
  await pass(id, 60_000);
  await oddResult(run, "content_review");
  await ringSession(id);
  await report(run, ["geo_audit"], "failed");
  advanceClock(1_000);
  await report(run, othersThan("integration_health", "content_review", "geo_audit"));
  await pass(id, 31_000);
  await pass(id, 600_000);
  await webhook(agentEvent(run, "geo_audit"));
  return status(id);
}

describe("why", () => {
  test("an agent has failed: the rule, and back to what came from outside", async () => {
    const run = await startedRun();
    await report(run, ["geo_audit"], "failed");
    const answer = await why(run.session_id, "?agent=geo_audit");
    expect(answer).toMatchObject({ success: true, session_id: run.session_id, about: "geo_audit", state: "failed" });
    expect(answer.chain).toMatchObject([
      { event_type: "agent_failed", rule: "sender_reported", explanation: RULES.sender_reported },
      { event_type: "delivery_recorded", rule: "authenticated_delivery", event: { causedBy: null } },
    ]);
  });

  test("an agent is run once more: because it was over its limit, since OPAL accepted the run, which we asked for", async () => {
    const run = await startedRun();
    await pass(run.session_id, 60_000);
    const { chain, state } = await why(run.session_id, "?agent=integration_health");
    expect(state).toBe("rerunning");
    expect(types(chain)).toEqual([
      ...["rerun_requested", "agent_timed_out", "attempt_accepted", "attempt_started", "requested"],
    ]);
    expect(chain[0]).toMatchObject({ rule: "reduced_scope_retry", explanation: RULES.reduced_scope_retry });
    expect(chain.at(-1)).toMatchObject({ rule: "granted", event: { causedBy: null } });
  });

  test("the run has ended", async () => {
    const run = await startedRun();
    await report(run, ["geo_audit"], "failed");
    await report(run, othersThan("geo_audit"));
    const { about, state, chain } = await why(run.session_id);
    expect([about, state]).toEqual(["run", "partially_completed"]);
    expect(types(chain)).toEqual(["ended", "agent_completed", "delivery_recorded"]);
    expect(chain[0].rule).toBe("all_ended");
  });

  test("nothing has happened to an agent yet: because the run was asked for", async () => {
    const run = await startedRun();
    const { state, chain } = await why(run.session_id, "?agent=cmp_organizer");
    expect([state, types(chain)]).toEqual(["waiting", ["requested"]]);
  });

  test("it was so then: ?at shows the reason as of that event", async () => {
    const run = await startedRun();
    await report(run, ["geo_audit"], "failed");
    const failedAt = (await status(run.session_id)).seq;
    await webhook(agentEvent(run, "geo_audit"));
    expect((await why(run.session_id, "?agent=geo_audit")).state).toBe("completed");
    const then = await why(run.session_id, `?agent=geo_audit&at=${failedAt}`);
    expect([then.state, types(then.chain)]).toEqual(["failed", ["agent_failed", "delivery_recorded"]]);
    expect((await why(run.session_id, "?agent=geo_audit&at=1")).state).toBe("waiting");
  });

  test("for everything in an eventful run the chain goes back in time, and ends where nothing caused it", async () => {
    const run = await eventfulRun();
    for (const query of ["", ...CHAIN.map((agent) => `?agent=${agent}`)]) {
      const { chain } = await why(run.session_id, query);
      const seqs: number[] = chain.map((step: Body) => step.seq);
      expect(seqs).toEqual(seqs.toSorted((a, b) => b - a));
      expect(chain.at(-1)?.event.causedBy).toBeNull();
      for (const step of chain) expect(step.explanation.length).toBeGreaterThan(10);
    }
  });

  test.for([
    ["?agent=nobody", 400, "?agent"],
    ["?at=0", 400, "?at"],
    ["?at=10000", 400, "?at"],
    ["?about=run", 400, "?about"],
  ] as const)("%s is refused", async ([query, code, pointer]) => {
    const run = await startedRun();
    const answer = await call("GET", path("why", run.session_id, query));
    expect([answer.status, answer.body.errors[0].pointer]).toEqual([code, pointer]);
  });

  test("an agent that the run did not ask for is not found", async () => {
    const run = await startedRun("ok", { agent_filter: ["geo_audit"] });
    expect((await call("GET", path("why", run.session_id, "?agent=cmp_organizer"))).status).toBe(404);
  });
});

describe("the state as of an event", () => {
  test("is the log folded up to there, for every event", async () => {
    const run = await eventfulRun();
    const events = await eventsOf(run.session_id);
    for (const { seq } of events) {
      const folded = fold(events.slice(0, seq));
      if (folded.status === "absent") throw new Error("the log does not begin with the run");
      const view = viewRun(folded);
      expect(await get(path("state", run.session_id, `?at=${seq}`))).toMatchObject({
        ...{ state: view.status, progress: view.progressPercent, reason: view.reason, seq },
        ...{ as_of_event: seq, as_of: iso(view.updatedAt), last_event: events.length },
        agents: view.agents.map((agent) => ({ agent_id: agent.id, status: agent.state, reason: agent.reason })),
        attempts: view.attempts.map(({ attempt, state }) => ({ attempt, state })),
      });
    }
  });

  test("of the last event is the state now", async () => {
    const { seq, session_id: id, ...now } = await eventfulRun();
    const then = await get(path("state", id, `?at=${seq}`));
    expect(then).toMatchObject({ agents: now.agents, attempts: now.attempts, state: now.state, reruns: now.reruns });
  });

  test.for(["?at=0", "?at=6", "?at=1e9", "?at=last", ""])("%j names no event and is refused", async (query) => {
    const run = await startedRun();
    expect(run.seq).toBeLessThan(6);
    const answer = await call("GET", path("state", run.session_id, query));
    expect([answer.status, answer.body.errors[0].pointer]).toEqual([400, "?at"]);
  });
});

describe("events", () => {
  type Logged = RunEvent & { readonly changed: Body; readonly published: Body };

  async function page(id: string, query: string): Promise<{ events: Logged[]; next_after: number | null }> {
    return get(path("events", id, query));
  }

  test("come page by page, each once and the same as in the log", async () => {
    const { session_id: id } = await eventfulRun();
    const log = await eventsOf(id);
    const seen: Logged[] = [];
    let after: number | null = 0;
    while (after !== null && seen.length <= log.length) {
      const { events, next_after }: Awaited<ReturnType<typeof page>> = await page(id, `?after=${after}&limit=7`);
      expect(events.length).toBeLessThanOrEqual(7);
      seen.push(...events);
      after = next_after;
    }
    expect(seen).toMatchObject(log);
    expect((await page(id, "")).events).toEqual(seen);
    expect((await page(id, `?after=${log.length}`)).events).toEqual([]);
  });

  test("say what each changed, and the changes add up to what is", async () => {
    const run = await eventfulRun();
    const { events } = await page(run.session_id, "");
    let status: string | null = null;
    const agents: Record<string, string> = {};
    for (const { changed } of events) {
      if (changed.status) {
        expect(changed.status.from).toBe(status);
        status = changed.status.to;
      }
      for (const [agent, change] of Object.entries<Body>(changed.agents)) {
        expect(change.from).toBe(agents[agent] ?? null);
        agents[agent] = change.to;
      }
    }
    expect(status).toBe(run.state);
    expect(agents).toEqual(Object.fromEntries(run.agents.map((agent: Body) => [agent.agent_id, agent.status])));
  });

  test("say the same of a change whichever page they are on", async () => {
    const run = await eventfulRun();
    const { events } = await page(run.session_id, "");
    const late = events.findLast((event) => event.changed.status !== null);
    const [alone] = (await page(run.session_id, `?after=${Number(late?.seq) - 1}&limit=1`)).events;
    expect(alone).toEqual(late);
  });

  test("name their run, their cause and the sentence of their rule", async () => {
    const run = await eventfulRun();
    const { events } = await page(run.session_id, "");
    for (const event of events) {
      expect(event).toMatchObject({
        ...{ event_id: `${run.session_id}.${event.seq}`, event_type: event.type, timestamp: iso(event.at) },
        ...{ correlation_id: run.correlation_id, explanation: RULES[event.rule] },
        causation_id: event.causedBy === null ? null : `${run.session_id}.${event.causedBy}`,
      });
    }
  });

  test("that others subscribe to carry what those expect", async () => {
    const run = await eventfulRun();
    const { events } = await page(run.session_id, "");
    const published = events.filter((event) => event.published !== null);
    expect(published[0]?.published).toMatchObject({
      ...{ name: "orchestration.workflow_triggered@1", workflow_id: run.workflow_id, trigger_source: "force_sync" },
      agents_scheduled: [...CHAIN],
    });
    const failed = published.find((event) => event.type === "agent_failed");
    expect(failed?.published).toMatchObject({
      ...{ name: "orchestration.agent.completed@1", agent_id: "geo_audit", success: false },
      metadata: { error_message: "reported_failure" },
    });
  });

  test.for(["?after=-1", "?limit=0", "?limit=10001", "?from=1"])("%s is refused", async (query) => {
    const run = await startedRun();
    expect((await call("GET", path("events", run.session_id, query))).status).toBe(400);
  });
});
