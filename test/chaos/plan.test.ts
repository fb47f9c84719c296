// What a seed of the crash test stands for.
import { expect, test } from "vitest";
import { combineFaults, FAULTS } from "../../scripts/chaos-faults.ts";
import { planScenario, type Scenario } from "../../scripts/chaos-plan.ts";
import { faultSet } from "../../simulator/faults.ts";

const SEED = 7;

function plan(count: number): Scenario[] {
  return Array.from({ length: count }, (_, index) => planScenario(SEED, index + 1));
}

test("a scenario is the same whenever it is drawn, alone or among others", () => {
  expect(planScenario(SEED, 17)).toEqual(plan(20)[16]);
  expect(planScenario(SEED + 1, 17)).not.toEqual(planScenario(SEED, 17));
});

test("as many scenarios as there are kinds of faults meet every one of them", () => {
  const met = new Set(plan(FAULTS.length).flatMap(({ kinds }) => kinds));
  expect([...met].toSorted()).toEqual(FAULTS.map(({ kind }) => kind).toSorted());
});

test("two hundred scenarios have every action, kills in most, and only faults that the simulator can play", () => {
  const scenarios = plan(200);
  expect(new Set(scenarios.map(({ action }) => action.what)).size).toBe(10);
  expect(scenarios.filter(({ killsAtMs }) => killsAtMs.length > 0).length).toBeGreaterThan(120);
  for (const { faults } of scenarios) expect(() => faultSet.parse(faults)).not.toThrow();
});

test("faults are combined call by call and agent by agent", () => {
  const combined = combineFaults([
    { trigger: [{ kind: "reset" }], agents: { geo_audit: { outcome: "silent" } } },
    { trigger: [{ kind: "timeout" }], agents: { geo_audit: { repeat: 10 }, "*": { noStart: true } } },
  ]);
  expect(combined).toEqual({
    trigger: [{ kind: "reset" }, { kind: "timeout" }],
    agents: { geo_audit: { outcome: "silent", repeat: 10 }, "*": { noStart: true } },
  });
});
