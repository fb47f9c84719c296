// Which result speaks for an agent, how it is marked, and how much of it is taken along.
import { describe, expect, test } from "vitest";
import { agentsOf, loadResults, originAnswer, type ResultsOfRun, sourceOf } from "../../../src/tools/run-results.ts";
import { criteriaFrom, validationAnswer } from "../../../src/tools/validation.ts";
import { OUTPUT } from "../webhooks/read.ts";

type Agent = ResultsOfRun["agents"][number];
type Reference = ResultsOfRun["attached"][number]["result"];

const reference = (bodyId: string, change: Partial<Reference> = {}): Reference => ({
  ...{ bodyId, bytes: 10, sha256: "", family: "shared", confidence: 0.8, insights: 1, recommendations: 1 },
  ...{ reportedAt: null, ...change },
});

const agent = (change: Partial<Agent> = {}): Agent => ({
  ...{ id: "geo_audit", name: "GEO audit", phase: 1, state: "completed", startedAt: 1, endedAt: 2, deadlineAt: null },
  ...{ limitMs: 1, usualMs: 1, confidence: 0.9, isBelowThreshold: false, isLate: false, isQuarantined: false },
  ...{ reason: null, resultId: "own", fallback: null, reruns: 0, rerunsAllowed: 1, ...change },
});

const run = (agents: readonly Agent[], change: Partial<ResultsOfRun> = {}): ResultsOfRun => ({
  ...{ sessionId: "sync-2", agents, attached: [], carriedOver: [], ...change },
});

const FAILED = { state: "failed", reason: "no_result", resultId: null, confidence: null } as const;
const fallback = { method: "cached_data", fromSessionId: "sync-1", result: reference("earlier"), resultAt: 1 } as const;
const late = (change: Partial<Reference> = {}) => ({
  attached: [{ agentId: "geo_audit" as const, result: reference("late", change), at: 3 }],
});
const carried = {
  carriedOver: [{ agentId: "geo_audit" as const, sessionId: "sync-0", result: reference("carried"), at: 1 }],
};

describe("what speaks for an agent", () => {
  test.for([
    ["its own result", run([agent()]), { origin: "own", bodyId: "own", sessionId: "sync-2" }],
    ["its own rather than a late one", run([agent()], late()), { origin: "own" }],
    ["a late one rather than a stand-in", run([agent({ ...FAILED, fallback })], late()), { origin: "late" }],
    [
      "a stand-in rather than a late report of failure",
      run([agent({ ...FAILED, fallback })], late({ family: "none" })),
      { origin: "cached", bodyId: "earlier", sessionId: "sync-1" },
    ],
    ["an earlier attempt's", run([], carried), { origin: "carried_over", bodyId: "carried", sessionId: "sync-0" }],
  ] as const)("%s", ([, given, expected]) => {
    expect(sourceOf(given, "geo_audit")).toMatchObject(expected);
    expect(agentsOf(given)).toEqual(["geo_audit"]);
  });

  test.for([
    ["a quarantined one", agent({ isQuarantined: true })],
    ["a failure's", agent({ ...FAILED, resultId: "error" })],
    ["none", agent({ state: "waiting", resultId: null })],
  ] as const)("never %s", ([, given]) => {
    expect(sourceOf(run([given]), "geo_audit")).toBeNull();
  });

  test("is marked when it is of an earlier run or attempt, and only then", () => {
    const marks = [run([agent()]), run([agent({ ...FAILED, fallback })]), run([], carried)].map((given) =>
      originAnswer(sourceOf(given, "geo_audit")),
    );
    expect(marks).toMatchObject([
      { cached: false, from_session_id: null },
      { cached: true, from_session_id: "sync-1" },
      { cached: true, from_session_id: "sync-0" },
    ]);
  });
});

describe("loading", () => {
  const stored = { agent_id: "geo_audit", outcome: "completed", family: "shared", confidence: 0.9, output: OUTPUT };
  const bytes = new TextEncoder().encode(JSON.stringify({ ...stored, output_omitted: false, error: null }));
  const { buffer } = Uint8Array.from(bytes);
  const load = (bodies: readonly ArrayBuffer[], room: number) =>
    loadResults(run([agent()]), ["geo_audit"], () => Promise.resolve(bodies), room);

  test("takes an output along only while there is room, and its summary always", async () => {
    const summary = { headline: "Be cited" };
    expect(await load([buffer], bytes.length)).toMatchObject([{ summary, result: { output: OUTPUT } }]);
    expect(await load([buffer], bytes.length - 1)).toMatchObject([
      { summary, result: { output: null, output_omitted: true, family: "shared" } },
    ]);
  });

  test("of a body that is gone leaves the result out, which is then a problem", async () => {
    const results = await load([], 0);
    expect(results).toMatchObject([{ result: null, summary: null, source: { origin: "own" } }]);
    const { valid, agents } = validationAnswer(results, criteriaFrom(undefined), undefined);
    expect({ valid, problems: agents[0]?.problems }).toEqual({
      ...{ valid: false, problems: ["the stored result is no longer kept", "there is no result to recognise"] },
    });
  });
});

describe("criteria", () => {
  test.for([
    [undefined, ["present", "family", "confidence"], []],
    [{ confidence: false }, ["present", "family"], []],
    [{ family: true }, ["family"], []],
    [["confidence", "taste"], ["confidence"], ["taste"]],
    [{ taste: 1 }, ["present", "family", "confidence"], ["taste"]],
  ] as const)("%j", ([given, applied, unknown]) => {
    expect(criteriaFrom(given)).toEqual({ applied, unknown });
  });
});
