import { describe, expect, test } from "vitest";
import { AGENT_IDS, AGENTS } from "../../simulator/agents.ts";
import { CHAIN, CORRELATION_ID, playRun, type Received, scene, statusesOf, trigger } from "./support.ts";

/** When the simulator wrote them: separate deliveries may overtake each other on the way. */
function inOrderOfWriting(webhooks: readonly Received[]): Received[] {
  return webhooks.toSorted((a, b) => a.body.metadata.timestamp.localeCompare(b.body.metadata.timestamp));
}

describe("a run in sequence", () => {
  test("starts nine agents in the order of the chain, each after the one before ended", async () => {
    const { simulator, receiver } = await scene();
    await playRun(simulator);
    const written = inOrderOfWriting(receiver.received);
    const starts = written.filter(({ body }) => body.execution_status === "started");
    const ends = written.filter(({ body }) => body.execution_status === "completed");
    expect(starts.map(({ body }) => body.agent_id)).toEqual(CHAIN);
    expect(ends.map(({ body }) => body.agent_id)).toEqual(CHAIN);
    for (const [index, end] of ends.slice(0, -1).entries()) {
      const next = starts[index + 1]?.body.metadata.timestamp ?? "";
      expect(end.body.metadata.timestamp <= next).toBe(true);
    }
  });

  test("signs every webhook and names its workflow and our correlation id", async () => {
    const { simulator, receiver } = await scene();
    const workflowId = await playRun(simulator);
    for (const { signed, headers, path, body } of receiver.received) {
      expect(signed).toBe(true);
      expect(path).toBe("/api/webhooks/opal-workflow");
      expect(headers["user-agent"]).toBe("OPAL-Simulator/1.0");
      expect(headers["content-type"]).toBe("application/json");
      expect(body).toMatchObject({ workflow_id: workflowId, correlation_id: CORRELATION_ID });
    }
  });

  test("tells an agent's start before its end, sometimes with a sign of life between", async () => {
    const { simulator, receiver } = await scene({ seed: 3 });
    await playRun(simulator);
    const told = CHAIN.map((agentId) => statusesOf(agentId, receiver.received).join(" "));
    expect(new Set(told)).toEqual(new Set(["started completed", "started running completed"]));
  });

  test("leaves the data of started and running empty", async () => {
    const { simulator, receiver } = await scene();
    await playRun(simulator);
    const early = receiver.received.filter(({ body }) => body.execution_status !== "completed");
    expect(early.length).toBeGreaterThanOrEqual(9);
    for (const { body } of early) expect(body.agent_data).toEqual({});
  });

  test("is recorded with every delivery acknowledged", async () => {
    const { simulator, receiver } = await scene();
    const workflowId = await playRun(simulator);
    const run = simulator.run(workflowId);
    expect(run).toMatchObject({ state: "ended", foreign: false, correlationId: CORRELATION_ID });
    expect(run?.agents.map(({ state }) => state)).toEqual(Array(9).fill("completed"));
    expect(run?.deliveries.every(({ outcome }) => outcome === "acknowledged")).toBe(true);
    expect(simulator.ledger().counters).toMatchObject({
      deliveries: receiver.received.length,
      attempts: receiver.received.length,
      acknowledged: receiver.received.length,
      pending: 0,
    });
  });
});

test("a run in parallel starts all agents before any of them ends", async () => {
  const { simulator, receiver } = await scene({ order: "parallel", speed: 500 });
  await playRun(simulator);
  const firstEnd = receiver.received.findIndex(({ body }) => body.execution_status === "completed");
  const startsBefore = receiver.received.slice(0, firstEnd).filter(({ body }) => body.execution_status === "started");
  expect(startsBefore.map(({ body }) => body.agent_id).sort()).toEqual([...CHAIN].sort());
});

test("an agent filter limits the run, whatever spelling it uses", async () => {
  const { simulator, receiver } = await scene();
  await playRun(simulator, { input: { agent_filter: ["geo_audit", "CONTENT-Review", "no_such_agent"] } });
  expect(new Set(receiver.received.map(({ body }) => body.agent_id))).toEqual(new Set(["content_review", "geo_audit"]));
});

test("data sources are platforms of the asked scope", async () => {
  const { simulator, receiver } = await scene();
  await playRun(simulator, { input: { sync_scope: "odp_only" } });
  const ends = receiver.received.filter(({ body }) => body.execution_status === "completed");
  expect(ends.every(({ body }) => body.metadata.data_sources.join() === "ODP")).toBe(true);
});

describe("a seed", () => {
  test("repeats results and confidences", async () => {
    const { simulator, receiver } = await scene({ seed: 42 });
    const [first, second] = [await playRun(simulator), await playRun(simulator)];
    const results = (id: string) =>
      receiver.received
        .filter(({ body }) => body.workflow_id === id && body.execution_status === "completed")
        .map(({ body }) => `${body.agent_id} ${body.metadata.confidence_score} ${withoutTimes(body.agent_data)}`)
        .toSorted();
    expect(results(first)).toEqual(results(second));
  });

  test("repeats durations, and without one they differ", async () => {
    const { simulator } = await scene({ speed: 1 });
    simulator.addFaults({ seed: 42 });
    simulator.addFaults({ seed: 42 });
    for (let run = 0; run < 4; run++) await trigger(simulator);
    const plans = simulator.runs().map(({ agents }) => agents.map(({ plannedMs }) => plannedMs).join());
    expect(plans[0]).toBe(plans[1]);
    expect(new Set(plans).size).toBe(3);
  });
});

test("at speed 1 each agent is planned within 15 % of its real duration", async () => {
  const { simulator } = await scene({ speed: 1 });
  await trigger(simulator);
  const agents = simulator.runs()[0]?.agents ?? [];
  expect(agents).toHaveLength(9);
  for (const { agentId, plannedMs } of agents) {
    expect(Math.abs(plannedMs / AGENTS[agentId].durationMs - 1)).toBeLessThanOrEqual(0.15);
  }
  expect(AGENT_IDS.reduce((sum, id) => sum + AGENTS[id].durationMs, 0)).toBe(505_000);
});

test("confidence is mostly above the agent's threshold and sometimes below", async () => {
  const { simulator, receiver } = await scene({ order: "parallel", speed: 50_000 });
  for (let seed = 1; seed <= 12; seed++) {
    simulator.addFaults({ seed });
    await playRun(simulator);
  }
  const scores = receiver.received
    .filter(({ body }) => body.execution_status === "completed")
    .map(({ body }) => {
      const agentId = AGENT_IDS.find((id) => id === body.agent_id);
      return (body.metadata.confidence_score ?? 0) - (agentId ? AGENTS[agentId].confidenceThreshold : 1);
    });
  const below = scores.filter((distance) => distance < 0).length;
  expect(scores).toHaveLength(108);
  expect(below).toBeGreaterThan(0);
  expect(below).toBeLessThan(30);
});

function withoutTimes(data: object): string {
  return JSON.stringify(data).replaceAll(/\d{4}-\d\d-\d\d(T[\d:.]+Z)?/g, "");
}
