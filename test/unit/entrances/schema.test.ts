// What the sibling entrances understand, and how they point at what they do not.
import { describe, expect, test } from "vitest";
import type { z } from "zod";
import { agentsToRun, legacySyncBody, opalTriggerBody, orchestrationBody } from "../../../src/entrances/schema.ts";
import { AGENT_IDS } from "../../../src/opal/agents.ts";

const ANALYSIS = {
  workflow_type: "targeted_analysis",
  priority: "medium",
  context: { business_objectives: ["More leads"] },
} as const;

/** Paths of everything that is wrong. */
function wrong(schema: z.ZodType, body: unknown): string[] {
  const { error } = schema.safeParse(body);
  return (error?.issues ?? []).flatMap((issue) =>
    issue.code === "unrecognized_keys"
      ? issue.keys.map((key) => [...issue.path, key].join("/"))
      : [issue.path.join("/")],
  );
}

describe("the legacy sync's body", () => {
  test("is the trigger's, with another scope where none is given", () => {
    expect(legacySyncBody.parse({})).toEqual({
      ...{ sync_scope: "priority_platforms", force_restart: false, retry_failed_only: false },
      on_busy: "refuse",
    });
    expect(legacySyncBody.parse({ sync_scope: "full" }).sync_scope).toBe("full");
  });

  test("keeps the trigger's own rules", () => {
    expect(wrong(legacySyncBody, { sync_scope: "all" })).toEqual(["sync_scope"]);
    expect(wrong(legacySyncBody, { platforms: [] })).toEqual(["platforms"]);
    expect(wrong(legacySyncBody, { retry_failed_only: true, agent_filter: ["geo_audit"] })).toEqual(["agent_filter"]);
  });
});

describe("an orchestration's body", () => {
  const body = { workflow_name: "strategy_workflow" };

  test("may carry the caller's own session id", () => {
    const all = { ...body, session_id: "My_session-1", client_name: " Acme ", agent_filter: ["Geographic_Audit"] };
    expect(orchestrationBody.parse(all)).toEqual({
      ...{ workflow_name: "strategy_workflow", session_id: "My_session-1", client_name: "Acme" },
      ...{ agent_filter: ["geo_audit"], on_busy: "refuse" },
    });
  });

  test.for([
    [{}, "workflow_name"],
    [{ ...body, session_id: "" }, "session_id"],
    [{ ...body, session_id: "a/b" }, "session_id"],
    [{ ...body, session_id: "x".repeat(129) }, "session_id"],
    [{ ...body, client_name: " " }, "client_name"],
    [{ ...body, agent_filter: ["nobody"] }, "agent_filter/0"],
    [{ ...body, sync_scope: "full" }, "sync_scope"],
  ] as const)("%j is wrong at %s", ([given, path]) => {
    expect(wrong(orchestrationBody, given)).toEqual([path]);
  });

  test("takes a session id of exactly 128 characters", () => {
    expect(wrong(orchestrationBody, { ...body, session_id: "x".repeat(128) })).toEqual([]);
  });
});

describe("an analysis' body", () => {
  const context = (change: object) => ({ ...ANALYSIS, context: { ...ANALYSIS.context, ...change } });
  const agents = (agent_configuration: object) => ({ ...ANALYSIS, agent_configuration });

  test.for([
    [{ ...ANALYSIS, workflow_type: "deep_analysis" }, "workflow_type"],
    [{ ...ANALYSIS, priority: "normal" }, "priority"],
    [{ workflow_type: "quick_assessment", priority: "low" }, "context"],
    [context({ business_objectives: [] }), "context/business_objectives"],
    [context({ business_objectives: Array.from({ length: 51 }, () => "more") }), "context/business_objectives"],
    [context({ business_objectives: [7] }), "context/business_objectives/0"],
    [context({ constraints: [""] }), "context/constraints/0"],
    [context({ budget: 1 }), "context/budget"],
    [context({ timeline: { start_date: "2026-01-01" } }), "context/timeline/target_completion"],
    [context({ timeline: { start_date: "soon", target_completion: "2026-01-01" } }), "context/timeline/start_date"],
    [
      context({ timeline: { start_date: "2026-01-02", target_completion: "2026-01-01" } }),
      "context/timeline/target_completion",
    ],
    [agents({ nobody: { enabled: true } }), "agent_configuration/nobody"],
    [agents({ geo_audit: {} }), "agent_configuration/geo_audit/enabled"],
    [agents({ geo_audit: { enabled: true, retries: 1 } }), "agent_configuration/geo_audit/retries"],
    [agents({ geo_audit: { enabled: true, timeout_override: 999 } }), "agent_configuration/geo_audit/timeout_override"],
    [
      agents({ geo_audit: { enabled: true, timeout_override: 1_800_001 } }),
      "agent_configuration/geo_audit/timeout_override",
    ],
    [
      agents({ geo_audit: { enabled: true, tool_overrides: { search: false } } }),
      "agent_configuration/geo_audit/tool_overrides",
    ],
    [agents({ geo_audit: { enabled: true, tool_overrides: "all" } }), "agent_configuration/geo_audit/tool_overrides"],
    [
      agents({ geo_audit: { enabled: true }, GEOGRAPHIC_AUDIT: { enabled: false } }),
      "agent_configuration/GEOGRAPHIC_AUDIT",
    ],
    [agents(Object.fromEntries(AGENT_IDS.map((id) => [id, { enabled: false }]))), "agent_configuration"],
  ] as const)("%j is wrong at %s", ([given, path]) => {
    expect(wrong(opalTriggerBody, given)).toEqual([path]);
  });

  test.for([[{}], [[]], [undefined]] as const)("leaves an agent its tools when it overrides none: %j", ([none]) => {
    expect(wrong(opalTriggerBody, agents({ geo_audit: { enabled: true, tool_overrides: none } }))).toEqual([]);
  });

  test("takes days and moments, and one day as a whole timeline", () => {
    const timeline = (start_date: string, target_completion: string) =>
      wrong(opalTriggerBody, context({ timeline: { start_date, target_completion } }));
    expect(timeline("2026-01-01", "2026-01-01")).toEqual([]);
    expect(timeline("2026-01-01T09:00:00+01:00", "2026-03-01T00:00:00Z")).toEqual([]);
  });
});

describe("the agents that run", () => {
  const choice = (agentId: (typeof AGENT_IDS)[number], isEnabled: boolean) => ({ agentId, isEnabled, timeoutMs: null });
  const without = (...ids: readonly string[]) => AGENT_IDS.filter((id) => !ids.includes(id));

  test.for(["full_strategy_analysis", "targeted_analysis", "quick_assessment"] as const)(
    "%s: all of them, when nothing is said of any",
    (workflow_type) => {
      expect(agentsToRun({ workflow_type })).toEqual(AGENT_IDS);
    },
  );

  test.for(["full_strategy_analysis", "quick_assessment"] as const)("%s: all but those disabled", (workflow_type) => {
    const agent_configuration = [choice("geo_audit", false), choice("content_review", true)];
    expect(agentsToRun({ workflow_type, agent_configuration })).toEqual(without("geo_audit"));
  });

  test("targeted_analysis: those enabled and no other, in the chain's order", () => {
    const agent_configuration = [
      choice("roadmap_generator", true),
      choice("geo_audit", true),
      choice("cmp_organizer", false),
    ];
    expect(agentsToRun({ workflow_type: "targeted_analysis", agent_configuration })).toEqual([
      "geo_audit",
      "roadmap_generator",
    ]);
  });

  test("targeted_analysis: all but those disabled, when it enables none", () => {
    const agent_configuration = [choice("cmp_organizer", false)];
    expect(agentsToRun({ workflow_type: "targeted_analysis", agent_configuration })).toEqual(without("cmp_organizer"));
  });
});
