// What a force sync asks for: nine agents in the chain's order, with its limits.
import { expect, test } from "vitest";
import { runIds } from "../../../src/platform/ids.ts";
import { planRun } from "../../../src/sync/plan.ts";
import { runEvent } from "../../../src/sync/run/events.ts";

const COMMAND = { scope: "quick", client: { name: "Acme" }, actor: "operator" };
const IDS = runIds(1_700_000_000_000, "abcde");
const plan = (deadlineScale = 1) =>
  planRun(COMMAND, IDS, { workspace: "default", order: "sequence", deadlineScale, callMs: 45_000 });

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

test("a run may take thirty minutes, be silent for ten, and close for thirty seconds", () => {
  expect(plan().limits).toEqual({ runMs: 1_800_000, inactivityMs: 600_000, closingMs: 30_000, callMs: 45_000 });
});

test("the scale shortens every limit of the run, but not the call to OPAL", () => {
  const { limits, workflow } = plan(0.05);
  expect(limits).toEqual({ runMs: 90_000, inactivityMs: 30_000, closingMs: 1_500, callMs: 45_000 });
  expect(workflow.agents[0]).toMatchObject({ limitMs: 3_000, usualMs: 40_000 });
});

test("no scale makes a limit of nothing", () => {
  expect(plan(0.000_000_1).limits).toMatchObject({ runMs: 1, inactivityMs: 1, closingMs: 1 });
});

test("the three ids of a run share one suffix", () => {
  expect(plan()).toMatchObject({
    sessionId: "sync-1700000000000-abcde",
    correlationId: "force-sync-1700000000000-abcde",
    workflowId: "workflow-1700000000000-abcde",
  });
});

test("what was asked for can be written to the log as it is", () => {
  const event = { type: "requested", seq: 1, at: 0, version: 1, ...plan() };
  expect(runEvent.parse(JSON.parse(JSON.stringify(event)))).toEqual(event);
});
