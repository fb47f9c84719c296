// Agents that run again: a key of their own, the ids of their run, and what the trigger asks for besides.

import { describe, expect, test } from "vitest";
import {
  CHAIN,
  CORRELATION_ID,
  playRun,
  type Received,
  SESSION_ID,
  scene,
  statusesOf,
  trigger,
  triggerBody,
} from "./support.ts";

const rerunOf = (agentId: string, number = 1) => ({
  key: `${SESSION_ID}.rerun-${number}`,
  input: { agent_filter: [agentId], retry_of: SESSION_ID },
});
const ofWorkflow = (workflowId: string, webhooks: readonly Received[]) =>
  webhooks.filter(({ body }) => body.workflow_id === workflowId);

describe("a re-run within a run", () => {
  test("is a second workflow that reports under the correlation id of the run", async () => {
    const { simulator, receiver } = await scene();
    const first = await playRun(simulator, { key: SESSION_ID });
    const second = await playRun(simulator, rerunOf("geo_audit"));
    expect(second).not.toBe(first);
    const webhooks = ofWorkflow(second, receiver.received);
    expect(webhooks).toHaveLength(receiver.received.length - ofWorkflow(first, receiver.received).length);
    expect(new Set(webhooks.map(({ body }) => body.correlation_id))).toEqual(new Set([CORRELATION_ID]));
    expect(statusesOf("geo_audit", webhooks).at(-1)).toBe("completed");
    expect(simulator.run(second)).toMatchObject({
      origin: first,
      correlationId: CORRELATION_ID,
      sessionId: SESSION_ID,
      asked: { agentFilter: ["geo_audit"], retryOf: SESSION_ID },
      agents: [{ agentId: "geo_audit", play: 2 }],
    });
  });

  test("with the same key again starts nothing", async () => {
    const { simulator } = await scene();
    await playRun(simulator, { key: SESSION_ID });
    const first = await playRun(simulator, rerunOf("geo_audit"));
    expect(await playRun(simulator, rerunOf("geo_audit"))).toBe(first);
    expect(await playRun(simulator, rerunOf("geo_audit", 2))).not.toBe(first);
    expect(simulator.runs()).toHaveLength(3);
  });

  test("is started twice where keys are ignored", async () => {
    const { simulator } = await scene({ ignoreIdempotencyKey: true });
    const workflowIds = [
      await playRun(simulator, rerunOf("geo_audit")),
      await playRun(simulator, rerunOf("geo_audit")),
    ];
    expect(new Set(workflowIds).size).toBe(2);
    expect(simulator.ledger().counters.workflowsPerIdempotencyKey).toEqual({ [`${SESSION_ID}.rerun-1`]: 2 });
  });

  test("plays all nine agents where the filter is ignored", async () => {
    const { simulator, receiver } = await scene({ ignoreAgentFilter: true });
    const workflowId = await playRun(simulator, rerunOf("geo_audit"));
    expect(simulator.run(workflowId)?.asked.agentFilter).toEqual(["geo_audit"]);
    expect(new Set(receiver.received.map(({ body }) => body.agent_id))).toEqual(new Set(CHAIN));
  });
});

describe("the first time only", () => {
  const ends = (webhooks: readonly Received[], workflowId: string) =>
    statusesOf("geo_audit", ofWorkflow(workflowId, webhooks)).at(-1);

  test("ends with a re-run of the same run, and begins anew with another run", async () => {
    const { simulator, receiver } = await scene({ agents: { geo_audit: { outcome: "fail", plays: 1 } } });
    const first = await playRun(simulator);
    const rerun = await playRun(simulator, rerunOf("geo_audit"));
    const other = await playRun(simulator, { correlationId: "force-sync-1763600009999-fghij" });
    expect([first, rerun, other].map((id) => ends(receiver.received, id))).toEqual(["failed", "completed", "failed"]);
  });

  test("lasts as many plays as told", async () => {
    const { simulator, receiver } = await scene({ agents: { geo_audit: { outcome: "fail", plays: 2 } } });
    const workflowIds = [await playRun(simulator)];
    for (const number of [1, 2]) workflowIds.push(await playRun(simulator, rerunOf("geo_audit", number)));
    expect(workflowIds.map((id) => ends(receiver.received, id))).toEqual(["failed", "failed", "completed"]);
  });

  test.each([
    ["its session", () => SESSION_ID],
    ["its correlation id", () => CORRELATION_ID],
    ["its key", () => "first-key"],
    ["its workflow", (workflowId: string) => workflowId],
  ])("counts a new run that repeats one by %s", async (_, idOf) => {
    const { simulator, receiver } = await scene({ agents: { geo_audit: { outcome: "fail", plays: 1 } } });
    const first = await playRun(simulator, { key: "first-key" });
    const repeat = { correlationId: "force-sync-1763600009999-fghij", input: { retry_of: idOf(first) } };
    expect(ends(receiver.received, await playRun(simulator, repeat))).toBe("completed");
    expect(simulator.runs().map(({ origin }) => origin)).toEqual([first, first]);
  });

  test("counts the repetition of a repetition", async () => {
    const { simulator, receiver } = await scene({ agents: { geo_audit: { outcome: "fail", plays: 2 } } });
    const workflowIds = [await playRun(simulator)];
    for (const correlationId of ["force-sync-1763600009999-fghij", "force-sync-1763600009999-klmno"]) {
      const input = { retry_of: workflowIds.at(-1), agent_filter: ["geo_audit"] };
      workflowIds.push(await playRun(simulator, { correlationId, input }));
    }
    expect(workflowIds.map((id) => ends(receiver.received, id))).toEqual(["failed", "failed", "completed"]);
  });

  test("does not count a turn that never came", async () => {
    const { simulator, receiver } = await scene({
      stopAfterAgents: 2,
      agents: { geo_audit: { outcome: "fail", plays: 1 } },
    });
    const died = await playRun(simulator);
    expect(ends(receiver.received, died)).toBeUndefined();
    expect(ends(receiver.received, await playRun(simulator, rerunOf("geo_audit")))).toBe("failed");
  });
});

test("a reduced scope takes half the time", async () => {
  const { simulator } = await scene({ seed: 1, speed: 1 });
  await trigger(simulator);
  await trigger(simulator, { input: { reduced_scope: true } });
  const [plain = [], reduced = []] = simulator.runs().map(({ agents }) => agents.map(({ plannedMs }) => plannedMs));
  expect(reduced).toHaveLength(9);
  for (const [index, plannedMs] of reduced.entries()) expect(plannedMs / (plain[index] ?? 1)).toBeCloseTo(0.5, 3);
});

describe("what a trigger asks for", () => {
  const ASKED = { agent_filter: ["geo_audit"], retry_of: "sync-1", reduced_scope: true, timeout_override_ms: 90_000 };
  const RECORDED = { agentFilter: ["geo_audit"], retryOf: "sync-1", reducedScope: true, timeoutOverrideMs: 90_000 };

  test("is in the ledger and in the records of the run", async () => {
    const { simulator } = await scene();
    const workflowId = await playRun(simulator, { input: ASKED });
    expect(simulator.run(workflowId)?.asked).toEqual(RECORDED);
    expect(simulator.ledger().triggers).toMatchObject([{ workflowId, answered: 200, asked: RECORDED }]);
  });

  test("is in the ledger whatever the answer is", async () => {
    const { simulator } = await scene({ trigger: [{ kind: "status", status: 503 }, { kind: "reset" }] });
    const call = () => trigger(simulator, { key: "k", input: ASKED });
    expect((await call()).status).toBe(503);
    await expect(call()).rejects.toThrow("fetch failed");
    expect((await trigger(simulator, { bearer: "wrong", input: ASKED })).status).toBe(401);
    const { triggers, counters } = simulator.ledger();
    expect(triggers.map(({ asked }) => asked)).toEqual([RECORDED, RECORDED, RECORDED]);
    expect(counters.triggerAnswers).toEqual({ "503": 1, "401": 1, "connection destroyed": 1 });
  });

  test.each([
    ["nothing", triggerBody()],
    [
      "what cannot be used",
      triggerBody({ agent_filter: [1], retry_of: 2, reduced_scope: "yes", timeout_override_ms: "long" }),
    ],
  ])("is nothing when it is %s", async (_, body) => {
    const { simulator } = await scene();
    await playRun(simulator, { body });
    const nothing = { agentFilter: null, retryOf: null, reducedScope: false, timeoutOverrideMs: null };
    expect(simulator.ledger().triggers).toMatchObject([{ answered: 200, asked: nothing }]);
    expect(simulator.runs()).toMatchObject([{ asked: nothing, agents: { length: 9 } }]);
  });
});
