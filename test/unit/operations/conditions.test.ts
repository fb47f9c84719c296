// What counts as wrong, and how bad it is.
import { describe, expect, test } from "vitest";
import { type ConditionFacts, conditionsOf, healthOf } from "../../../src/operations/conditions.ts";

const NOW = Date.parse("2026-01-05T09:00:00Z");
const MINUTE_MS = 60_000;
const CLOSED = { state: "closed", since: null, failures: 0, successes: 0, retryAt: null } as const;

const QUIET: ConditionFacts = {
  control: { breaker: CLOSED, switchedOff: null },
  failuresInARow: 0,
  escalatedRuns: [],
  held: { total: 0, oldestSince: null },
};

function found(change: Partial<ConditionFacts>) {
  const conditions = conditionsOf({ ...QUIET, ...change }, NOW);
  return { codes: conditions.map(({ code }) => code), health: healthOf(conditions), conditions };
}

function breaker(change: Partial<ConditionFacts["control"]["breaker"]>): Partial<ConditionFacts> {
  return { control: { breaker: { ...CLOSED, ...change }, switchedOff: null } };
}

describe("a condition", () => {
  test("is missing when all is well", () => {
    expect(found({})).toMatchObject({ codes: [], health: "healthy" });
    expect(found(breaker({ failures: 2 }))).toMatchObject({ codes: [], health: "healthy" });
  });

  test("is an open breaker, with its beginning and the next try", () => {
    const { codes, health, conditions } = found(breaker({ state: "open", since: NOW - 1, retryAt: NOW + 1_000 }));
    expect([codes, health, conditions[0]?.since]).toEqual([["breaker_open"], "unhealthy", NOW - 1]);
    expect(conditions[0]?.message).toContain("2026-01-05T09:00:01.000Z");
  });

  test("is a breaker that tries, which is not as bad", () => {
    const since = NOW - 5;
    expect(found(breaker({ state: "half_open", since }))).toMatchObject({
      ...{ codes: ["breaker_half_open"], health: "degraded", conditions: [{ since }] },
    });
  });

  test("is triggering that was switched off, with who and why", () => {
    const switchedOff = { by: "admin@acme.test", at: NOW - 7, reason: "OPAL is being moved" };
    const { codes, health, conditions } = found({ control: { breaker: CLOSED, switchedOff } });
    expect([codes, health, conditions[0]?.since]).toEqual([["switched_off"], "degraded", NOW - 7]);
    expect(conditions[0]?.message).toMatch(/admin@acme.test.*OPAL is being moved/);
  });

  test.each([
    [2, [], "healthy"],
    [3, ["failures_in_a_row"], "degraded"],
    [4, ["failures_in_a_row"], "unhealthy"],
  ])("with %i failures in a row is %j and %s", (failuresInARow, codes, health) => {
    expect(found({ failuresInARow })).toMatchObject({ codes, health });
  });

  test("is a run that called for people, by its id", () => {
    const { codes, health, conditions } = found({ escalatedRuns: ["sync-1"] });
    expect([codes, health]).toEqual([["run_escalated"], "degraded"]);
    expect(conditions[0]?.message).toContain("sync-1");
  });

  test.each([
    [0, null, []],
    [1, NOW - 5 * MINUTE_MS, []],
    [1, NOW - 5 * MINUTE_MS - 1, ["deliveries_waiting"]],
  ])("with %i deliveries held, the oldest since %s, is %j", (total, oldestSince, codes) => {
    expect(found({ held: { total, oldestSince } })).toMatchObject({ codes });
  });

  test("beside a worse one does not make it better", () => {
    const control = { breaker: { ...CLOSED, state: "open" as const }, switchedOff: { by: "a", at: NOW, reason: "r" } };
    expect(found({ control, failuresInARow: 3 })).toMatchObject({
      codes: ["breaker_open", "switched_off", "failures_in_a_row"],
      health: "unhealthy",
    });
  });
});
