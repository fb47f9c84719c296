// Bodies of the sibling entrances, as the engine's order.
import { describe, expect, test } from "vitest";
import { opalOrder, orchestrationOrder } from "../../../src/entrances/orders.ts";
import { opalTriggerBody, orchestrationBody } from "../../../src/entrances/schema.ts";
import { AGENT_IDS } from "../../../src/opal/agents.ts";

const PLAIN = { retry: null, onBusy: "refuse", isForced: false } as const;

test("an orchestration asks for a quick sync by the API, for the client and agents it names", () => {
  const body = {
    workflow_name: "strategy_workflow",
    session_id: "mine",
    client_name: "Acme",
    agent_filter: ["geo_audit"],
  };
  expect(orchestrationOrder(orchestrationBody.parse(body), "somebody")).toEqual({
    ...PLAIN,
    command: {
      ...{ scope: "quick", client: { name: "Acme" }, actor: "somebody", source: "api", priority: "normal" },
      ...{ agentFilter: ["geo_audit"], timeoutOverrideMs: null, agentTimeoutsMs: {} },
    },
  });
});

test("an orchestration that names nothing asks for every agent, for the default client", () => {
  const { command } = orchestrationOrder(orchestrationBody.parse({ workflow_name: "strategy_workflow" }), "somebody");
  expect(command).toMatchObject({ agentFilter: null, client: { name: "OSA dashboard" } });
});

test("an orchestration that may wait does", () => {
  const body = orchestrationBody.parse({ workflow_name: "strategy_workflow", on_busy: "queue" });
  expect(orchestrationOrder(body, "somebody").onBusy).toBe("queue");
});

describe("an analysis", () => {
  const order = (change: object = {}) =>
    opalOrder(
      opalTriggerBody.parse({
        workflow_type: "quick_assessment",
        priority: "medium",
        context: { business_objectives: ["More leads"] },
        ...change,
      }),
      "somebody",
    );

  test("is a sync by the API for its objectives", () => {
    expect(order()).toEqual({
      ...PLAIN,
      command: {
        ...{ scope: "quick", actor: "somebody", source: "api", priority: "normal" },
        client: { name: "OSA dashboard", businessObjectives: ["More leads"] },
        ...{ agentFilter: null, timeoutOverrideMs: null, agentTimeoutsMs: {} },
      },
    });
  });

  test.for([
    ["full_strategy_analysis", "full"],
    ["targeted_analysis", "quick"],
    ["quick_assessment", "quick"],
  ] as const)("of the type %s has the scope %s", ([workflow_type, scope]) => {
    expect(order({ workflow_type }).command.scope).toBe(scope);
  });

  test.for([
    ["low", "low"],
    ["medium", "normal"],
    ["high", "high"],
    ["urgent", "high"],
  ] as const)("of the priority %s has our priority %s", ([priority, ours]) => {
    expect(order({ priority }).command.priority).toBe(ours);
  });

  test("tells OPAL its constraints, focus and timeline", () => {
    const context = {
      business_objectives: ["More leads"],
      constraints: ["No new tools"],
      focus_areas: ["Search"],
      timeline: { start_date: "2026-01-01", target_completion: "2026-06-30" },
    };
    expect(order({ context }).command.client).toEqual({
      ...{ name: "OSA dashboard", businessObjectives: ["More leads"], constraints: ["No new tools"] },
      ...{ focusAreas: ["Search"], timelinePreference: "2026-01-01..2026-06-30" },
    });
  });

  test("tells OPAL nothing of lists that are empty", () => {
    const context = { business_objectives: ["More leads"], constraints: [], focus_areas: [] };
    expect(order({ context }).command.client).toEqual({ name: "OSA dashboard", businessObjectives: ["More leads"] });
  });

  test("leaves out the agents it disables, and their limits with them", () => {
    const agent_configuration = {
      "content-review": { enabled: false, timeout_override: 1_000_000 },
      geo_audit: { enabled: true, timeout_override: 5_000 },
      cmp_organizer: { enabled: true },
    };
    const { command } = order({ agent_configuration });
    expect(command.agentFilter).toEqual(AGENT_IDS.filter((id) => id !== "content_review"));
    expect(command.agentTimeoutsMs).toEqual({ geo_audit: 5_000 });
  });
});
