// The facts a run is born with: everything later rules need to know of the world outside, so that none of them has to
// ask. Holds zod schemas: the browser and the reducers import types from here, never values.
import { z } from "zod";
import { AGENT_IDS } from "../../opal/agents.ts";

export const ms = z.number().int().nonnegative();
export const agentId = z.enum(AGENT_IDS);

const plannedAgent = z.object({
  id: agentId,
  phase: z.union([z.literal(1), z.literal(2), z.literal(3)]),
  limitMs: ms,
  usualMs: ms,
  confidenceThreshold: z.number(),
});

/** The workflow as data: which agents are expected, and whether one waits for the one before it. */
const workflow = z.object({ order: z.enum(["sequence", "parallel"]), agents: z.array(plannedAgent).min(1) });

/** The half hour that OPAL may ask us to wait for, and time for the call that follows, in ms. */
export const START_LIMIT_MS = 35 * 60_000;

const limits = z.object({
  /** From the request until OPAL has accepted it, whatever the attempts wait for. */
  startMs: ms.default(START_LIMIT_MS),
  /** From acceptance to the end, whatever happens. */
  runMs: ms,
  /** Without any delivery. */
  inactivityMs: ms,
  /** For the others, once OPAL says that the workflow is over. */
  closingMs: ms,
  /** One call to OPAL. */
  callMs: ms,
});

const words = z.array(z.string()).readonly().optional();

/** Whom the strategy is for, as OPAL's workflow asks for it. */
const client = z.object({
  name: z.string(),
  industry: z.string().optional(),
  companySize: z.string().optional(),
  currentCapabilities: words,
  businessObjectives: words,
  additionalMarketingTechnology: words,
  timelinePreference: z.string().optional(),
  budgetRange: z.string().optional(),
  recipients: words,
  constraints: words,
  focusAreas: words,
});

/** Where a delivery's normalised result is kept beside the log, and what the fold needs of it. Never its text. */
export const resultReference = z.object({
  bodyId: z.string(),
  bytes: z.number().int(),
  sha256: z.string(),
  family: z.enum(["shared", "execution_results", "unrecognised", "none"]),
  confidence: z.number().min(0).max(1).nullable(),
  insights: z.number().int(),
  recommendations: z.number().int(),
  /** The sender's own time, when it gave one: decides which of two results of one agent is the newer. */
  reportedAt: ms.nullable(),
});

/** A result that another run has: its reference is good in that run's session. */
const resultElsewhere = z.object({
  sessionId: z.string(),
  result: resultReference,
  /** When that agent ended. */
  at: ms,
});

/** Which attempt at the same thing this run is. The first one has none. */
const lineage = z.object({
  rootId: z.string(),
  /** 2 is the first repetition. */
  attempt: z.number().int().min(2),
  retryOf: z.string(),
  how: z.enum(["retry", "resume"]),
  failedOnly: z.boolean(),
});

/** What earlier runs of the workspace say about an agent, as known when this run was granted. */
const agentPast = z.object({
  agentId,
  lastValid: resultElsewhere.nullable(),
  /** Runs before this one in which the agent went over its limit, without one in between in which it did not. */
  timeoutsInARow: z.number().int().nonnegative(),
});

export const facts = {
  workspace: z.string(),
  sessionId: z.string(),
  correlationId: z.string(),
  workflowId: z.string(),
  /** The sync scope as the caller gave it. */
  scope: z.string(),
  client,
  /** Who asked: a person, a key, or OPAL itself for a foreign run. */
  actor: z.string(),
  source: z.enum(["force_sync", "scheduled", "api", "webhook"]).default("force_sync"),
  priority: z.enum(["low", "normal", "high"]).default("normal"),
  /** Set when not all agents were asked for. */
  agentFilter: z.array(agentId).nullable().default(null),
  /** Set when the caller chose the agents' limit. */
  timeoutOverrideMs: ms.nullable().default(null),
  lineage: lineage.nullable().default(null),
  /** Good results of the attempt before, which this run does not ask for again. */
  carriedOver: z.array(resultElsewhere.extend({ agentId })).default([]),
  agentPasts: z.array(agentPast).default([]),
  workflow,
  limits,
};

export const runRequest = z.object(facts);
export type RunRequest = z.infer<typeof runRequest>;
export type Client = RunRequest["client"];
export type Workflow = z.infer<typeof workflow>;
export type PlannedAgent = z.infer<typeof plannedAgent>;
export type Limits = z.infer<typeof limits>;
export type Lineage = z.infer<typeof lineage>;
export type AgentPast = z.infer<typeof agentPast>;
export type CarriedResult = RunRequest["carriedOver"][number];
export type ResultReference = z.infer<typeof resultReference>;
