// Two results of one agent: the sender's newer one counts, in whatever order they arrive.
import { expect, test } from "vitest";
import { agentCompleted, agentFailed, at, given, running } from "../../support/node/given.ts";

const older = { sha256: "0a", confidence: 0.5, reportedAt: at(10) };
const newer = { sha256: "0b", confidence: 0.9, reportedAt: at(20) };
const untimed = { sha256: "0c", confidence: 0.7, reportedAt: null };

function resultOf(...results: readonly (typeof older | typeof untimed)[]) {
  const agent = given(
    ...running(),
    ...results.map((result) => [30, agentCompleted("geo_audit", result)] as const),
  ).run().agents.geo_audit;
  return agent?.state === "completed" ? agent.result : undefined;
}

test("the newer result counts when it comes last", () => {
  expect(resultOf(older, newer)).toMatchObject(newer);
});

test("the newer result counts when it comes first", () => {
  expect(resultOf(newer, older)).toMatchObject(newer);
});

test("a result with a time counts before one without", () => {
  expect(resultOf(older, untimed)).toMatchObject(older);
  expect(resultOf(untimed, older)).toMatchObject(older);
});

test("of two results of one instant the same one counts in either order", () => {
  const twin = { ...newer, sha256: "0d" };
  expect(resultOf(newer, twin)).toEqual(resultOf(twin, newer));
  expect(resultOf({ ...untimed, sha256: "0e" }, untimed)).toEqual(resultOf(untimed, { ...untimed, sha256: "0e" }));
});

test("a newer result keeps the time at which the agent ended", () => {
  const run = given(
    ...running(),
    [30, agentCompleted("geo_audit", older)],
    [40, agentCompleted("geo_audit", newer)],
  ).run();
  expect(run.agents.geo_audit).toMatchObject({ endedAt: at(30) });
});

test("the newer of two failures counts in either order", () => {
  const failures = [agentFailed("geo_audit", older), agentFailed("geo_audit", newer)];
  const inOrder = given(...running(), ...failures.map((failure) => [30, failure] as const)).run();
  const reversed = given(...running(), ...failures.toReversed().map((failure) => [30, failure] as const)).run();
  expect(inOrder.agents.geo_audit).toMatchObject({ state: "failed", result: newer });
  expect(reversed.agents.geo_audit).toEqual(inOrder.agents.geo_audit);
});
