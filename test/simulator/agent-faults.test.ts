import { expect, test } from "vitest";
import { CHAIN, playRun, scene, statusesOf, trigger } from "./support.ts";

test("fail reports the agent as failed, with an error, and the chain goes on", async () => {
  const { simulator, receiver } = await scene({ agents: { geo_audit: { outcome: "fail" } } });
  const workflowId = await playRun(simulator);
  const failure = receiver.received.find(({ body }) => body.execution_status === "failed");
  expect(failure?.body).toMatchObject({ agent_id: "geo_audit", agent_data: { error: expect.any(String) } });
  expect(statusesOf("geo_audit", receiver.received)).not.toContain("completed");
  expect(statusesOf("cmp_organizer", receiver.received)).toContain("completed");
  expect(
    simulator
      .run(workflowId)
      ?.agents.map(({ state }) => state)
      .filter((state) => state === "failed"),
  ).toHaveLength(1);
});

test("silent says nothing, and the chain goes on", async () => {
  const { simulator, receiver } = await scene({ agents: { content_review: { outcome: "silent" } } });
  const workflowId = await playRun(simulator);
  expect(statusesOf("content_review", receiver.received)).toEqual([]);
  expect(statusesOf("geo_audit", receiver.received)).toContain("completed");
  expect(simulator.run(workflowId)?.agents[1]).toMatchObject({ state: "silent", endedAt: null });
});

test("stall starts and never ends, and the chain goes on", async () => {
  const { simulator, receiver } = await scene({ agents: { roadmap_generator: { outcome: "stall" } } });
  await playRun(simulator);
  const statuses = statusesOf("roadmap_generator", receiver.received);
  expect(statuses[0]).toBe("started");
  expect(statuses).not.toContain("completed");
  expect(statusesOf("cmp_organizer", receiver.received)).toContain("completed");
});

test("repeat sends each webhook of the agent that many times at once", async () => {
  const { simulator, receiver } = await scene({ agents: { geo_audit: { repeat: 5 } } });
  await playRun(simulator);
  const statuses = statusesOf("geo_audit", receiver.received);
  expect(statuses.filter((status) => status === "completed")).toHaveLength(5);
  expect(statuses.filter((status) => status === "started")).toHaveLength(5);
  expect(statusesOf("cmp_organizer", receiver.received).filter((status) => status === "completed")).toHaveLength(1);
});

test("badSignature forges every webhook of the agent, and none comes correctly", async () => {
  const { simulator, receiver } = await scene({ agents: { geo_audit: { badSignature: true } } });
  const workflowId = await playRun(simulator);
  const forged = receiver.received.filter(({ body }) => body.agent_id === "geo_audit");
  expect(forged.length).toBeGreaterThanOrEqual(2);
  expect(forged.every(({ signed }) => !signed)).toBe(true);
  expect(receiver.received.filter(({ signed }) => !signed)).toHaveLength(forged.length);
  const outcomes = simulator.run(workflowId)?.deliveries.filter(({ agentId }) => agentId === "geo_audit");
  expect(outcomes?.every(({ outcome, attempts }) => outcome === "refused" && attempts.length === 1)).toBe(true);
});

test("durationFactor stretches one agent", async () => {
  const { simulator } = await scene({ seed: 1, speed: 1 });
  await trigger(simulator);
  simulator.addFaults({ agents: { geo_audit: { durationFactor: 10 } } });
  await trigger(simulator);
  const [plain = [], stretched = []] = simulator.runs().map(({ agents }) => agents.map(({ plannedMs }) => plannedMs));
  expect((stretched[2] ?? 0) / (plain[2] ?? 1)).toBeCloseTo(10, 2);
  expect(stretched.toSpliced(2, 1)).toEqual(plain.toSpliced(2, 1));
});

test("noStart reports nothing but the result", async () => {
  const { simulator, receiver } = await scene({ agents: { geo_audit: { noStart: true } } });
  await playRun(simulator);
  expect(statusesOf("geo_audit", receiver.received)).toEqual(["completed"]);
});

test("resultAfterMs brings the result late, while the chain goes on", async () => {
  const { simulator, receiver } = await scene({ agents: { integration_health: { resultAfterMs: 400 } } });
  await playRun(simulator);
  const last = receiver.received.at(-1);
  expect(statusesOf("integration_health", receiver.received).filter((status) => status === "completed")).toHaveLength(
    1,
  );
  expect(last?.body).toMatchObject({ agent_id: "integration_health", execution_status: "completed" });
  expect(last?.body.metadata.execution_duration_ms).toBeGreaterThanOrEqual(395);
});

test("the entry * means every agent, and an agent's own entry wins", async () => {
  const { simulator, receiver } = await scene({
    agents: { "*": { outcome: "fail" }, cmp_organizer: { outcome: "complete" } },
  });
  await playRun(simulator);
  const ends = CHAIN.map((agentId) => statusesOf(agentId, receiver.received).at(-1));
  expect(ends).toEqual([...Array(8).fill("failed"), "completed"]);
});
