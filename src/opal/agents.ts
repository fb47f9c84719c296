// The nine agents of the strategy workflow: one table that feeds schemas, limits, phases and the dashboard.

/** Canonical agent ids, in the order in which OPAL's chain runs them. */
export const AGENT_IDS = [
  "integration_health",
  "content_review",
  "geo_audit",
  "audience_suggester",
  "experiment_blueprinter",
  "personalization_idea_generator",
  "customer_journey",
  "roadmap_generator",
  "cmp_organizer",
] as const;

export type AgentId = (typeof AGENT_IDS)[number];

/** 1 gathers data, 2 designs experiments and personalization, 3 plans the roadmap. */
export type Phase = 1 | 2 | 3;

export interface Agent {
  readonly name: string;
  readonly phase: Phase;
  /** How long the agent may work before it counts as timed out. */
  readonly limitMs: number;
  /** What OPAL's own estimate says it usually takes; orientation for people, never a rule. */
  readonly usualMs: number;
  /** A result below this confidence (0 to 1) is marked. */
  readonly confidenceThreshold: number;
  /** Other spellings OPAL is known to send; compared without regard to case. */
  readonly aliases: readonly string[];
}

export const AGENTS: Readonly<Record<AgentId, Agent>> = {
  integration_health: {
    name: "Integration health",
    phase: 1,
    limitMs: 60_000,
    usualMs: 40_000,
    confidenceThreshold: 0.95,
    aliases: ["integration_health_monitor"],
  },
  content_review: {
    name: "Content review",
    phase: 1,
    limitMs: 120_000,
    usualMs: 45_000,
    confidenceThreshold: 0.8,
    aliases: ["content-review"],
  },
  geo_audit: {
    name: "GEO audit",
    phase: 1,
    limitMs: 150_000,
    usualMs: 60_000,
    confidenceThreshold: 0.85,
    aliases: ["geo_audit_recommendations", "geographic_audit"],
  },
  audience_suggester: {
    name: "Audience suggester",
    phase: 1,
    limitMs: 180_000,
    usualMs: 50_000,
    confidenceThreshold: 0.75,
    aliases: [],
  },
  experiment_blueprinter: {
    name: "Experiment blueprinter",
    phase: 2,
    limitMs: 300_000,
    usualMs: 70_000,
    confidenceThreshold: 0.85,
    aliases: [],
  },
  personalization_idea_generator: {
    name: "Personalization ideas",
    phase: 2,
    limitMs: 240_000,
    usualMs: 55_000,
    confidenceThreshold: 0.8,
    aliases: ["personalization_generator"],
  },
  customer_journey: {
    name: "Customer journey",
    phase: 1,
    limitMs: 200_000,
    usualMs: 70_000,
    confidenceThreshold: 0.8,
    aliases: [],
  },
  roadmap_generator: {
    name: "Roadmap generator",
    phase: 3,
    limitMs: 360_000,
    usualMs: 65_000,
    confidenceThreshold: 0.9,
    aliases: [],
  },
  cmp_organizer: {
    name: "CMP organizer",
    phase: 1,
    limitMs: 180_000,
    usualMs: 50_000,
    confidenceThreshold: 0.8,
    aliases: [],
  },
};

const BY_SPELLING: ReadonlyMap<string, AgentId> = new Map(
  AGENT_IDS.flatMap((id) => [id, ...AGENTS[id].aliases].map((spelling) => [spelling.toLowerCase(), id] as const)),
);

/** The canonical id for a spelling OPAL sent, or undefined for an agent nobody knows. */
export function canonicalAgentId(spelling: string): AgentId | undefined {
  return BY_SPELLING.get(spelling.trim().toLowerCase());
}
