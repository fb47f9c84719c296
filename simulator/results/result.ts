// What an agent hands over at its end, in one of the two families OPAL is known to use.

import type { AgentId } from "../agents.ts";
import type { AgentPlan } from "../plan.ts";
import { type Draw, drawFrom } from "../random.ts";
import { audienceSuggester } from "./audience-suggester.ts";
import { cmpOrganizer } from "./cmp-organizer.ts";
import { contentReview } from "./content-review.ts";
import { customerJourney } from "./customer-journey.ts";
import { type ExecutionSheet, fillExecutionSheet } from "./execution-sheet.ts";
import { experimentBlueprinter } from "./experiment-blueprinter.ts";
import { geoAudit } from "./geo-audit.ts";
import { integrationHealth } from "./integration-health.ts";
import { personalizationIdeas } from "./personalization-ideas.ts";
import { roadmapGenerator } from "./roadmap-generator.ts";
import { fillSharedSheet, type SharedSheet } from "./shared-sheet.ts";

/** Whom the strategy is for, as the trigger named it. */
export interface Subject {
  readonly client: string;
  readonly industry: string;
  readonly syncScope: string;
}

/** What an agent could say; the family's `fill` function chooses from it and completes the schema. */
export interface AgentWriter {
  shared(draw: Draw, subject: Subject): SharedSheet;
  execution(draw: Draw, subject: Subject, at: Date): ExecutionSheet;
}

const WRITERS: Readonly<Record<AgentId, AgentWriter>> = {
  integration_health: integrationHealth,
  content_review: contentReview,
  geo_audit: geoAudit,
  audience_suggester: audienceSuggester,
  experiment_blueprinter: experimentBlueprinter,
  personalization_idea_generator: personalizationIdeas,
  customer_journey: customerJourney,
  roadmap_generator: roadmapGenerator,
  cmp_organizer: cmpOrganizer,
};

const MAX_NAME_CHARACTERS = 48;

export function draftResult(
  { agentId, family, confidence }: AgentPlan,
  { seed, subject, at }: { seed: string; subject: Subject; at: Date },
): object {
  const draw = drawFrom(seed, agentId, family);
  // The schema limits the promise to 200 characters, and a client's name may be any text.
  const shortSubject = { ...subject, client: subject.client.slice(0, MAX_NAME_CHARACTERS) };
  const writer = WRITERS[agentId];
  return family === "shared"
    ? fillSharedSheet(writer.shared(draw, shortSubject), { agentId, confidence, at, draw })
    : fillExecutionSheet(writer.execution(draw, shortSubject, at), { confidence, draw });
}

/** A refused credential has words of its own; any other HTTP status changes nothing. */
export function draftFailure(draw: Draw, errorCode?: number): { error: string } {
  if (errorCode === 401 || errorCode === 403) return { error: `A tool answered ${errorCode}: credential refused.` };
  return {
    error: draw.pick([
      "The language model stopped answering after three attempts.",
      "A required tool returned HTTP 404: osa_retrieve_workflow_context.",
      "The step's output did not match its schema: hero.metrics must have exactly 3 items.",
      "The knowledge source could not be read: access to the content index was denied.",
      "The step used up its token budget before it reached a result.",
    ]),
  };
}

/** An object of neither family, as a step writes that lost its instructions. */
export function draftInvalidResult(draw: Draw): object {
  return draw.pick([
    { answer: "Here is the strategy you asked for.", sections: ["Situation", "Proposal"], tokens_used: 1873 },
    { hero: "Grow faster", overview: null, insights: "three" },
    { summary: { text: "Done." }, recommendations: "See the attachment." },
    {
      output: [
        [0, "Situation"],
        [1, "Proposal"],
      ],
      format: "v0",
    },
  ]);
}

const PLATFORMS_OF_SCOPE: Readonly<Record<string, readonly string[]>> = {
  all_platforms: ["ODP", "Content Recs", "CMS PaaS v12", "CMP", "WebX"],
  priority_platforms: ["ODP", "Content Recs", "CMS PaaS v12", "CMP"],
  content_platforms: ["Content Recs", "CMS PaaS v12", "CMP"],
  odp_only: ["ODP"],
};

/** At least one of the platforms that the scope lets the agents read. */
export function dataSources(syncScope: string, draw: Draw): string[] {
  const platforms = PLATFORMS_OF_SCOPE[syncScope] ?? PLATFORMS_OF_SCOPE.all_platforms ?? [];
  return draw.some(platforms, 1, platforms.length);
}
