// The two families of agent outputs, checked softly.
import { describe, expect, test } from "vitest";
import { AGENT_IDS, type AgentId } from "../../../src/opal/agents.ts";
import { normaliseConfidence, recogniseOutput, type StoredResult, summariseResult } from "../../../src/opal/results.ts";

const SHARED = {
  hero: {
    title: "Integration health",
    promise: "Every system talks to every other",
    metrics: [
      { label: "Overall Health Score", value: "87/100", hint: "of 100" },
      { label: "System Availability", value: "99.2%" },
      { label: "Integration Issues", value: "Calculating..." },
    ],
    confidence: 87,
    confidenceNote: "two systems did not answer",
  },
  overview: { summary: "Mostly healthy", keyPoints: ["ODP is slow", "CMP is fine"] },
  insights: [
    { title: "ODP", description: "450 ms", bullets: ["p95"] },
    { title: "CMP", description: "ok", bullets: [] },
  ],
  opportunities: [{ label: "Cache ODP", impactLevel: "High", effortLevel: "Low", confidence: 80 }],
  nextSteps: [{ label: "Measure" }, { label: "Decide", ownerHint: "IT" }],
  meta: { tier: "dxptools", agents: ["integration_health"], maturity: "walk", lastUpdated: "2026-01-05T09:00:00Z" },
};

const OLDER = {
  summary: "Twelve campaigns",
  recommendations: ["Merge", "Split", "Automate"],
  confidence_score: 0.8,
  data_points_analyzed: 4_100,
  insights: { bottlenecks: 2, savings: "40 h" },
  references: [],
  tags: ["cmp"],
  campaign_workflows: [{ workflow_name: "Launch", automation_level: 60 }],
};

describe("the family of an output", () => {
  test("is the shared one, with its confidence from 0 to 100 taken to 0 to 1", () => {
    expect(recogniseOutput(SHARED, "geo_audit")).toEqual({
      family: "shared",
      confidence: 0.87,
      insights: 2,
      recommendations: 1,
    });
  });

  test("is the older one, with its confidence from 0 to 1 as it is", () => {
    expect(recogniseOutput(OLDER, "geo_audit")).toEqual({
      family: "execution_results",
      confidence: 0.8,
      insights: 2,
      recommendations: 3,
    });
  });

  test("may have insights as a list, or none", () => {
    expect(recogniseOutput({ ...OLDER, insights: ["a", "b", "c"] }, "geo_audit")).toMatchObject({ insights: 3 });
    const { insights: _insights, ...without } = OLDER;
    expect(recogniseOutput(without, "geo_audit")).toMatchObject({ family: "execution_results", insights: 0 });
  });

  test("may come without a confidence", () => {
    const { confidence_score: _score, ...older } = OLDER;
    expect(recogniseOutput(older, "geo_audit")).toMatchObject({ family: "execution_results", confidence: null });
    const { confidence: _confidence, ...hero } = SHARED.hero;
    expect(recogniseOutput({ ...SHARED, hero }, "geo_audit")).toMatchObject({ family: "shared", confidence: null });
  });

  test("may hold fields that nobody knows", () => {
    expect(recogniseOutput({ ...SHARED, invented_later: { a: 1 } }, "geo_audit")).toMatchObject({ family: "shared" });
  });

  test.each<[string, unknown]>([
    ["a text", "Calculating..."],
    ["a list", [SHARED]],
    ["a shared output without insights", { ...SHARED, insights: [] }],
    ["a shared output without its overview", { ...SHARED, overview: undefined }],
    [
      "a shared output with a number for a metric's value",
      { ...SHARED, hero: { ...SHARED.hero, metrics: [{ label: "Score", value: 87 }] } },
    ],
    ["an older output without a summary", { ...OLDER, summary: undefined }],
    ["an older output whose recommendations are no list", { ...OLDER, recommendations: "Merge" }],
  ])("is unrecognised for %s", (_what, output) => {
    expect(recogniseOutput(output, "geo_audit")).toEqual({
      family: "unrecognised",
      confidence: null,
      insights: 0,
      recommendations: 0,
    });
  });

  test("is the older one without its base, when it has a field of the agent's own", () => {
    const own = { content_quality_score: 82, confidence_score: 0.9, recommendations: ["Shorten", "Link"] };
    expect(recogniseOutput(own, "content_review")).toEqual({
      family: "execution_results",
      confidence: 0.9,
      insights: 0,
      recommendations: 2,
    });
  });

  test("is not known by a field that belongs to another agent", () => {
    expect(recogniseOutput({ content_quality_score: 82 }, "geo_audit").family).toBe("unrecognised");
  });

  test.each(AGENT_IDS)("can be told for every agent by fields of its own: %s", (agentId) => {
    const own: Readonly<Record<AgentId, object>> = {
      integration_health: { integration_status: [] },
      content_review: { seo_optimization_score: 90 },
      geo_audit: { geographic_performance: [] },
      audience_suggester: { suggested_segments: [] },
      experiment_blueprinter: { experiment_proposals: [] },
      personalization_idea_generator: { personalization_strategies: [] },
      customer_journey: { journey_stages: [] },
      roadmap_generator: { implementation_phases: [] },
      cmp_organizer: { campaign_workflows: [] },
    };
    expect(recogniseOutput(own[agentId], agentId).family).toBe("execution_results");
  });

  test.each<[string, unknown]>([
    ["nothing", undefined],
    ["null", null],
    ["an empty object", {}],
  ])("is none for %s: the agent is done, without a result", (_what, output) => {
    expect(recogniseOutput(output, "geo_audit").family).toBe("none");
  });

  test.each<[string, unknown]>([
    ["beyond its scale", 187],
    ["in words", "high"],
  ])("is shared for a confidence %s, which then counts as none", (_what, confidence) => {
    const output = { ...SHARED, hero: { ...SHARED.hero, confidence } };
    expect(recogniseOutput(output, "geo_audit")).toMatchObject({ family: "shared", confidence: null });
  });

  test("reads a confidence of 1 in the shared family as one percent", () => {
    expect(recogniseOutput({ ...SHARED, hero: { ...SHARED.hero, confidence: 1 } }, "geo_audit").confidence).toBe(0.01);
  });
});

test.each<[unknown, number | null]>([
  [0, 0],
  [0.6, 0.6],
  [1, 1],
  [40, 0.4],
  [87, 0.87],
  [100, 1],
  [100.1, null],
  [-0.1, null],
  [Number.NaN, null],
  [Number.POSITIVE_INFINITY, null],
  ["87", null],
  ["Calculating...", null],
  [null, null],
  [undefined, null],
])("a confidence given as %j is %j", (given, confidence) => {
  expect(normaliseConfidence(given)).toBe(confidence);
});

describe("the summary of a result", () => {
  const stored = (change: Partial<StoredResult>): StoredResult => ({
    ...{ agent_id: "cmp_organizer", outcome: "completed", family: "shared", confidence: 0.8 },
    ...{ output: SHARED, output_omitted: false, error: null, ...change },
  });

  test("is the promise and the first three metrics of a shared output", () => {
    const four = {
      ...SHARED,
      hero: { ...SHARED.hero, metrics: [...SHARED.hero.metrics, { label: "Fourth", value: "1" }] },
    };
    expect(summariseResult(stored({ output: four }))).toEqual({
      headline: "Every system talks to every other",
      metrics: [
        { label: "Overall Health Score", value: "87/100" },
        { label: "System Availability", value: "99.2%" },
        { label: "Integration Issues", value: "Calculating..." },
      ],
    });
  });

  test("is the summary and the numbers of an older output", () => {
    expect(summariseResult(stored({ output: OLDER, family: "execution_results" }))).toEqual({
      headline: "Twelve campaigns",
      metrics: [{ label: "data points analyzed", value: "4100" }],
    });
  });

  test("is the error of a failed agent", () => {
    expect(summariseResult(stored({ outcome: "failed", output: null, error: "no crawl" }))).toEqual({
      headline: "no crawl",
      metrics: [],
    });
  });

  test("says so when the shape is unknown or the output too large to be kept apart", () => {
    expect(summariseResult(stored({ output: { a: 1 } }))).toMatchObject({ headline: /form nobody knows/, metrics: [] });
    expect(summariseResult(stored({ output: null, output_omitted: true }))).toMatchObject({
      headline: /too large/,
      metrics: [],
    });
  });

  test("is short, whatever the agent wrote", () => {
    const long = {
      ...SHARED,
      hero: {
        ...SHARED.hero,
        promise: "x".repeat(10_000),
        metrics: [{ label: "y".repeat(10_000), value: "z".repeat(10_000) }],
      },
    };
    const { headline, metrics } = summariseResult(stored({ output: long }));
    expect(headline).toBe(`${"x".repeat(239)}…`);
    expect(metrics).toEqual([{ label: `${"y".repeat(239)}…`, value: `${"z".repeat(239)}…` }]);
  });
});
