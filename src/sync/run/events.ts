// What can have happened to a run. The log of these events is the truth; everything else is folded from it.
// Holds zod schemas: the browser and the reducers import types from here, never values.
import { z } from "zod";
import { agentId, facts, ms, resultReference } from "./request.ts";
import { RULE_IDS } from "./rules.ts";

const attempt = z.number().int().positive();
/** Which re-run of agents it is about; null for the start of the workflow itself. */
const rerun = z.number().int().positive().nullable().default(null);

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

/** What a delivery was read to say, without any text of it: two readings can be compared. */
const reading = z.discriminatedUnion("about", [
  z.object({
    about: z.literal("agent"),
    agentId,
    outcome: z.enum(["started", "completed", "failed", "timed_out"]),
    isCredentialRefused: z.boolean(),
    result: resultReference.omit({ bodyId: true }),
  }),
  z.object({ about: z.literal("workflow"), outcome: z.enum(["under_way", "completed", "failed", "timed_out"]) }),
  z.object({ about: z.literal("nothing"), verdict: z.enum(["ignored", "quarantined"]), reason: z.string() }),
]);

const endStatus = z.enum(["completed", "partially_completed", "failed", "cancelled", "timed_out"]);

const agentResult = { agentId, deliveryId: z.string(), result: resultReference };
/** `rerun` is the re-run whose workflow delivered it; null for the workflow itself. */
const agentReport = { ...agentResult, rerun };

const body = z.discriminatedUnion("type", [
  z.object({ type: z.literal("requested"), ...facts }),
  z.object({ type: z.literal("adopted"), ...facts, remoteId: z.string() }),
  /** A call was due but may not be made yet. No attempt was made. */
  z.object({
    type: z.literal("attempt_postponed"),
    until: ms,
    because: z.enum(["breaker_open", "breaker_probing", "switched_off", "lease_lost", "workspace_unreachable"]),
  }),
  /** What stood in the way of the call is gone before its time. */
  z.object({ type: z.literal("wait_ended") }),
  z.object({ type: z.literal("attempt_started"), attempt, rerun }),
  z.object({
    type: z.literal("attempt_failed"),
    attempt,
    failure: failureClass,
    httpStatus: z.number().int().nullable(),
    /** When the next attempt is due; null when there will be none. */
    retryAt: ms.nullable(),
  }),
  z.object({ type: z.literal("attempt_accepted"), attempt, httpStatus: z.number().int() }),
  /** A delivery of this run proves that OPAL runs it, whatever became of our call. */
  z.object({ type: z.literal("accepted_by_delivery"), deliveryId: z.string(), rerun }),
  z.object({
    type: z.literal("remote_bound"),
    remoteId: z.string(),
    boundBy: z.enum(["answer", "correlation", "only_active_run"]),
    rerun,
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
    /** Null in logs from before readings were kept. */
    reading: z.array(reading).nullable().default(null),
  }),
  z.object({ type: z.literal("agent_started"), agentId, deliveryId: z.string() }),
  z.object({ type: z.literal("agent_completed"), ...agentReport }),
  z.object({
    type: z.literal("agent_failed"),
    ...agentReport,
    reason: z.enum(["reported_failure", "reported_timeout", "credential_refused"]),
  }),
  /** The agent says that it is done, but what it hands over has a shape nobody knows. */
  z.object({ type: z.literal("result_quarantined"), ...agentReport }),
  z.object({ type: z.literal("agent_timed_out"), agentId, limitMs: ms }),
  z.object({ type: z.literal("agent_gave_no_result"), agentId }),
  /** An earlier run's result stands in for a missing one, with its confidence lowered. The agent stays failed. */
  z.object({
    type: z.literal("fallback_used"),
    agentId,
    method: z.literal("cached_data"),
    fromSessionId: z.string(),
    result: resultReference,
    resultAt: ms,
  }),
  /** Agents are to be run once more, by one more call to OPAL. */
  z.object({
    type: z.literal("rerun_requested"),
    rerun: z.number().int().positive(),
    agents: z.array(agentId).min(1),
    because: z.enum(["agent_timed_out", "invalid_result", "asked_for"]),
    actor: z.string().nullable(),
    /** With less to look at, so that it may end in time. */
    isReduced: z.boolean(),
  }),
  /** OPAL says that the workflow of a re-run is over. */
  z.object({ type: z.literal("rerun_closing"), rerun: z.number().int().positive() }),
  z.object({
    type: z.literal("rerun_over"),
    rerun: z.number().int().positive(),
    /** Those that still waited for it. */
    agents: z.array(agentId).default([]),
  }),
  /** Somebody has to look at it. */
  z.object({
    type: z.literal("escalated"),
    because: z.enum(["agent_timeouts_in_a_row", "invalid_results", "credential_refused"]),
    agentId: agentId.nullable(),
    count: z.number().int(),
  }),
  z.object({
    type: z.literal("credential_refused"),
    /** Its name, never its value. */
    credential: z.string(),
    /** Tells whether the credential has been changed since; null for one we do not hold. */
    fingerprint: z.string().nullable(),
    httpStatus: z.number().int().nullable(),
    agentId: agentId.nullable(),
  }),
  /** A result of an agent this run never asked for: kept, marked, without effect on the outcome. */
  z.object({ type: z.literal("unrequested_result"), ...agentResult }),
  /** A result that came after the run had ended: attached, marked, without effect on the outcome. */
  z.object({ type: z.literal("result_attached"), ...agentResult }),
  z.object({ type: z.literal("workflow_over"), outcome: z.enum(["completed", "failed", "timed_out"]) }),
  z.object({ type: z.literal("cancel_requested"), actor: z.string() }),
  z.object({
    type: z.literal("ended"),
    status: endStatus,
    reason: z.enum([
      "all_agents_completed",
      "some_agents_completed",
      "no_agent_completed",
      "opal_refused",
      "opal_unreachable",
      "credential_refused",
      "start_deadline",
      "inactivity",
      "run_deadline",
      "cancelled_by_operator",
      "withdrawn_from_queue",
    ]),
  }),
  /** Another run repeats this one. */
  z.object({
    type: z.literal("retried"),
    bySessionId: z.string(),
    attempt,
    how: z.enum(["retry", "resume"]),
    actor: z.string(),
  }),
  /** A stored delivery was read again with newer code and says something else now. */
  z.object({
    type: z.literal("reprocessed"),
    deliveryId: z.string(),
    remoteId: z.string().nullable(),
    was: verdict,
    verdict,
    reason: z.string().nullable(),
    reading: z.array(reading),
    actor: z.string(),
  }),
  /** What a reprocessed delivery of an ended run says of an agent. The run's own end stays as it is. */
  z.object({
    type: z.literal("agent_corrected"),
    ...agentResult,
    outcome: z.enum(["completed", "quarantined", "failed", "timed_out"]),
  }),
]);

export const runEvent = z.intersection(
  z.object({
    seq: z.number().int().positive(),
    at: ms,
    version: z.number().int().positive(),
    /** The rule that decided it. */
    rule: z.enum(RULE_IDS).default("unrecorded"),
    /** The event that led to it; null when it came from outside. */
    causedBy: z.number().int().positive().nullable().default(null),
  }),
  body,
);

export type RunEvent = z.infer<typeof runEvent>;
/** An event before it has its place in the log. */
export type EventBody = z.infer<typeof body>;
export type FailureClass = z.infer<typeof failureClass>;
export type Verdict = z.infer<typeof verdict>;
export type Reading = z.infer<typeof reading>;
export type EventOf<Type extends EventBody["type"]> = Extract<EventBody, { type: Type }>;
export type EndStatus = EventOf<"ended">["status"];
export type EndReason = EventOf<"ended">["reason"];
export type PostponedBecause = EventOf<"attempt_postponed">["because"];
