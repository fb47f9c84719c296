// The nine agents as OPAL runs them. Written apart from src/ on purpose: the simulator is the other side of the wire,
// and a mistake in our own table must not be copied into the thing that tests it.

/** In the order of the chain. */
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

export interface Agent {
  /** What the agent takes at real speed by OPAL's own estimate. */
  readonly durationMs: number;
  /** What OSA expects; results are mostly above it. */
  readonly confidenceThreshold: number;
  /** Other names under which OPAL has been seen to report it. */
  readonly aliases: readonly string[];
  /** As OPAL's own workflow spells it, and so as its calls of OSA's functions do. */
  readonly nameInWorkflow: string;
}

export const AGENTS: Readonly<Record<AgentId, Agent>> = {
  integration_health: {
    durationMs: 40_000,
    confidenceThreshold: 0.95,
    aliases: ["integration_health_monitor"],
    nameInWorkflow: "integration_health_monitor",
  },
  content_review: {
    durationMs: 45_000,
    confidenceThreshold: 0.8,
    aliases: ["Content_Review", "content-review"],
    nameInWorkflow: "Content_Review",
  },
  geo_audit: {
    durationMs: 60_000,
    confidenceThreshold: 0.85,
    aliases: ["geo_audit_recommendations", "geographic_audit"],
    nameInWorkflow: "geo_audit_recommendations",
  },
  audience_suggester: {
    durationMs: 50_000,
    confidenceThreshold: 0.75,
    aliases: [],
    nameInWorkflow: "audience_suggester",
  },
  experiment_blueprinter: {
    durationMs: 70_000,
    confidenceThreshold: 0.85,
    aliases: [],
    nameInWorkflow: "experiment_blueprinter",
  },
  personalization_idea_generator: {
    durationMs: 55_000,
    confidenceThreshold: 0.8,
    aliases: ["personalization_generator"],
    nameInWorkflow: "personalization_idea_generator",
  },
  customer_journey: {
    durationMs: 70_000,
    confidenceThreshold: 0.8,
    aliases: [],
    nameInWorkflow: "customer_journey",
  },
  roadmap_generator: {
    durationMs: 65_000,
    confidenceThreshold: 0.9,
    aliases: [],
    nameInWorkflow: "roadmap_generator",
  },
  cmp_organizer: {
    durationMs: 50_000,
    confidenceThreshold: 0.8,
    aliases: [],
    nameInWorkflow: "cmp_organizer",
  },
};

/** The agents a filter names, in chain order. Any known spelling counts; unknown names select nothing. */
export function agentsNamed(spellings: readonly string[]): AgentId[] {
  const wanted = new Set(spellings.map((spelling) => spelling.trim().toLowerCase()));
  return AGENT_IDS.filter((id) => [id, ...AGENTS[id].aliases].some((name) => wanted.has(name.toLowerCase())));
}
