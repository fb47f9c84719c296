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

test("invalid completes with a result of neither family, however often it plays", async () => {
  const { simulator, receiver } = await scene({ agents: { "*": { outcome: "invalid" } } });
  await playRun(simulator);
  const workflowId = await playRun(simulator, { input: { agent_filter: ["geo_audit"] } });
  const ends = receiver.received.filter(({ body }) => body.execution_status === "completed");
  expect(ends.map(({ body }) => body.agent_id).toSorted()).toEqual([...CHAIN, "geo_audit"].toSorted());
  for (const { body } of ends) {
    const { hero, summary, recommendations } = body.agent_data;
    expect(Object.keys(body.agent_data)).not.toEqual([]);
    expect(typeof hero).not.toBe("object");
    expect(typeof summary === "string" && Array.isArray(recommendations)).toBe(false);
  }
  expect(new Set(ends.map(({ body }) => JSON.stringify(body.agent_data))).size).toBeGreaterThan(1);
  expect(simulator.run(workflowId)?.agents).toMatchObject([{ state: "completed", play: 2 }]);
});

test("invalid the first time only gives a re-run its usual result", async () => {
  const { simulator, receiver } = await scene({
    family: "shared",
    agents: { geo_audit: { outcome: "invalid", plays: 1 } },
  });
  await playRun(simulator);
  await playRun(simulator, { input: { agent_filter: ["geo_audit"] } });
  const heroes = receiver.received
    .filter(({ body }) => body.agent_id === "geo_audit" && body.execution_status === "completed")
    .map(({ body }) => typeof body.agent_data.hero);
  expect(heroes).toEqual([expect.not.stringMatching("object"), "object"]);
});

test("silent the first time only answers a re-run", async () => {
  const { simulator, receiver } = await scene({ agents: { geo_audit: { outcome: "silent", plays: 1 } } });
  await playRun(simulator);
  expect(statusesOf("geo_audit", receiver.received)).toEqual([]);
  await playRun(simulator, { input: { agent_filter: ["geo_audit"] } });
  expect(statusesOf("geo_audit", receiver.received).at(-1)).toBe("completed");
});

test("a limit of * and an agent's own limit count apart", async () => {
  const { simulator, receiver } = await scene({
    agents: { "*": { noStart: true, plays: 1 }, geo_audit: { outcome: "fail", plays: 2 } },
  });
  const input = { agent_filter: ["geo_audit"] };
  for (let play = 1; play <= 3; play++) await playRun(simulator, { input });
  const statuses = statusesOf("geo_audit", receiver.received).filter((status) => status !== "running");
  expect(statuses).toEqual(["failed", "started", "failed", "started", "completed"]);
});

test.each([401, 403])(
  "errorCode %d makes a failure one of the credential, in words and in a field",
  async (errorCode) => {
    const { simulator, receiver } = await scene({ agents: { geo_audit: { outcome: "fail", errorCode } } });
    await playRun(simulator);
    const failures = receiver.received.filter(({ body }) => body.execution_status === "failed");
    expect(failures.map(({ body }) => body)).toMatchObject([
      { agent_data: { error: expect.stringContaining("credential refused") }, metadata: { error_code: errorCode } },
    ]);
    expect(receiver.received.filter(({ body }) => "error_code" in body.metadata)).toHaveLength(1);
  },
);

test("another errorCode is told in its field alone", async () => {
  const { simulator, receiver } = await scene({ agents: { geo_audit: { outcome: "fail", errorCode: 503 } } });
  await playRun(simulator);
  const failure = receiver.received.find(({ body }) => body.execution_status === "failed");
  expect(failure?.body.metadata.error_code).toBe(503);
  expect(failure?.body.agent_data.error).not.toMatch(/credential/);
});

test("a failure without errorCode has no such field", async () => {
  const { simulator, receiver } = await scene({ agents: { geo_audit: { outcome: "fail" } } });
  await playRun(simulator);
  expect(receiver.received.filter(({ body }) => "error_code" in body.metadata)).toEqual([]);
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
