// What another attempt can build on.
import { describe, expect, test } from "vitest";
import { checkpointOf } from "../../../src/sync/run/checkpoint.ts";
import type { CarriedResult, Lineage, RunRequest } from "../../../src/sync/run/request.ts";
import {
  agentCompleted,
  agentFailed,
  agentTimedOut,
  at,
  CREDENTIAL,
  credentialRefused,
  deliver,
  ended,
  fallbackUsed,
  given,
  only,
  type Past,
  PLAN,
  quarantined,
  result,
  running,
  says,
  saysOddly,
} from "../../support/node/given.ts";

const checkpoint = (...past: readonly Past[]) => checkpointOf(given(...past).run());
const { sessionId } = PLAN;
const SOME = only("integration_health", "content_review", "geo_audit");

test("of a first attempt names itself as the root", () => {
  expect(checkpoint(...running(SOME))).toMatchObject({
    ...{ sessionId, rootId: sessionId, attempt: 1, status: "running", scope: "quick", priority: "normal" },
    ...{ timeoutOverrideMs: null, credential: null, retriedAs: null, isRetriable: false, isResumable: false },
    client: { name: "Acme", industry: "Retail" },
    agents: ["integration_health", "content_review", "geo_audit"],
    done: [],
    missing: ["integration_health", "content_review", "geo_audit"],
  });
});

test("holds the results that agents have delivered, and what is missing", () => {
  const past: Past[] = [
    ...running(SOME),
    [20, agentCompleted("content_review", { bodyId: "whd_2.result" })],
    [30, agentFailed("geo_audit")],
    [40, ended("partially_completed", "some_agents_completed")],
  ];
  const found = checkpoint(...past);
  expect(found.done).toMatchObject([
    { agentId: "content_review", sessionId, result: { bodyId: "whd_2.result" }, at: at(20) },
  ]);
  expect(found.missing).toEqual(["integration_health", "geo_audit"]);
  expect(found).toMatchObject({ isRetriable: true });
});

test("does not take a result that stands in for one of its own", () => {
  const past: Past[] = [
    ...running(SOME),
    [60, agentTimedOut("integration_health", 60_000)],
    [60, fallbackUsed("integration_health")],
    [70, ended("failed", "no_agent_completed")],
  ];
  expect(checkpoint(...past)).toMatchObject({
    done: [],
    missing: ["integration_health", "content_review", "geo_audit"],
  });
});

test("does not take a result of a shape nobody knows for a good one", () => {
  expect(checkpoint(...running(SOME), [20, quarantined("geo_audit")]).missing).toContain("geo_audit");
  // In older logs the agent counted as completed all the same.
  const older = agentCompleted("geo_audit", { family: "unrecognised" });
  expect(checkpoint(...running(SOME), [20, older]).missing).toContain("geo_audit");
});

describe("of a run that has ended", () => {
  const over: Past[] = [...running(SOME), [600, ended("timed_out", "inactivity")]];

  test("counts what came late", () => {
    const late = given(...over).and([700, deliver(says("geo_audit", "completed", { bodyId: "whd_7.result" }))]);
    const found = checkpointOf(late.run());
    expect(found.done).toMatchObject([
      { agentId: "geo_audit", sessionId, result: { bodyId: "whd_7.result" }, at: at(700) },
    ]);
    expect(found.missing).toEqual(["integration_health", "content_review"]);
  });

  test.each([
    ["a failure", says("geo_audit", "failed", { family: "none" })],
    ["a result of a shape nobody knows", saysOddly("geo_audit")],
  ])("does not count %s that came late", (_what, report) => {
    const late = given(...over).and([700, deliver(report)]);
    expect(checkpointOf(late.run())).toMatchObject({ done: [] });
  });

  test("prefers what came in time", () => {
    const past: Past[] = [
      ...running(SOME),
      [20, agentCompleted("geo_audit", { bodyId: "whd_2.result" })],
      [600, ended("partially_completed", "inactivity")],
    ];
    const late = given(...past).and([700, deliver(says("geo_audit", "completed", { bodyId: "whd_7.result" }))]);
    expect(checkpointOf(late.run()).done).toMatchObject([{ result: { bodyId: "whd_2.result" } }]);
  });

  test("names the attempt that followed last, and what to check first", () => {
    const refused = given(...running(SOME), [5, credentialRefused()], [5, ended("failed", "credential_refused")]).and(
      [700, { type: "mark_retried", bySessionId: "sync-2", attempt: 2, how: "resume", actor: "operator" }],
      [800, { type: "mark_retried", bySessionId: "sync-3", attempt: 3, how: "retry", actor: "operator" }],
    );
    expect(checkpointOf(refused.run())).toMatchObject({
      ...{ retriedAs: "sync-3", isResumable: true, credential: { credential: CREDENTIAL.name } },
    });
  });
});

describe("of a later attempt", () => {
  const lineage: Lineage = { rootId: "sync-1", attempt: 3, retryOf: "sync-2", how: "retry", failedOnly: true };
  const carried: CarriedResult = {
    ...{ agentId: "content_review", sessionId: "sync-1", at: at(-900) },
    result: result({ bodyId: "whd_0.result" }),
  };
  const request: RunRequest = { ...only("integration_health", "geo_audit"), lineage, carriedOver: [carried] };

  test("keeps the root, and what earlier attempts brought", () => {
    const found = checkpoint(...running(request), [20, agentCompleted("geo_audit")]);
    expect(found).toMatchObject({ rootId: "sync-1", attempt: 3 });
    expect(found.done.map(({ agentId, sessionId: from }) => [agentId, from])).toEqual([
      ["content_review", "sync-1"],
      ["geo_audit", sessionId],
    ]);
    expect(found.missing).toEqual(["integration_health"]);
    expect(found.agents.toSorted()).toEqual(["content_review", "geo_audit", "integration_health"]);
  });

  test("prefers its own result where it asked again", () => {
    const all: RunRequest = { ...SOME, lineage, carriedOver: [carried] };
    const found = checkpoint(...running(all), [20, agentCompleted("content_review", { bodyId: "whd_2.result" })]);
    expect(found.done).toMatchObject([{ agentId: "content_review", sessionId, result: { bodyId: "whd_2.result" } }]);
    expect(found.agents).toHaveLength(3);
  });
});
