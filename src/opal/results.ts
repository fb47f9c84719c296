// What an agent hands over, in the two families OPAL is known to use. Checked softly: what nobody knows is kept and marked.
import { z } from "zod";
import type { AgentId } from "./agents.ts";

const text = z.string();
const share = z.number().min(0).max(100);

/** One schema for all nine agents. */
const sharedOutput = z.looseObject({
  hero: z.looseObject({
    title: text,
    promise: text,
    metrics: z.array(z.looseObject({ label: text, value: text, hint: text.optional() })),
    confidence: share.optional().catch(undefined),
  }),
  overview: z.looseObject({ summary: text, keyPoints: z.array(text) }),
  insights: z.array(z.looseObject({ title: text, description: text })).min(1),
  opportunities: z.array(z.looseObject({ label: text })).min(1),
  nextSteps: z.array(z.looseObject({ label: text })).min(1),
  meta: z.looseObject({ tier: text }),
});

/** The older family: a common base, then fields of the agent's own. */
const executionResults = z.looseObject({
  summary: text,
  recommendations: z.array(z.unknown()),
  confidence_score: share.optional(),
  insights: z.union([z.record(z.string(), z.unknown()), z.array(z.unknown())]).optional(),
});

/** Fields of the older family that belong to one agent: one of them is enough to know the result by. */
const OWN_FIELDS: Readonly<Record<AgentId, readonly string[]>> = {
  integration_health: ["integration_status", "performance_metrics", "health_recommendations"],
  content_review: [
    "content_quality_score",
    "seo_optimization_score",
    "readability_score",
    "optimization_opportunities",
  ],
  geo_audit: ["geographic_performance", "underperforming_regions", "growth_opportunities", "regional_preferences"],
  audience_suggester: ["audience_segments", "suggested_segments", "lookalike_opportunities", "behavioral_patterns"],
  experiment_blueprinter: ["experiment_proposals", "testing_roadmap", "statistical_power_analysis"],
  personalization_idea_generator: ["personalization_strategies", "content_variations", "real_time_triggers"],
  customer_journey: ["journey_stages", "cross_channel_insights", "journey_optimizations", "behavioral_flows"],
  roadmap_generator: ["implementation_phases", "timeline_milestones", "risk_assessment", "resource_allocation"],
  cmp_organizer: ["campaign_workflows", "process_improvements", "automation_opportunities", "workflow_dependencies"],
};

/** The older family without its common base. */
const ownResults = z.looseObject({
  confidence_score: share.optional(),
  recommendations: z.array(z.unknown()).default([]),
  insights: z.union([z.record(z.string(), z.unknown()), z.array(z.unknown())]).optional(),
});

export type ResultFamily = "shared" | "execution_results" | "unrecognised" | "none";

export interface RecognisedOutput {
  readonly family: ResultFamily;
  /** 0 to 1, whichever scale the sender used; null when it gave none. */
  readonly confidence: number | null;
  readonly insights: number;
  readonly recommendations: number;
}

/** No output at all is family `none`: the agent said that it is done, and nothing else. */
export function recogniseOutput(output: unknown, agentId: AgentId): RecognisedOutput {
  if (output === undefined || output === null || (typeof output === "object" && Object.keys(output).length === 0)) {
    return { family: "none", confidence: null, insights: 0, recommendations: 0 };
  }
  const shared = sharedOutput.safeParse(output);
  if (shared.success) {
    const { hero, insights, opportunities } = shared.data;
    // Always 0 to 100 here, so that 1 is one percent.
    const confidence = hero.confidence === undefined ? null : hero.confidence / 100;
    return { family: "shared", confidence, insights: insights.length, recommendations: opportunities.length };
  }
  const older = executionResults.safeParse(output);
  if (older.success) return olderFamily(older.data);
  const own = hasOwnField(output, agentId) ? ownResults.safeParse(output) : undefined;
  if (own?.success) return olderFamily(own.data);
  return { family: "unrecognised", confidence: null, insights: 0, recommendations: 0 };
}

function olderFamily({ insights, recommendations, confidence_score }: z.infer<typeof ownResults>): RecognisedOutput {
  return {
    family: "execution_results",
    confidence: normaliseConfidence(confidence_score),
    insights: Array.isArray(insights) ? insights.length : Object.keys(insights ?? {}).length,
    recommendations: recommendations.length,
  };
}

function hasOwnField(output: unknown, agentId: AgentId): boolean {
  return (
    typeof output === "object" && output !== null && OWN_FIELDS[agentId].some((field) => Object.hasOwn(output, field))
  );
}

/** OPAL's agents say 0 to 100, its envelopes 0 to 1; anything else is no confidence. */
export function normaliseConfidence(value: unknown): number | null {
  if (typeof value !== "number" || !Number.isFinite(value) || value < 0 || value > 100) return null;
  return value > 1 ? value / 100 : value;
}

/** The normalised result of one agent, as it is stored beside the log. */
export const storedResult = z.object({
  agent_id: z.string(),
  outcome: z.enum(["completed", "failed", "timed_out"]),
  family: z.enum(["shared", "execution_results", "unrecognised", "none"]),
  confidence: z.number().nullable(),
  output: z.unknown(),
  /** The output was too large to be kept apart; it is in the delivery's own body. */
  output_omitted: z.boolean(),
  error: z.string().nullable(),
});

export type StoredResult = z.infer<typeof storedResult>;

export interface ResultSummary {
  readonly headline: string;
  readonly metrics: readonly { readonly label: string; readonly value: string }[];
}

const HEADLINE_CHARACTERS = 240;
const METRICS = 3;

/** The few words a row has room for. */
export function summariseResult(result: StoredResult): ResultSummary {
  const shared = sharedOutput.safeParse(result.output);
  if (shared.success) {
    const { hero } = shared.data;
    return { headline: shorten(hero.promise), metrics: hero.metrics.slice(0, METRICS).map(pickMetric) };
  }
  const older = executionResults.safeParse(result.output);
  if (older.success) return { headline: shorten(older.data.summary), metrics: numbersOf(older.data) };
  if (result.family === "execution_results")
    return { headline: "Result without a summary.", metrics: numbersIn(result) };
  if (result.output_omitted)
    return { headline: "The result is too large to be shown; its delivery holds it.", metrics: [] };
  if (result.error !== null) return { headline: shorten(result.error), metrics: [] };
  if (result.family === "none") return { headline: "Done; no result came with it.", metrics: [] };
  return { headline: "The result has a form nobody knows; it is kept as received.", metrics: [] };
}

function pickMetric({ label, value }: { label: string; value: string }) {
  return { label: shorten(label), value: shorten(value) };
}

function numbersOf(output: Record<string, unknown>): { label: string; value: string }[] {
  return Object.entries(output)
    .filter((entry): entry is [string, number] => typeof entry[1] === "number" && entry[0] !== "confidence_score")
    .slice(0, METRICS)
    .map(([name, value]) => ({ label: shorten(name.replaceAll("_", " ")), value: String(value) }));
}

function numbersIn({ output }: StoredResult): { label: string; value: string }[] {
  const own = ownResults.safeParse(output);
  return own.success ? numbersOf(own.data) : [];
}

function shorten(long: string): string {
  return long.length <= HEADLINE_CHARACTERS ? long : `${long.slice(0, HEADLINE_CHARACTERS - 1)}…`;
}
