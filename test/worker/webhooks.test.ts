import { afterEach, describe, expect, test } from "vitest";
import {
  ACME_SECRET,
  type Answer,
  agentEvent,
  bytesOf,
  call,
  eventually,
  opalLedger,
  PREVIOUS_SECRET,
  result,
  runningSync,
  SECRET,
  send,
  status,
  WEBHOOKS,
  webhook,
} from "../support/worker/client.ts";
import { sessionObject, startOver, workspaceObject } from "../support/worker/objects.ts";

afterEach(startOver);

type Run = { session_id: string; correlation_id: string };
const AGENT = "content_review";

function agentOf(run: Answer["body"]) {
  return run.agents.find((agent: { agent_id: string }) => agent.agent_id === AGENT);
}

describe("every way OPAL is known to report an agent arrives as the same result", () => {
  const timestamp = "2026-11-01T10:00:00Z";
  const families: Readonly<Record<string, (run: Run) => object>> = {
    "the old application's flat form": (run) => ({
      ...{ workflow_id: `opal-${run.session_id}`, agent_id: "Content_Review", execution_status: "success" },
      ...{ agent_data: result(AGENT), offset: null, timestamp, metadata: {}, correlation_id: run.correlation_id },
    }),
    "the dotted envelope": (run) => ({
      ...{ event_type: "agent.completed", workflow_id: `opal-${run.session_id}`, workflow_name: "strategy_workflow" },
      ...{ timestamp, agent_id: "content-review", agent_output: result(AGENT), agent_success: true },
    }),
    agent_status_update: (run) => ({
      ...{ event_type: "agent_status_update", workflow_id: `opal-${run.session_id}`, agent_id: AGENT, timestamp },
      data: { agent_status: { current_status: "completed" }, results: result(AGENT) },
    }),
    "execution_status with agent_data": (run) => agentEvent(run, AGENT, "completed", { agent_data: result(AGENT) }),
    "the bare run event": (run) => ({
      ...{ event: "agent_completed", agent_id: "CONTENT_REVIEW", result: result(AGENT), timestamp },
      metadata: { session_id: run.session_id },
    }),
  };

  test.for(Object.entries(families))("%s", async ([, payload]) => {
    const run = await runningSync();
    const answer = await webhook(payload(run));
    expect(answer.status).toBe(200);
    expect(answer.body).toMatchObject({
      success: true,
      status: "processed",
      webhook_id: expect.stringMatching(/^whd_\w{20}$/),
      correlation_id: expect.any(String),
      processing_time_ms: expect.any(Number),
      events_triggered: expect.arrayContaining(["delivery_recorded", "agent_completed"]),
    });
    const agent = agentOf(await status(run.session_id));
    expect(agent).toMatchObject({ status: "completed", quarantined: false, confidence_score: expect.any(Number) });
    const stored = await call("GET", agent.result_url);
    expect(stored.body).toMatchObject({ agent_id: AGENT, family: "execution_results", output: result(AGENT) });
  });
});

describe("what an agent's status word means", () => {
  test.for([
    ["started", "running"],
    ["in_progress", "running"],
    ["pending", "running"],
    ["partial", "running"],
    ["SUCCESS", "completed"],
    ["failure", "failed"],
    ["timeout", "failed"],
  ] as const)("%s: %s", async ([word, state]) => {
    const run = await runningSync();
    expect((await webhook(agentEvent(run, AGENT, word))).body.status).toBe("processed");
    expect(agentOf(await status(run.session_id)).status).toBe(state);
  });

  test("a word nobody knows is stored and changes nothing, least of all to success", async () => {
    const run = await runningSync();
    const answer = await webhook(agentEvent(run, AGENT, "splendid", { agent_data: result(AGENT) }));
    expect([answer.status, answer.body.reason]).toEqual([202, "unknown_status"]);
    const now = await status(run.session_id);
    expect([agentOf(now).status, now.deliveries.ignored]).toEqual(["waiting", 1]);
  });

  test("a result of a shape nobody knows is none: it is kept whole and marked, and its agent runs once more", async () => {
    const run = await runningSync();
    const odd = { anything: ["goes", { here: null }] };
    expect((await webhook(agentEvent(run, AGENT, "completed", { agent_data: odd }))).body).toMatchObject({
      status: "processed",
      verdict: "quarantined",
    });
    const agent = agentOf(await status(run.session_id));
    expect(agent).toMatchObject({ status: "rerunning", quarantined: true, reason: "invalid_result", retry_count: 1 });
    expect((await call("GET", agent.result_url)).body).toMatchObject({ output: odd, family: "unrecognised" });
    const [again] = await eventually(
      () => opalLedger(`${run.session_id}.rerun-1`),
      (calls) => calls.length > 0,
    );
    expect(JSON.parse(again?.body ?? "")).toMatchObject({
      correlation_id: run.correlation_id,
      input_data: { agent_filter: [AGENT], retry_of: run.session_id },
    });
    expect(await status(run.session_id)).toMatchObject({ completed_agents: 0, deliveries: { quarantined: 1 } });
  });

  test("an agent nobody knows is stored without effect", async () => {
    const run = await runningSync();
    const answer = await webhook(agentEvent(run, "quick_wins_analyzer"));
    expect([answer.status, answer.body.reason]).toEqual([202, "unknown_agent"]);
  });
});

describe("a signature is over the bytes, and its secret is the workspace's", () => {
  test.for([
    ["odd spacing", (id: string) => `{\r\n\t"correlation_id" :\n  "${id}" , "event_type":"workflow_progress"  }\n\n`],
    ["unicode", (id: string) => `{"correlation_id":"${id}","event_type":"workflow_progress","é":"日本 🚀 \u2028"}`],
    ["escapes", (id: string) => `{"correlation_id":"${id}","event_type":"workflow_progress","x":"\\u00e9\\/\\ud83d"}`],
    [
      "numbers no one else would write",
      (id: string) => `{"correlation_id":"${id}","event":"workflow_progress","n":1.0E+2}`,
    ],
    ["double keys", (id: string) => `{"event":"x","correlation_id":"${id}","event":"workflow_progress"}`],
    ["a byte order mark", (id: string) => `\ufeff{"correlation_id":"${id}","event_type":"workflow_progress"}`],
  ] as const)("%s", async ([, write]) => {
    const run = await runningSync();
    const body = write(run.correlation_id);
    const answer = await webhook(body);
    expect([answer.status, answer.body.status]).toEqual([200, "processed"]);
    const [kept] = await sessionObject(run.session_id).body(answer.body.webhook_id);
    expect(new Uint8Array(kept ?? new ArrayBuffer())).toEqual(bytesOf(body));
  });

  test("the previous secret is still accepted, and the log says which it was", async () => {
    const run = await runningSync();
    await webhook(agentEvent(run, AGENT, "started"), { secret: PREVIOUS_SECRET });
    await webhook(agentEvent(run, AGENT, "completed"), { secret: SECRET });
    const events = await sessionObject(run.session_id).events(0, 100);
    const secrets = events.flatMap((event) => (event.type === "delivery_recorded" ? [event.secret] : []));
    expect(secrets).toEqual(["previous", "current"]);
  });

  test("another workspace's secret opens its own address and no other", async () => {
    const payload = { workflow_id: "a-workflow-of-acme", event_type: "workflow_progress" };
    expect((await webhook(payload, { workspace: "acme", secret: ACME_SECRET })).status).toBe(202);
    expect((await webhook(payload, { secret: ACME_SECRET })).status).toBe(401);
    expect((await webhook(payload, { workspace: "default", secret: ACME_SECRET })).status).toBe(401);
    expect((await webhook(payload, { workspace: "acme", secret: SECRET })).status).toBe(401);
    expect((await webhook(payload, { workspace: "default", secret: SECRET })).status).toBe(202);
    expect((await webhook(payload, { workspace: "nobody", secret: SECRET })).status).toBe(404);
    expect((await webhook(payload, { workspace: "default:sync", secret: SECRET })).status).toBe(404);
  });

  test("and a run of ours is out of another workspace's reach, even by its own ids", async () => {
    const run = await runningSync();
    expect((await webhook(agentEvent(run, AGENT), { workspace: "acme", secret: ACME_SECRET })).status).toBe(202);
    expect(agentOf(await status(run.session_id)).status).toBe("waiting");
    expect((await workspaceObject("acme").overview()).runs).toEqual([]);
  });
});

describe("a readable body that says nothing is stored all the same", () => {
  test.for(["[]", '[{"a":1}]', "7", '"text"', "null", "true", "{}", "1e999", '{"__proto__":{"polluted":1}}'])(
    "%s",
    async (body) => {
      const answer = await webhook(body);
      expect([answer.status, answer.body.status, answer.body.success]).toEqual([202, "stored", true]);
      expect((await webhook(body)).body.status).toBe("duplicate");
      expect(Object.hasOwn(Object.prototype, "polluted")).toBe(false);
    },
  );
});

test("the receiver describes itself without giving anything away", async () => {
  for (const path of [WEBHOOKS, `${WEBHOOKS}/acme`, `${WEBHOOKS}/nobody`]) {
    const answer = await send(path, {});
    expect(answer.body).toMatchObject({
      success: true,
      signature: { header: "X-OSA-Signature", tolerance_seconds: 300 },
    });
    const text = JSON.stringify(answer.body);
    for (const secret of [SECRET, PREVIOUS_SECRET, ACME_SECRET]) expect(text).not.toContain(secret);
  }
});
