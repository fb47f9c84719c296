import { expect, test } from "vitest";
import { accepted, CORRELATION_ID, scene, trigger } from "./support.ts";

test.each(["refuse", "reset"] as const)("%s breaks the connection and starts nothing", async (kind) => {
  const { simulator } = await scene({ trigger: [{ kind }] });
  await expect(trigger(simulator, { key: "k" })).rejects.toThrow("fetch failed");
  expect(simulator.runs()).toHaveLength(0);
  expect((await trigger(simulator, { key: "k" })).status).toBe(200);
  expect(simulator.ledger().triggers).toMatchObject([
    { accepted: false, fault: kind, answered: "connection destroyed" },
    { accepted: true, fault: null, answered: 200 },
  ]);
});

test("timeout never answers and starts nothing", async () => {
  const { simulator } = await scene({ trigger: [{ kind: "timeout" }] });
  await expect(trigger(simulator, { timeoutMs: 100 })).rejects.toThrow(/timeout/);
  expect(simulator.runs()).toHaveLength(0);
  expect(simulator.ledger().triggers).toMatchObject([{ accepted: false, answered: "never" }]);
});

test.each([401, 408, 429, 500, 503])("status %d is answered without starting anything", async (status) => {
  const { simulator } = await scene({ trigger: [{ kind: "status", status, retryAfter: 2 }] });
  const response = await trigger(simulator);
  expect(response.status).toBe(status);
  expect(response.headers.get("retry-after")).toBe("2");
  expect(simulator.runs()).toHaveLength(0);
});

test.each(["acceptThenReset", "acceptThenTimeout"] as const)(
  "%s loses the answer of a workflow that has started",
  async (kind) => {
    const { simulator, receiver } = await scene({ trigger: [{ kind }] });
    await expect(trigger(simulator, { key: "k", timeoutMs: 100 })).rejects.toThrow();
    const workflowId = await accepted(await trigger(simulator, { key: "k" }));
    await simulator.settled();
    expect(simulator.runs().map((run) => run.workflowId)).toEqual([workflowId]);
    expect(new Set(receiver.received.map(({ body }) => body.workflow_id))).toEqual(new Set([workflowId]));
    expect(simulator.ledger().triggers).toMatchObject([
      { accepted: true, repeated: false, workflowId },
      { accepted: true, repeated: true, workflowId },
    ]);
  },
);

test("emptyBody accepts and says nothing", async () => {
  const { simulator } = await scene({ trigger: [{ kind: "emptyBody" }] });
  const response = await trigger(simulator);
  expect([response.status, await response.text()]).toEqual([200, ""]);
  expect(simulator.runs()).toHaveLength(1);
});

test("garbageBody accepts with something that is not JSON", async () => {
  const { simulator } = await scene({ trigger: [{ kind: "garbageBody" }] });
  const response = await trigger(simulator);
  expect(response.status).toBe(200);
  await expect(response.json()).rejects.toThrow(SyntaxError);
  expect(simulator.runs()).toHaveLength(1);
});

test("slow accepts, but late", async () => {
  const { simulator } = await scene({ trigger: [{ kind: "slow", ms: 120 }] });
  const startedMs = Date.now();
  expect((await trigger(simulator)).status).toBe(200);
  expect(Date.now() - startedMs).toBeGreaterThanOrEqual(115);
});

test("a list is used up one call after the other, entries with times more than once", async () => {
  const { simulator } = await scene({
    trigger: [
      { kind: "status", status: 503, times: 2 },
      { kind: "status", status: 429 },
    ],
  });
  const statuses = [];
  for (let call = 0; call < 4; call++) statuses.push((await trigger(simulator, { key: "k" })).status);
  expect(statuses).toEqual([503, 503, 429, 200]);
});

test("a queued list belongs to one run: its retries meet the rest, other runs nothing", async () => {
  const { simulator } = await scene();
  simulator.addFaults({ trigger: [{ kind: "status", status: 503, times: 2 }] });
  expect((await trigger(simulator, { key: "first" })).status).toBe(503);
  expect((await trigger(simulator, { key: "second" })).status).toBe(200);
  expect((await trigger(simulator, { key: "first" })).status).toBe(503);
  expect((await trigger(simulator, { key: "first" })).status).toBe(200);
});

test("a caller without the bearer key uses up nothing", async () => {
  const { simulator } = await scene();
  simulator.addFaults({ trigger: [{ kind: "status", status: 503 }] });
  expect((await trigger(simulator, { bearer: "wrong" })).status).toBe(401);
  expect((await trigger(simulator)).status).toBe(503);
});

test("beforeAnswer has a webhook acknowledged before the trigger is answered", async () => {
  const { simulator, receiver } = await scene({ beforeAnswer: true }, async () => {
    await new Promise((resolve) => setTimeout(resolve, 60));
    return 200;
  });
  const response = await trigger(simulator);
  const answeredAtMs = Date.now();
  expect(response.status).toBe(200);
  const [first] = receiver.received;
  expect(first?.body).toMatchObject({ execution_status: "started", correlation_id: CORRELATION_ID });
  expect(first?.status).toBe(200);
  expect(answeredAtMs - (first?.atMs ?? 0)).toBeGreaterThanOrEqual(55);
});
