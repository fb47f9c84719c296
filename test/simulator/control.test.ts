import { describe, expect, test } from "vitest";
import { z } from "zod";
import type { Simulator } from "../../simulator/simulator.ts";
import { CORRELATION_ID, playRun, scene, startTestSimulator, trigger } from "./support.ts";

const get = async (simulator: Simulator, path: string) => await (await fetch(simulator.url + path)).json();
const send = (simulator: Simulator, method: string, path: string, body?: unknown) =>
  fetch(simulator.url + path, { method, ...(body !== undefined && { body: JSON.stringify(body) }) });

describe("faults over HTTP", () => {
  test("are for the next run unless told otherwise", async () => {
    const { simulator } = await scene();
    expect((await send(simulator, "POST", "/simulator/faults", { stopAfterAgents: 1 })).status).toBe(200);
    expect(await get(simulator, "/simulator/faults")).toEqual({ all: {}, next: [{ stopAfterAgents: 1 }] });
    await playRun(simulator);
    await playRun(simulator);
    expect(simulator.runs().map(({ state }) => state)).toEqual(["died", "ended"]);
    expect(await get(simulator, "/simulator/faults")).toEqual({ all: {}, next: [] });
  });

  test("for all runs stay until deleted", async () => {
    const { simulator } = await scene();
    await send(simulator, "POST", "/simulator/faults", { scope: "all", stopAfterAgents: 1 });
    await playRun(simulator);
    await playRun(simulator);
    await send(simulator, "DELETE", "/simulator/faults");
    await playRun(simulator);
    expect(simulator.runs().map(({ state }) => state)).toEqual(["died", "died", "ended"]);
  });

  test("for the next run are completed by those for all", async () => {
    const { simulator } = await scene({ order: "parallel", seed: 1 });
    await send(simulator, "POST", "/simulator/faults", { seed: 2 });
    await playRun(simulator);
    expect(simulator.runs()[0]).toMatchObject({ order: "parallel", seed: "2" });
  });

  test("deleted in the middle of an outage let the next retry through", async () => {
    const { simulator } = await scene();
    await send(simulator, "POST", "/simulator/faults", { trigger: [{ kind: "status", status: 503, times: 100 }] });
    expect((await trigger(simulator, { key: "k" })).status).toBe(503);
    await send(simulator, "DELETE", "/simulator/faults");
    expect((await trigger(simulator, { key: "k" })).status).toBe(200);
  });

  test.each([
    ["an unknown field", { stopAfter: 1 }, "stopAfter"],
    ["an unknown agent", { agents: { nobody: {} } }, "agents.nobody"],
    ["a typo inside an agent", { agents: { geo_audit: { outcom: "fail" } } }, "agents.geo_audit.outcom"],
    ["a wrong type", { seed: "one" }, "seed"],
    ["a misbehaviour that does not exist", { trigger: [{ kind: "explode" }] }, "trigger.0.kind"],
    ["a misbehaviour without its status", { trigger: [{ kind: "status" }] }, "trigger.0.status"],
  ])("with %s are refused, naming the field", async (_, body, field) => {
    const { simulator } = await scene();
    const response = await send(simulator, "POST", "/simulator/faults", body);
    expect(response.status).toBe(400);
    expect(response.headers.get("content-type")).toBe("application/problem+json");
    expect(await response.json()).toMatchObject({ status: 400, errors: [{ field }] });
    expect(await get(simulator, "/simulator/faults")).toEqual({ all: {}, next: [] });
  });

  test("that are not JSON are refused", async () => {
    const { simulator } = await scene();
    const response = await fetch(`${simulator.url}/simulator/faults`, { method: "POST", body: "{" });
    expect(response.status).toBe(400);
  });
});

describe("looking inside", () => {
  test("a run shows its agents, deliveries, attempts and answers", async () => {
    const { simulator } = await scene();
    const workflowId = await playRun(simulator);
    expect(await get(simulator, `/simulator/runs/${workflowId}`)).toMatchObject({
      workflowId,
      state: "ended",
      agents: expect.arrayContaining([expect.objectContaining({ agentId: "geo_audit", state: "completed" })]),
      deliveries: expect.arrayContaining([
        expect.objectContaining({
          executionStatus: "completed",
          bodySha256: expect.stringMatching(/^[0-9a-f]{64}$/),
          attempts: [expect.objectContaining({ status: 200, signature: "valid" })],
        }),
      ]),
    });
    expect(await get(simulator, "/simulator/runs")).toMatchObject({ runs: [{ workflowId, pendingDeliveries: 0 }] });
  });

  test("an unknown run and an unknown route are 404", async () => {
    const { simulator } = await scene();
    expect((await fetch(`${simulator.url}/simulator/runs/opal-wf-000000000000`)).status).toBe(404);
    expect((await fetch(`${simulator.url}/simulator/nothing`)).status).toBe(404);
  });

  test("the ledger lists trigger calls and counts", async () => {
    const { simulator } = await scene();
    const workflowId = await playRun(simulator, { key: "k" });
    expect(await get(simulator, "/simulator/ledger")).toMatchObject({
      triggers: [
        {
          at: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
          idempotencyKey: "k",
          correlationId: CORRELATION_ID,
          asked: { agentFilter: null, retryOf: null, reducedScope: false, timeoutOverrideMs: null },
          accepted: true,
          workflowId,
          answered: 200,
        },
      ],
      counters: {
        triggerCalls: 1,
        triggerAnswers: { "200": 1 },
        workflowsStarted: 1,
        workflowsPerIdempotencyKey: { k: 1 },
        pending: 0,
        lost: 0,
      },
    });
  });

  test("health answers 200", async () => {
    const { simulator, receiver } = await scene();
    expect(await get(simulator, "/simulator/health")).toEqual({
      status: "ok",
      target: `${receiver.url}/`,
      speed: 20_000,
    });
  });
});

test("a foreign run reports a workflow that nobody triggered, under a correlation id of its own", async () => {
  const { simulator, receiver } = await scene();
  const response = await send(simulator, "POST", "/simulator/foreign");
  expect(response.status).toBe(201);
  const { workflowId } = z.object({ workflowId: z.string() }).parse(await response.json());
  await simulator.settled();
  expect(receiver.received.length).toBeGreaterThanOrEqual(18);
  for (const { body } of receiver.received) {
    expect(body.workflow_id).toBe(workflowId);
    expect(body.correlation_id).toMatch(/^opal-schedule-/);
  }
  expect(simulator.ledger()).toMatchObject({ triggers: [], counters: { foreignWorkflows: 1 } });
});

test("deleting the runs stops everything at once", async () => {
  const { simulator, receiver } = await scene({ speed: 1 });
  await trigger(simulator);
  await expect.poll(() => receiver.received.length).toBe(1);
  expect((await send(simulator, "DELETE", "/simulator/runs")).status).toBe(200);
  await simulator.settled();
  expect(simulator.runs()[0]?.state).toBe("stopped");
});

test("a target with a path is used as it is", async () => {
  const { receiver } = await scene();
  const simulator = await startTestSimulator(`${receiver.url}/api/webhooks/opal-workflow/acme`);
  await playRun(simulator);
  expect(new Set(receiver.received.map(({ path }) => path))).toEqual(new Set(["/api/webhooks/opal-workflow/acme"]));
});
