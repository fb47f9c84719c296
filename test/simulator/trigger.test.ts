import Stripe from "stripe";
import { describe, expect, test } from "vitest";
import { accepted, playRun, scene, trigger, triggerBody, WEBHOOK_SECRET } from "./support.ts";

const nowSeconds = () => Math.floor(Date.now() / 1000);

describe("the trigger", () => {
  test("answers with the id of the workflow it started", async () => {
    const { simulator } = await scene();
    const response = await trigger(simulator);
    expect(response.status).toBe(200);
    expect(await accepted(response)).toBe(simulator.runs()[0]?.workflowId);
  });

  test("is found under any path below /webhooks/, and nowhere else", async () => {
    const { simulator } = await scene();
    const at = (path: string) => trigger({ ...simulator, triggerUrl: `${simulator.url}${path}` });
    expect((await at("/webhooks/0123456789abcdef/some-trigger-id")).status).toBe(200);
    expect((await at("/elsewhere")).status).toBe(404);
  });

  test.each([
    ["a wrong bearer key", { bearer: "wrong" }],
    ["a signature of another secret", { signature: `t=${nowSeconds()},v1=${"0".repeat(64)}` }],
    ["a signature that is none", { signature: "sha256=abc" }],
    ["a signature from 301 seconds ago", { signedAtSeconds: nowSeconds() - 301 }],
    ["a signature from the future", { signedAtSeconds: nowSeconds() + 310 }],
  ])("refuses %s with 401 and starts nothing", async (_, options) => {
    const { simulator } = await scene();
    const response = await trigger(simulator, options);
    expect(response.status).toBe(401);
    expect(await response.json()).toMatchObject({ error: expect.any(String), message: expect.any(String) });
    expect(simulator.runs()).toHaveLength(0);
    expect(simulator.ledger().triggers).toMatchObject([{ accepted: false, answered: 401 }]);
  });

  test("takes a signature that is almost 300 seconds old", async () => {
    const { simulator } = await scene();
    expect((await trigger(simulator, { signedAtSeconds: nowSeconds() - 295 })).status).toBe(200);
  });

  test("refuses a signature that was made for another body", async () => {
    const { simulator } = await scene();
    const signature = Stripe.webhooks.generateTestHeaderString({ payload: triggerBody(), secret: WEBHOOK_SECRET });
    const response = await trigger(simulator, { signature, body: triggerBody({ sync_scope: "odp_only" }) });
    expect(response.status).toBe(401);
  });

  test.each([
    ["a body that is not JSON", "{"],
    ["another workflow", JSON.stringify({ workflow_name: "other_workflow" })],
    ["a body without a workflow", "null"],
  ])("refuses %s with 400", async (_, body) => {
    const { simulator } = await scene();
    expect((await trigger(simulator, { body })).status).toBe(400);
    expect(simulator.runs()).toHaveLength(0);
  });

  test("ignores unknown and unusable optional fields", async () => {
    const { simulator } = await scene();
    const body = JSON.stringify({
      workflow_name: "strategy_workflow",
      surprise: 1,
      input_data: { agent_filter: "all", retry_of: "sync-1", industry: 7 },
      metadata: "none",
    });
    expect((await trigger(simulator, { body })).status).toBe(200);
    expect(simulator.runs()[0]?.agents).toHaveLength(9);
  });

  test("refuses a body above 1 MB with 413", async () => {
    const { simulator } = await scene();
    expect((await trigger(simulator, { body: "x".repeat(1_000_001) })).status).toBe(413);
  });
});

describe("an idempotency key", () => {
  test("used again gets the same answer and no second workflow", async () => {
    const { simulator } = await scene();
    const first = await trigger(simulator, { key: "k" });
    const second = await trigger(simulator, { key: "k" });
    expect(await second.text()).toBe(await first.text());
    await simulator.settled();
    const third = await trigger(simulator, { key: "k" });
    expect(third.status).toBe(200);
    expect(simulator.runs()).toHaveLength(1);
    expect(simulator.ledger().counters.workflowsPerIdempotencyKey).toEqual({ k: 1 });
    expect(simulator.ledger().triggers.map(({ repeated }) => repeated)).toEqual([false, true, true]);
  });

  test("used at the same moment by many calls starts one workflow", async () => {
    const { simulator } = await scene();
    const responses = await Promise.all(Array.from({ length: 20 }, () => trigger(simulator, { key: "k" })));
    const ids = await Promise.all(responses.map(accepted));
    expect(new Set(ids).size).toBe(1);
    expect(simulator.runs()).toHaveLength(1);
  });

  test("used with another body is noticed in the ledger", async () => {
    const { simulator } = await scene();
    await trigger(simulator, { key: "k" });
    await trigger(simulator, { key: "k", input: { sync_scope: "odp_only" } });
    expect(simulator.ledger().triggers.map(({ bodyDiffers }) => bodyDiffers)).toEqual([false, true]);
  });

  test("is ignored on request, and then starts a second workflow with the same correlation id", async () => {
    const { simulator, receiver } = await scene({ ignoreIdempotencyKey: true });
    const first = await playRun(simulator, { key: "k" });
    const second = await playRun(simulator, { key: "k" });
    expect(second).not.toBe(first);
    expect(simulator.ledger().counters.workflowsPerIdempotencyKey).toEqual({ k: 2 });
    expect(new Set(receiver.received.map(({ body }) => body.correlation_id)).size).toBe(1);
  });

  test("of another run starts another workflow", async () => {
    const { simulator } = await scene();
    expect(await playRun(simulator, { key: "a" })).not.toBe(await playRun(simulator, { key: "b" }));
  });
});
