// What a force sync asks for: its agents in the chain's order, with their limits, and what earlier runs left.
import { describe, expect, test } from "vitest";
import { runIds } from "../../../src/platform/ids.ts";
import { FOREIGN_SYNC, type Heritage, NO_HERITAGE, planRun, type SyncCommand } from "../../../src/sync/plan.ts";
import { runEvent } from "../../../src/sync/run/events.ts";
import { hadResult, result, SYNC } from "../../support/node/given.ts";

const IDS = runIds(1_700_000_000_000, "abcde");

function plan(change: Partial<SyncCommand> = {}, deadlineScale = 1, heritage: Heritage = NO_HERITAGE) {
  const context = { workspace: "default", order: "sequence", deadlineScale, callMs: 45_000 } as const;
  return planRun({ ...SYNC, ...change }, IDS, context, heritage);
}

const limitsOf = ({ workflow }: ReturnType<typeof plan>) => workflow.agents.map(({ id, limitMs }) => [id, limitMs]);

test("nine agents, one after the other, each with its phase, limit and threshold", () => {
  const { workflow } = plan();
  expect(workflow.order).toBe("sequence");
  expect(
    workflow.agents.map((agent) => [agent.id, agent.phase, agent.limitMs / 1000, agent.confidenceThreshold]),
  ).toEqual([
    ["integration_health", 1, 60, 0.95],
    ["content_review", 1, 120, 0.8],
    ["geo_audit", 1, 150, 0.85],
    ["audience_suggester", 1, 180, 0.75],
    ["experiment_blueprinter", 2, 300, 0.85],
    ["personalization_idea_generator", 2, 240, 0.8],
    ["customer_journey", 1, 200, 0.8],
    ["roadmap_generator", 3, 360, 0.9],
    ["cmp_organizer", 1, 180, 0.8],
  ]);
});

test("a run may wait for thirty-five minutes, take thirty, be silent for ten, and close for thirty seconds", () => {
  expect(plan().limits).toEqual({
    ...{ startMs: 2_100_000, runMs: 1_800_000, inactivityMs: 600_000, closingMs: 30_000, callMs: 45_000 },
  });
});

test("the scale shortens every limit of the run, but not the call to OPAL", () => {
  const { limits, workflow } = plan({}, 0.05);
  expect(limits).toEqual({
    ...{ startMs: 105_000, runMs: 90_000, inactivityMs: 30_000, closingMs: 1_500, callMs: 45_000 },
  });
  expect(workflow.agents[0]).toMatchObject({ limitMs: 3_000, usualMs: 40_000 });
});

test("no scale makes a limit of nothing", () => {
  const { limits, workflow } = plan({}, 0.000_000_1);
  expect(limits).toMatchObject({ startMs: 1, runMs: 1, inactivityMs: 1, closingMs: 1 });
  expect(workflow.agents.every(({ limitMs }) => limitMs === 1)).toBe(true);
});

test("the three ids of a run share one suffix", () => {
  expect(plan()).toMatchObject({
    sessionId: "sync-1700000000000-abcde",
    correlationId: "force-sync-1700000000000-abcde",
    workflowId: "workflow-1700000000000-abcde",
  });
});

describe("a caller's choice of agents", () => {
  test("is asked for in the chain's order, each of them once", () => {
    const { agentFilter, workflow } = plan({ agentFilter: ["cmp_organizer", "geo_audit", "geo_audit"] });
    expect(workflow.agents.map(({ id }) => id)).toEqual(["geo_audit", "cmp_organizer"]);
    expect(agentFilter).toEqual(["geo_audit", "cmp_organizer"]);
  });

  test("is none when nobody chose", () => {
    expect(plan()).toMatchObject({ agentFilter: null, timeoutOverrideMs: null });
  });
});

describe("a caller's choice of limits", () => {
  test("takes the place of every agent's own", () => {
    const chosen = plan({ timeoutOverrideMs: 90_000 });
    expect(limitsOf(chosen).every(([, limitMs]) => limitMs === 90_000)).toBe(true);
    expect(chosen).toMatchObject({ timeoutOverrideMs: 90_000, limits: { inactivityMs: 600_000 } });
  });

  test("for single agents goes before the one for all", () => {
    const some = { agentFilter: ["geo_audit", "cmp_organizer"], agentTimeoutsMs: { geo_audit: 70_000 } } as const;
    expect(limitsOf(plan({ ...some, timeoutOverrideMs: 90_000 }))).toEqual([
      ["geo_audit", 70_000],
      ["cmp_organizer", 90_000],
    ]);
    expect(limitsOf(plan(some))).toEqual([
      ["geo_audit", 70_000],
      ["cmp_organizer", 180_000],
    ]);
  });

  test("is scaled like any limit", () => {
    expect(limitsOf(plan({ timeoutOverrideMs: 90_000 }, 0.1))[0]).toEqual(["integration_health", 9_000]);
  });

  test("that is longer than a run may be silent lets it be silent for as long", () => {
    expect(plan({ timeoutOverrideMs: 900_000 }).limits.inactivityMs).toBe(900_000);
    expect(plan({ agentTimeoutsMs: { geo_audit: 1_200_000 } }).limits.inactivityMs).toBe(1_200_000);
  });
});

test("who asked, and in which way, is part of the run", () => {
  expect(plan({ source: "scheduled", priority: "high", actor: "schedule nightly" })).toMatchObject({
    ...{ source: "scheduled", priority: "high", actor: "schedule nightly", scope: "quick" },
    client: { name: "Acme", industry: "Retail" },
  });
});

describe("what earlier runs left", () => {
  const carried = { sessionId: "sync-1", agentId: "content_review", result: result(), at: 1 } as const;
  const lineage = { rootId: "sync-1", attempt: 2, retryOf: "sync-1", how: "retry", failedOnly: true } as const;
  const heritage: Heritage = {
    lineage,
    carriedOver: [carried],
    agentPasts: [hadResult("geo_audit", 2), hadResult("content_review", 2)],
  };

  test("is handed on: the lineage, and the results that are not asked for again", () => {
    const next = plan({ agentFilter: ["geo_audit"] }, 1, heritage);
    expect(next).toMatchObject({ lineage, carriedOver: [carried] });
  });

  test("says something of the agents that are asked for, and of no others", () => {
    expect(plan({ agentFilter: ["geo_audit"] }, 1, heritage).agentPasts).toEqual([hadResult("geo_audit", 2)]);
  });

  test("is nothing for a first run", () => {
    expect(plan()).toMatchObject({ lineage: null, carriedOver: [], agentPasts: [] });
  });
});

test.each([
  ["a plain one", plan()],
  ["one with everything", plan({ agentFilter: ["geo_audit"], timeoutOverrideMs: 1, source: "api", priority: "low" })],
  ["a workflow that OPAL started by itself", plan(FOREIGN_SYNC)],
])("what was asked for can be written to the log as it is: %s", (_which, request) => {
  const event = {
    ...{ type: "requested", seq: 1, at: 0, version: 2, rule: "granted", causedBy: null },
    ...request,
  };
  expect(runEvent.parse(JSON.parse(JSON.stringify(event)))).toEqual(event);
});
