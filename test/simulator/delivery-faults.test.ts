import { describe, expect, test } from "vitest";
import { AGENT_IDS } from "../../simulator/agents.ts";
import type { Simulator } from "../../simulator/simulator.ts";
import {
  CHAIN,
  freeAddress,
  playRun,
  type Received,
  scene,
  startReceiver,
  startTestSimulator,
  statusesOf,
  story,
  trigger,
} from "./support.ts";

const ONE_AGENT = { agent_filter: ["geo_audit"] };
const signatureOf = ({ headers }: Received) => String(headers["x-osa-signature"]);

test.each([408, 429, 500, 503])("a webhook answered with %d is sent again with the same bytes", async (status) => {
  const { simulator, receiver } = await scene({ seed: 1 }, (_, position) => (position === 1 ? status : 200));
  await playRun(simulator, { input: ONE_AGENT });
  const [first, second] = receiver.received;
  expect([first?.status, second?.status]).toEqual([status, 200]);
  expect(second?.raw).toBe(first?.raw);
  expect((second?.atMs ?? 0) - (first?.atMs ?? 0)).toBeGreaterThanOrEqual(120);
  expect(simulator.ledger().counters.attempts).toBe(simulator.ledger().counters.deliveries + 1);
});

test("every attempt is signed at its own time", async () => {
  const { simulator, receiver } = await scene({}, async (_, position) => {
    if (position === 1) await new Promise((resolve) => setTimeout(resolve, 1000));
    return position === 1 ? 503 : 200;
  });
  await playRun(simulator, { input: ONE_AGENT });
  const [first, second] = receiver.received;
  expect(second?.raw).toBe(first?.raw);
  expect(second && signatureOf(second)).not.toBe(first && signatureOf(first));
});

test.each([400, 401, 404, 413])("a webhook refused with %d is recorded and not sent again", async (status) => {
  const { simulator, receiver } = await scene({ seed: 1 }, (_, position) => (position === 1 ? status : 200));
  const workflowId = await playRun(simulator, { input: ONE_AGENT });
  expect(new Set(receiver.received.map(({ raw }) => raw)).size).toBe(receiver.received.length);
  expect(simulator.run(workflowId)?.deliveries[0]).toMatchObject({
    outcome: "refused",
    attempts: [{ status, answer: '{"status":"processed"}' }],
  });
});

test("a receiver that was not there gets everything once it is", async () => {
  const url = await freeAddress();
  const simulator = await startTestSimulator(url);
  await trigger(simulator, { input: ONE_AGENT });
  await expect.poll(() => simulator.ledger().counters.attempts).toBeGreaterThanOrEqual(1);
  const receiver = await startReceiver(undefined, Number(new URL(url).port));
  await simulator.settled();
  const statuses = statusesOf("geo_audit", receiver.received);
  expect([statuses[0], statuses.at(-1)]).toEqual(["started", "completed"]);
  expect(simulator.runs()[0]?.deliveries[0]?.attempts[0]).toMatchObject({
    status: null,
    answer: expect.stringContaining("ECONNREFUSED"),
  });
});

test("stopping the runs ends resending, and what waited behind is never sent", async () => {
  const { simulator, receiver } = await scene({}, () => 503);
  await trigger(simulator, { input: ONE_AGENT });
  await expect.poll(() => simulator.runs()[0]?.state).toBe("ended");
  await simulator.stopRuns();
  expect(new Set(statusesOf("geo_audit", receiver.received))).toEqual(new Set(["started"]));
  expect(simulator.ledger().counters).toMatchObject({ pending: 0, acknowledged: 0 });
});

test("a delivery that is being sent again does not hold up the other agents", async () => {
  let refusals = 0;
  const { simulator, receiver } = await scene({}, ({ body }) =>
    body.agent_id === "integration_health" && refusals++ < 2 ? 503 : 200,
  );
  await playRun(simulator);
  const accepted = story(receiver.accepted());
  expect(accepted.indexOf("cmp_organizer completed")).toBeLessThan(accepted.indexOf("integration_health started"));
  const statuses = statusesOf("integration_health", receiver.accepted());
  expect([statuses[0], statuses.at(-1)]).toEqual(["started", "completed"]);
});

test("without resending, a webhook that fails is given up", async () => {
  const { simulator, receiver } = await scene({ resend: false }, (_, position) => (position === 1 ? 503 : 200));
  const workflowId = await playRun(simulator, { input: ONE_AGENT });
  expect(simulator.run(workflowId)?.deliveries[0]).toMatchObject({ outcome: "given up", attempts: [{ status: 503 }] });
  expect(statusesOf("geo_audit", receiver.accepted())).toContain("completed");
});

test("reportTwice sends every webhook twice, the same bytes each time", async () => {
  const { simulator, receiver } = await scene({ reportTwice: true });
  await playRun(simulator);
  const counts = new Map<string, number>();
  for (const { raw } of receiver.received) counts.set(raw, (counts.get(raw) ?? 0) + 1);
  expect(counts.size).toBeGreaterThanOrEqual(18);
  expect(new Set(counts.values())).toEqual(new Set([2]));
});

test("outOfOrder shuffles webhooks within three agents, and loses none", async () => {
  const { simulator, receiver } = await scene({ outOfOrder: true, seed: 11 });
  await playRun(simulator);
  const arrived = story(receiver.received);
  const written = receiver.received.map(({ body }) => body.metadata.timestamp);
  expect(written).not.toEqual(written.toSorted());
  expect(arrived.filter((line) => line.endsWith("completed"))).toHaveLength(9);
  const agents = receiver.received.map(({ body }) => CHAIN.indexOf(body.agent_id));
  const windows = agents.map((position) => Math.floor(position / 3));
  expect(agents).not.toEqual(agents.toSorted());
  expect(windows).toEqual(windows.toSorted());
  expect(CHAIN.some((id) => arrived.indexOf(`${id} completed`) < arrived.indexOf(`${id} started`))).toBe(true);
});

test("badSignature n spoils the first n deliveries, which come correctly after their 401", async () => {
  const { simulator, receiver } = await scene({ badSignature: 3 });
  await playRun(simulator);
  const bad = receiver.received.filter(({ signed }) => !signed);
  expect(bad).toHaveLength(3);
  for (const { raw, status } of bad) {
    expect(status).toBe(401);
    expect(receiver.accepted().filter((webhook) => webhook.raw === raw)).toHaveLength(1);
  }
  expect(simulator.ledger().counters).toMatchObject({ refused: 0, pending: 0, wrongSignaturesAcknowledged: 0 });
});

test("dropConnection n cuts n bodies in the middle, which then come whole", async () => {
  const { simulator, receiver } = await scene({ dropConnection: 2 });
  const workflowId = await playRun(simulator);
  expect(receiver.cut).toBe(2);
  const { deliveries = [] } = simulator.run(workflowId) ?? {};
  expect(deliveries.every(({ outcome }) => outcome === "acknowledged")).toBe(true);
  expect(deliveries.filter(({ attempts }) => attempts[0]?.answer.startsWith("cut"))).toHaveLength(2);
  expect(receiver.received).toHaveLength(deliveries.length);
});

test("slowDeliveryMs lets the second half of each body wait", async () => {
  const { simulator } = await scene({ slowDeliveryMs: 150 });
  const workflowId = await playRun(simulator, { input: ONE_AGENT });
  const attempts = simulator.run(workflowId)?.deliveries.flatMap((delivery) => delivery.attempts) ?? [];
  expect(attempts.every(({ tookMs, status }) => tookMs >= 145 && status === 200)).toBe(true);
});

test("omitCorrelationId leaves only OPAL's own workflow id", async () => {
  const { simulator, receiver } = await scene({ omitCorrelationId: true });
  await playRun(simulator);
  expect(receiver.received.every(({ body }) => !("correlation_id" in body))).toBe(true);
});

test("aliases report agents under the other names that OPAL uses", async () => {
  const { simulator, receiver } = await scene({ aliases: true });
  await playRun(simulator);
  const names = new Set(receiver.received.map(({ body }) => body.agent_id));
  expect(names.size).toBe(9);
  expect(names).toContain("personalization_generator");
  expect(names).toContain("integration_health_monitor");
  expect(AGENT_IDS.filter((id) => !names.has(id))).toHaveLength(4);
});

test("stopAfterAgents lets the workflow die without a word", async () => {
  const { simulator, receiver } = await scene({ stopAfterAgents: 2 });
  const workflowId = await playRun(simulator);
  expect(new Set(receiver.received.map(({ body }) => body.agent_id))).toEqual(new Set(CHAIN.slice(0, 2)));
  expect(simulator.run(workflowId)?.state).toBe("died");
});

test("stopAfterAgents 0 dies right after accepting", async () => {
  const { simulator, receiver } = await scene({ stopAfterAgents: 0 });
  await playRun(simulator);
  expect(receiver.received).toHaveLength(0);
});

describe("lostShare", () => {
  const lostIn = (simulator: Simulator, workflowId: string) =>
    (simulator.run(workflowId)?.deliveries ?? [])
      .filter(({ outcome }) => outcome === "lost")
      .map(({ agentId, executionStatus }) => `${agentId} ${executionStatus}`);

  test("never sends that share of the webhooks, and records them as lost", async () => {
    const { simulator, receiver } = await scene({ lostShare: 0.3, order: "parallel" });
    for (let seed = 1; seed <= 10; seed++) {
      simulator.addFaults({ seed });
      await playRun(simulator, { correlationId: `force-sync-1763600000000-${seed}` });
    }
    const { deliveries, acknowledged, lost, attempts, pending } = simulator.ledger().counters;
    expect({ acknowledged, attempts, pending }).toEqual({
      acknowledged: receiver.received.length,
      attempts: receiver.received.length,
      pending: 0,
    });
    expect(deliveries).toBe(acknowledged + lost);
    expect(lost / deliveries).toBeGreaterThan(0.2);
    expect(lost / deliveries).toBeLessThan(0.4);
  });

  test("loses the same ones with the same seed", async () => {
    const { simulator } = await scene({ lostShare: 0.5, seed: 5 });
    const [first, second] = [
      await playRun(simulator, { correlationId: "force-sync-1763600000000-aaaaa" }),
      await playRun(simulator, { correlationId: "force-sync-1763600000000-bbbbb" }),
    ];
    expect(lostIn(simulator, first).length).toBeGreaterThan(0);
    expect(lostIn(simulator, first).toSorted()).toEqual(lostIn(simulator, second).toSorted());
  });

  test("draws anew for a re-run, even with the same seed", async () => {
    const { simulator } = await scene({ lostShare: 0.5, seed: 5 });
    const [first, second] = [await playRun(simulator), await playRun(simulator)];
    expect(lostIn(simulator, first).toSorted()).not.toEqual(lostIn(simulator, second).toSorted());
  });

  test("of 1 sends nothing at all, and the trigger is answered all the same", async () => {
    const { simulator, receiver } = await scene({ lostShare: 1, beforeAnswer: true });
    const workflowId = await playRun(simulator);
    expect(receiver.received).toEqual([]);
    expect(simulator.run(workflowId)?.state).toBe("ended");
    expect(simulator.ledger().counters).toMatchObject({ acknowledged: 0, attempts: 0, pending: 0 });
  });
});

test.each(["complete", "fail"] as const)(
  "neverOver loses the last agent's end (%s) and nothing else",
  async (outcome) => {
    const { simulator, receiver } = await scene({ neverOver: true, agents: { cmp_organizer: { outcome } } });
    const workflowId = await playRun(simulator);
    expect(statusesOf("cmp_organizer", receiver.received)).toContain("started");
    const ends = receiver.received.filter(({ body }) => /completed|failed/.test(body.execution_status));
    expect(ends.map(({ body }) => body.agent_id).toSorted()).toEqual(CHAIN.slice(0, -1).toSorted());
    const lost = simulator.run(workflowId)?.deliveries.filter((delivery) => delivery.outcome === "lost");
    expect(lost).toMatchObject([{ agentId: "cmp_organizer", attempts: [] }]);
  },
);
