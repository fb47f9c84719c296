// OPAL reports by calling OSA's functions: what it calls, in which forms, and that the faults of deliveries hold there too.
import { describe, expect, test } from "vitest";
import { readCommandLine } from "../../simulator/command-line.ts";
import {
  agentOf,
  type Called,
  FUNCTIONS,
  type OsaTools,
  startCaller,
  startOsaTools,
  TOOLS_TOKEN,
} from "./osa-tools.ts";
import { accepted, playRun, startTestSimulator, trigger } from "./support.ts";

/** As OPAL's own workflow spells its agents. */
const NAMES = [
  ...["integration_health_monitor", "Content_Review", "geo_audit_recommendations", "audience_suggester"],
  ...["experiment_blueprinter", "personalization_idea_generator", "customer_journey", "roadmap_generator"],
  "cmp_organizer",
];

const isResult = ({ what, parameters, raw }: Called) =>
  what === "osa_store_workflow_data" ||
  parameters.progress_percentage === 100 ||
  /"success":true.*"confidence_score"|"progress_percentage":100/.test(raw);
const results = (osa: OsaTools) => osa.delivered().filter(isResult);

describe("a run that is delivered by tools", () => {
  test("reads the discovery document once, and then calls what is advertised and nothing else", async () => {
    const osa = await startOsaTools();
    await playRun(await startCaller(osa));
    const [first, ...others] = osa.called;
    expect(first?.what).toBe("discovery");
    expect(new Set(others.map(({ what }) => what))).not.toContain("discovery");
    expect(others.every(({ what, status }) => FUNCTIONS.includes(what) && status === 200)).toBe(true);
  });

  test("brings nine results in the order of the chain, under the names of OPAL's own workflow", async () => {
    const osa = await startOsaTools();
    const simulator = await startCaller(osa);
    const run = simulator.run(await playRun(simulator));
    expect(results(osa).map(agentOf)).toEqual(NAMES);
    expect(new Set(osa.delivered().map(({ raw }) => JSON.parse(raw).parameters.workflow_id))).toEqual(
      new Set([run?.workflowId]),
    );
    expect(run?.deliveries.every(({ outcome, via }) => outcome === "acknowledged" && via !== "webhook")).toBe(true);
  });

  test("uses every form that can say it, with and without what a user granted to OPAL", async () => {
    const osa = await startOsaTools();
    const simulator = await startCaller(osa);
    for (const seed of [1, 2, 3, 4]) {
      simulator.addFaults({ seed });
      await playRun(simulator);
    }
    const forms = new Set(
      results(osa).map(({ what, parameters }) => `${what}${"metadata" in parameters ? " by name" : ""}`),
    );
    expect(forms).toEqual(
      new Set([
        ...["osa_send_data_to_osa_webhook", "osa_send_data_to_osa_webhook by name"],
        ...["osa_store_workflow_data", "osa_workflow_data"],
      ]),
    );
    expect(new Set(osa.delivered().map(({ hasAuth }) => hasAuth))).toEqual(new Set([true, false]));
  });

  test("asks for the context before every agent but the first, and checks and compiles at the end", async () => {
    const osa = await startOsaTools();
    const simulator = await startCaller(osa);
    const run = simulator.run(await playRun(simulator));
    const asked = osa.called.filter(({ what }) => what === "osa_retrieve_workflow_context");
    expect(asked.map(({ parameters }) => parameters.requesting_agent)).toEqual(NAMES.slice(1));
    expect(asked.at(-1)?.parameters.include_agents).toEqual(NAMES.slice(0, -1));
    expect(osa.called.slice(-2).map(({ what }) => what)).toEqual([
      "osa_validate_workflow_data",
      "osa_compile_final_results",
    ]);
    expect(run?.questions.map(({ attempt }) => attempt.status)).toEqual(Array(10).fill(200));
  });

  test("says again exactly the same with the same seed", async () => {
    const osa = await startOsaTools();
    const simulator = await startCaller(osa, { seed: 7 });
    await playRun(simulator, { correlationId: "force-sync-1763600000000-first" });
    const first = osa.delivered().map(({ what }) => what);
    await playRun(simulator, { correlationId: "force-sync-1763600000000-other" });
    expect(osa.delivered().map(({ what }) => what)).toEqual([...first, ...first]);
  });
});

test("a mixed run reports now this way and now that, and its webhooks have an offset of null", async () => {
  const osa = await startOsaTools();
  const simulator = await startCaller(osa, { deliver: "mixed", seed: 1 });
  const run = simulator.run(await playRun(simulator));
  const webhooks = osa.called.filter(({ what }) => what === "webhook");
  expect(webhooks.length).toBeGreaterThan(0);
  expect(osa.delivered().length).toBeGreaterThan(0);
  expect(webhooks.length + osa.delivered().length).toBe(run?.deliveries.length);
  expect(webhooks.every(({ parameters }) => parameters.offset === null)).toBe(true);
});

describe("faults of deliveries hold for calls of functions too", () => {
  test("twice: every call comes again with the same bytes", async () => {
    const osa = await startOsaTools();
    await playRun(await startCaller(osa, { reportTwice: true }));
    const bodies = osa.delivered().map(({ raw }) => raw);
    for (const body of bodies) expect(bodies.filter((other) => other === body)).toHaveLength(2);
  });

  test("a wrong credential at first is a wrong token, and is put right after the 401", async () => {
    const osa = await startOsaTools();
    const simulator = await startCaller(osa, { badSignature: 3 });
    const run = simulator.run(await playRun(simulator));
    expect(osa.called.filter(({ status }) => status === 401)).toHaveLength(3);
    expect(results(osa)).toHaveLength(9);
    expect(run?.deliveries[0]?.attempts.map(({ signature, status }) => [signature, status])).toEqual([
      ["wrong", 401],
      ["valid", 200],
    ]);
  });

  test("a forged agent never gets in", async () => {
    const osa = await startOsaTools();
    const simulator = await startCaller(osa, { agents: { geo_audit: { badSignature: true } } });
    const run = simulator.run(await playRun(simulator));
    expect(results(osa).map(agentOf)).toEqual(NAMES.filter((name) => name !== "geo_audit_recommendations"));
    const forged = run?.deliveries.filter(({ agentId }) => agentId === "geo_audit");
    expect(new Set(forged?.map(({ outcome }) => outcome))).toEqual(new Set(["refused"]));
  });

  test("broken off: the call comes whole afterwards", async () => {
    const osa = await startOsaTools();
    const simulator = await startCaller(osa, { dropConnection: 2 });
    const run = simulator.run(await playRun(simulator));
    expect(results(osa)).toHaveLength(9);
    expect(run?.deliveries.filter(({ attempts }) => attempts[0]?.status === null)).toHaveLength(2);
  });

  test("shuffled: results of three agents at a time come out of order, and none is missing", async () => {
    const osa = await startOsaTools();
    await playRun(await startCaller(osa, { outOfOrder: true, seed: 3 }));
    const order = results(osa).map(agentOf);
    expect(order).not.toEqual(NAMES);
    expect(order.toSorted()).toEqual(NAMES.toSorted());
  });

  test("lost: nothing is delivered, and the run remembers it", async () => {
    const osa = await startOsaTools();
    const simulator = await startCaller(osa, { lostShare: 1 });
    const run = simulator.run(await playRun(simulator));
    expect(osa.delivered()).toEqual([]);
    expect(new Set(run?.deliveries.map(({ outcome }) => outcome))).toEqual(new Set(["lost"]));
  });

  test("a refused credential of an agent is said with its code", async () => {
    const osa = await startOsaTools();
    await playRun(await startCaller(osa, { agents: { content_review: { outcome: "fail", errorCode: 401 } } }));
    const failure = osa.delivered().find(({ raw }) => raw.includes('"execution_status":"failed"'));
    expect(failure?.parameters).toMatchObject({
      agent_name: "Content_Review",
      metadata: { error_code: 401, success: false },
    });
  });

  test("other names are those of the fault", async () => {
    const osa = await startOsaTools();
    const simulator = await startCaller(osa, { aliases: true, seed: 2 });
    const run = simulator.run(await playRun(simulator));
    expect(results(osa).map(agentOf)).toEqual(run?.agents.map(({ spelling }) => spelling));
  });
});

describe("discovery", () => {
  test("that does not answer at first is read again until it does", async () => {
    const osa = await startOsaTools({ discovery: (number) => (number <= 2 ? 503 : 200) });
    await playRun(await startCaller(osa));
    expect(results(osa)).toHaveLength(9);
  });

  test("without a function: what would have been said by it is refused, and not tried again", async () => {
    const functions = FUNCTIONS.filter((name) => name !== "osa_send_data_to_osa_webhook");
    const osa = await startOsaTools({ functions });
    const simulator = await startCaller(osa);
    const run = simulator.run(await playRun(simulator));
    const refused = run?.deliveries.filter(({ outcome }) => outcome === "refused") ?? [];
    expect(refused.length).toBeGreaterThan(0);
    expect(refused.every(({ via, attempts }) => via === "osa_send_data_to_osa_webhook" && attempts.length === 1)).toBe(
      true,
    );
    expect(osa.called.some(({ what }) => what === "osa_send_data_to_osa_webhook")).toBe(false);
  });
});

describe("the way is chosen", () => {
  test("for one run through the control address, while the next one goes the usual way", async () => {
    const osa = await startOsaTools();
    const simulator = await startCaller(osa, { deliver: "webhooks" });
    const answer = await setFaults(simulator.url, { deliver: "tools" });
    expect(answer.status).toBe(200);
    const [first, second] = [await playRun(simulator), await playRun(simulator)];
    const ways = (id: string) => new Set(simulator.run(id)?.deliveries.map(({ via }) => via === "webhook"));
    expect([ways(first), ways(second)]).toEqual([new Set([false]), new Set([true])]);
  });

  test("and is refused for tools while there is no token", async () => {
    const simulator = await startTestSimulator("http://127.0.0.1:1");
    const answer = await setFaults(simulator.url, { deliver: "mixed" });
    expect([answer.status, await answer.text()]).toEqual([400, expect.stringContaining("OPAL_TOOLS_TOKEN")]);
    expect(await accepted(await trigger(simulator))).toBeTruthy();
  });

  test("by flag, by environment and by --fault, in this order from strong to weak", () => {
    const env = {
      ...{ OSA_WEBHOOK_SHARED_SECRET: "test-secret", OPAL_STRATEGY_WORKFLOW_AUTH_KEY: "test-key" },
      OPAL_TOOLS_TOKEN: TOOLS_TOKEN,
    };
    const byEnvironment = { ...env, SIMULATOR_DELIVER: "mixed" };
    const chosen = (args: string[], given: Record<string, string>) => readCommandLine(args, given);
    expect(chosen([], env)).toMatchObject({ faults: {}, toolsToken: TOOLS_TOKEN });
    expect(chosen([], byEnvironment)).toMatchObject({ faults: { deliver: "mixed" } });
    expect(chosen(["--fault", '{"deliver":"webhooks"}'], byEnvironment)).toMatchObject({
      faults: { deliver: "webhooks" },
    });
    expect(chosen(["--deliver", "tools"], byEnvironment)).toMatchObject({ faults: { deliver: "tools" } });
    expect(() => chosen(["--deliver", "pigeons"], env)).toThrow(/deliver/);
    const { OPAL_TOOLS_TOKEN: _, ...without } = env;
    expect(() => chosen(["--deliver", "tools"], without)).toThrow(/OPAL_TOOLS_TOKEN/);
  });
});

function setFaults(url: string, faults: Readonly<Record<string, unknown>>): Promise<Response> {
  return fetch(`${url}/simulator/faults`, { method: "POST", body: JSON.stringify(faults) });
}
