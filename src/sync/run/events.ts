// What can have happened to a run. The log of these events is the truth; everything else is folded from it.
// Holds zod schemas: the browser and the reducers import types from here, never values.
import { z } from "zod";
import { AGENT_IDS } from "../../opal/agents.ts";

const ms = z.number().int().nonnegative();
const agentId = z.enum(AGENT_IDS);

const plannedAgent = z.object({
  id: agentId,
  phase: z.union([z.literal(1), z.literal(2), z.literal(3)]),
  limitMs: ms,
  usualMs: ms,
  confidenceThreshold: z.number(),
});

/** The workflow as data: which agents are expected, and whether one waits for the one before it. */
const workflow = z.object({ order: z.enum(["sequence", "parallel"]), agents: z.array(plannedAgent).min(1) });

const limits = z.object({
  /** From acceptance to the end, whatever happens. */
  runMs: ms,
  /** Without any delivery. */
  inactivityMs: ms,
  /** For the others, once OPAL says that the workflow is over. */
  closingMs: ms,
  /** One call to OPAL. */
  callMs: ms,
});

const client = z.object({ name: z.string(), industry: z.string().optional() });

const facts = {
  workspace: z.string(),
  sessionId: z.string(),
  correlationId: z.string(),
  workflowId: z.string(),
  /** The sync scope as the caller gave it. */
  scope: z.string(),
  client,
  /** Who asked: a person, a key, or OPAL itself for a foreign run. */
  actor: z.string(),
  workflow,
  limits,
};

/** Where a delivery's normalised result is kept beside the log, and what the fold needs of it. Never its text. */
const resultReference = z.object({
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

const failureClass = z.enum([
  "network_error",
  "timeout_error",
  "http_5xx",
  "http_408",
  "http_429",
  "http_auth",
  "http_4xx",
  "not_configured",
  "redirected",
  "interrupted",
  "aborted",
]);

const verdict = z.enum(["processed", "late", "ignored", "quarantined"]);

const body = z.discriminatedUnion("type", [
  z.object({ type: z.literal("requested"), ...facts }),
  z.object({ type: z.literal("adopted"), ...facts, remoteId: z.string() }),
  z.object({ type: z.literal("attempt_started"), attempt: z.number().int().positive() }),
  z.object({
    type: z.literal("attempt_failed"),
    attempt: z.number().int().positive(),
    failure: failureClass,
    httpStatus: z.number().int().nullable(),
    /** When the next attempt is due; null when there will be none. */
    retryAt: ms.nullable(),
  }),
  z.object({
    type: z.literal("attempt_accepted"),
    attempt: z.number().int().positive(),
    httpStatus: z.number().int(),
  }),
  /** A delivery of this run proves that OPAL runs it, whatever became of our call. */
  z.object({ type: z.literal("accepted_by_delivery"), deliveryId: z.string() }),
  z.object({
    type: z.literal("remote_bound"),
    remoteId: z.string(),
    boundBy: z.enum(["answer", "correlation", "only_active_run"]),
  }),
  /** OPAL started a second workflow for one request of ours. */
  z.object({ type: z.literal("double_started"), remoteId: z.string() }),
  z.object({
    type: z.literal("delivery_recorded"),
    deliveryId: z.string(),
    remoteId: z.string().nullable(),
    /** The agent it is about, if it is about one. */
    agentId: agentId.optional(),
    source: z.string(),
    eventType: z.string(),
    bytes: z.number().int(),
    sha256: z.string(),
    verdict,
    /** Why it was not simply processed. */
    reason: z.string().nullable(),
    receivedAt: ms,
    /** Which active secret verified it. */
    secret: z.string(),
  }),
  z.object({ type: z.literal("agent_started"), agentId, deliveryId: z.string() }),
  z.object({ type: z.literal("agent_completed"), agentId, deliveryId: z.string(), result: resultReference }),
  z.object({
    type: z.literal("agent_failed"),
    agentId,
    deliveryId: z.string(),
    reason: z.enum(["reported_failure", "reported_timeout"]),
    result: resultReference,
  }),
  z.object({ type: z.literal("agent_timed_out"), agentId, limitMs: ms }),
  z.object({ type: z.literal("agent_gave_no_result"), agentId }),
  /** A result of an agent this run never asked for: kept, marked, without effect on the outcome. */
  z.object({ type: z.literal("unrequested_result"), agentId, deliveryId: z.string(), result: resultReference }),
  /** A result that came after the run had ended: attached, marked, without effect on the outcome. */
  z.object({ type: z.literal("result_attached"), agentId, deliveryId: z.string(), result: resultReference }),
  z.object({ type: z.literal("workflow_over"), outcome: z.enum(["completed", "failed", "timed_out"]) }),
  z.object({ type: z.literal("cancel_requested"), actor: z.string() }),
  z.object({
    type: z.literal("ended"),
    status: z.enum(["completed", "partially_completed", "failed", "cancelled", "timed_out"]),
    reason: z.enum([
      "all_agents_completed",
      "some_agents_completed",
      "no_agent_completed",
      "opal_refused",
      "opal_unreachable",
      "inactivity",
      "run_deadline",
      "cancelled_by_operator",
    ]),
  }),
]);

export const runEvent = z.intersection(
  z.object({ seq: z.number().int().positive(), at: ms, version: z.number().int().positive() }),
  body,
);

export type RunEvent = z.infer<typeof runEvent>;
/** An event before it has its place in the log. */
export type EventBody = z.infer<typeof body>;
export const runRequest = z.object(facts);
export type RunRequest = z.infer<typeof runRequest>;
export type Workflow = z.infer<typeof workflow>;
export type PlannedAgent = z.infer<typeof plannedAgent>;
export type Limits = z.infer<typeof limits>;
export type ResultReference = z.infer<typeof resultReference>;
export type FailureClass = z.infer<typeof failureClass>;
export type Verdict = z.infer<typeof verdict>;
export type EndStatus = Extract<EventBody, { type: "ended" }>["status"];
export type EndReason = Extract<EventBody, { type: "ended" }>["reason"];
