// The two output families as OPAL uses them, written down here a second time.

import { describe, expect, test } from "vitest";
import { z } from "zod";
import { CHAIN, playRun, scene, type WebhookBody } from "./support.ts";

const text = z.string().min(1);
const texts = z.array(text);
const percent = z.int().min(0).max(100);
const share = z.number().min(0).max(1);
const anything = z.record(z.string(), z.unknown());

const shared = z.strictObject({
  hero: z.strictObject({
    title: text,
    promise: text.max(200),
    metrics: z.array(z.strictObject({ label: text, value: text, hint: text.optional() })).length(3),
    confidence: percent,
    confidenceNote: text.optional(),
  }),
  overview: z.strictObject({ summary: text, keyPoints: texts.min(2).max(4) }),
  insights: z.array(z.strictObject({ title: text, description: text, bullets: texts })).min(1),
  opportunities: z
    .array(
      z.strictObject({
        label: text,
        impactLevel: z.enum(["High", "Medium", "Low"]),
        effortLevel: z.enum(["Low", "Medium", "High"]),
        confidence: percent,
      }),
    )
    .min(1),
  nextSteps: z
    .array(z.strictObject({ label: text, ownerHint: text.optional(), timeframeHint: text.optional() }))
    .min(2),
  meta: z.strictObject({
    tier: z.enum(["strategy", "insights", "optimization", "dxptools"]),
    agents: texts,
    maturity: z.enum(["crawl", "walk", "run", "fly"]),
    lastUpdated: z.iso.datetime(),
  }),
});

const base = z.strictObject({
  summary: text,
  recommendations: texts.min(3).max(6),
  confidence_score: z.number().min(0.6).max(1),
  data_points_analyzed: z.int().min(100).max(5100),
  insights: anything,
  references: texts,
  tags: texts,
});

const executionResults: Readonly<Record<string, z.ZodType>> = {
  integration_health: base.extend({
    integration_status: z.array(
      z.strictObject({
        service_name: text,
        status: z.enum(["healthy", "warning", "critical", "down"]),
        response_time_ms: z.int().min(120).max(450),
        uptime_percentage: z.number().min(98.5).max(99.8),
        last_check: z.iso.datetime(),
        error_rate: z.number().min(0.002).max(0.015),
      }),
    ),
    performance_metrics: z.strictObject({
      api_latency_ms: z.number(),
      throughput_rps: z.number(),
      error_count_24h: z.int(),
      data_sync_status: z.enum(["synced", "pending", "error"]),
    }),
    health_recommendations: texts,
  }),
  content_review: base.extend({
    content_quality_score: z.number().min(70).max(100),
    seo_optimization_score: z.number().min(75).max(100),
    readability_score: z.number().min(80).max(100),
    content_gaps: texts,
    optimization_opportunities: z.array(
      z.strictObject({
        type: z.enum(["seo", "readability", "engagement", "conversion"]),
        description: text,
        impact: text,
      }),
    ),
    keyword_analysis: z.strictObject({
      target_keywords: texts,
      keyword_density: z.number().min(0.02).max(0.03),
      competitor_keywords: texts,
    }),
  }),
  geo_audit: base.extend({
    geographic_performance: z.array(
      z.strictObject({
        region: text,
        performance_score: z.number().min(72).max(85),
        conversion_rate: z.number().min(0.035).max(0.045),
        traffic_volume: z.int().min(67_000).max(125_000),
      }),
    ),
    underperforming_regions: texts,
    growth_opportunities: z.array(
      z.strictObject({ region: text, potential_uplift: z.number(), recommended_actions: texts }),
    ),
    regional_preferences: anything,
  }),
  audience_suggester: base.extend({
    audience_segments: z.array(
      z.strictObject({
        segment_name: text,
        size_estimate: z.int().min(25_000).max(150_000),
        characteristics: anything,
        conversion_potential: percent,
        targeting_criteria: anything,
      }),
    ),
    lookalike_opportunities: z.array(
      z.strictObject({ source_segment: text, similarity_score: share, estimated_reach: z.int() }),
    ),
    behavioral_patterns: anything,
    demographic_insights: anything,
  }),
  experiment_blueprinter: base.extend({
    experiment_proposals: z.array(
      z.strictObject({
        experiment_name: text,
        hypothesis: text,
        success_metrics: texts,
        variations: z.array(z.strictObject({ name: text, description: text, implementation_details: text })),
        estimated_duration_days: z.literal(21),
        sample_size_required: z.literal(50_000),
        expected_lift: z.literal(12),
        confidence_level: z.literal(0.95),
      }),
    ),
    testing_roadmap: z.array(z.strictObject({ quarter: text, experiments: texts, dependencies: texts })),
    statistical_power_analysis: anything,
  }),
  personalization_idea_generator: base.extend({
    personalization_strategies: z.array(
      z.strictObject({
        strategy_name: text,
        target_segments: texts,
        personalization_type: z.enum(["content", "layout", "offers", "timing", "journey"]),
        implementation_complexity: z.enum(["low", "medium", "high"]),
        expected_impact: percent,
        implementation_details: text,
      }),
    ),
    content_variations: texts,
    journey_optimizations: anything,
    real_time_triggers: texts,
  }),
  customer_journey: base.extend({
    journey_stages: z.array(
      z.strictObject({
        stage_name: text,
        touchpoints: texts,
        conversion_rate: share,
        drop_off_rate: share,
        optimization_score: percent,
        pain_points: texts,
        opportunities: texts,
      }),
    ),
    cross_channel_insights: texts,
    journey_optimizations: texts,
    behavioral_flows: anything,
    retention_insights: anything,
  }),
  roadmap_generator: base.extend({
    implementation_phases: z.array(
      z.strictObject({
        phase_name: text,
        duration_weeks: z.int().positive(),
        deliverables: texts,
        dependencies: texts,
        resources_required: z.strictObject({
          developers: z.int(),
          designers: z.int(),
          data_analysts: z.int(),
          other: anything,
        }),
        success_criteria: texts,
      }),
    ),
    timeline_milestones: z.array(anything),
    risk_assessment: z.array(
      z.strictObject({ risk_category: text, probability: text, impact: text, mitigation_strategy: text }),
    ),
    resource_allocation: z.record(z.string(), share),
  }),
  cmp_organizer: base.extend({
    campaign_workflows: z.array(
      z.strictObject({
        workflow_name: text,
        automation_level: percent,
        efficiency_score: percent,
        bottlenecks: texts,
        optimization_suggestions: texts,
      }),
    ),
    process_improvements: texts,
    automation_opportunities: z.array(
      z.strictObject({
        task_name: text,
        current_manual_effort_hours: z.number(),
        automation_complexity: text,
        roi_estimate: z.number(),
      }),
    ),
    workflow_dependencies: anything,
  }),
};

/** The completed webhooks of several seeded runs. */
async function completedIn(family: "mixed" | "shared" | "execution_results", seeds: number): Promise<WebhookBody[]> {
  const { simulator, receiver } = await scene({ family, order: "parallel", speed: 50_000 });
  for (let seed = 1; seed <= seeds; seed++) {
    simulator.addFaults({ seed });
    await playRun(simulator, {
      input: { client_name: "A client whose name is longer than any headline can take".repeat(3) },
    });
  }
  return receiver.received.map(({ body }) => body).filter((body) => body.execution_status === "completed");
}

describe("results", () => {
  test("of the shared family keep all its constraints, for every agent", async () => {
    const bodies = await completedIn("shared", 10);
    expect(bodies).toHaveLength(90);
    for (const { agent_id, agent_data, metadata } of bodies) {
      const result = shared.parse(agent_data);
      expect(result.meta.agents).toEqual([agent_id]);
      expect(result.hero.confidence).toBe(Math.round((metadata.confidence_score ?? 0) * 100));
    }
  });

  test("of the execution_results family have all fields of their agent, within range", async () => {
    const bodies = await completedIn("execution_results", 10);
    expect(new Set(bodies.map(({ agent_id }) => agent_id))).toEqual(new Set(CHAIN));
    for (const { agent_id, agent_data } of bodies) executionResults[agent_id]?.parse(agent_data);
  });

  test("alternate between the families by default", async () => {
    const bodies = await completedIn("mixed", 1);
    const families = CHAIN.map((agentId) => {
      const result = bodies.find(({ agent_id }) => agent_id === agentId)?.agent_data;
      return shared.safeParse(result).success ? "shared" : executionResults[agentId]?.safeParse(result).success;
    });
    const [first, second] = families;
    expect([first, second].toSorted()).toEqual([true, "shared"].toSorted());
    expect(families).toEqual(CHAIN.map((_, index) => (index % 2 === 0 ? first : second)));
  });

  test("differ from run to run", async () => {
    const bodies = await completedIn("shared", 6);
    for (const agentId of CHAIN) {
      const summaries = bodies
        .filter(({ agent_id }) => agent_id === agentId)
        .map((body) => shared.parse(body.agent_data));
      expect(new Set(summaries.map(({ overview }) => overview.summary)).size).toBeGreaterThan(1);
    }
  });
});
