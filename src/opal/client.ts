// The one call we make to OPAL: start the strategy workflow.
import { z } from "zod";
import { parseRetryAfter } from "../platform/backoff.ts";
import type { Command } from "../sync/run/commands.ts";
import type { FailureClass } from "../sync/run/events.ts";
import type { Client } from "../sync/run/request.ts";
import { signBody } from "../webhooks/signature.ts";
import type { AgentId } from "./agents.ts";

/** The only workflow that may be started. */
export const WORKFLOW_NAME = "strategy_workflow";

/** The API's scopes in OPAL's words; a value not listed goes as it is. */
const SCOPE_AT_OPAL: Readonly<Record<string, string>> = { quick: "priority_platforms", full: "all_platforms" };

/** What an agent that took too long is asked for the second time. */
const REDUCED_SCOPE = "priority_platforms";

/** More of an answer than this is not read. */
const ANSWER_LIMIT_BYTES = 64 * 1024;

export interface WorkflowCall {
  readonly url: string;
  readonly bearerKey: string;
  readonly signingSecret: string;
  readonly sessionId: string;
  readonly correlationId: string;
  /** Every attempt of one start, and every attempt of one re-run, carries the same one. */
  readonly idempotencyKey: string;
  readonly scope: string;
  readonly client: Client;
  readonly source: string;
  readonly priority: string;
  readonly requestedAt: number;
  readonly attempt: number;
  /** Run these agents only. Whether OPAL honours it is not known. */
  readonly agentFilter: readonly AgentId[] | null;
  /** The run or attempt that this repeats. */
  readonly retryOf: string | null;
  /** Ask for less, so that it may be ready in time. */
  readonly isReduced: boolean;
  readonly timeoutOverrideMs: number | null;
}

export type CallOutcome =
  | Extract<Command, { type: "call_answered" }>
  | Omit<Extract<Command, { type: "call_failed" }>, "jitter" | "credential">;

/**
 * Never rejects: whatever happens is an outcome. Every attempt of one start carries the same Idempotency-Key, so that a
 * call whose answer was lost cannot start a second workflow at an OPAL that honours it.
 */
export async function startWorkflow(
  call: WorkflowCall,
  now: number,
  timeoutMs: number,
  cancelled: AbortSignal,
): Promise<CallOutcome> {
  const body = new TextEncoder().encode(JSON.stringify(workflowRequest(call, now)));
  // Not AbortSignal.timeout: its timer would outlive the call and keep the object from hibernating.
  const timeout = new AbortController();
  const timer = setTimeout(() => timeout.abort(), timeoutMs);
  try {
    const answer = await fetch(call.url, {
      method: "POST",
      redirect: "manual",
      signal: AbortSignal.any([cancelled, timeout.signal]),
      headers: {
        "Content-Type": "application/json",
        "User-Agent": "OSA-Edge/1.0",
        Authorization: `Bearer ${call.bearerKey}`,
        "X-OSA-Signature": await signBody(body, call.signingSecret, now),
        "Idempotency-Key": call.idempotencyKey,
        "X-Correlation-ID": call.correlationId,
        "X-Session-ID": call.sessionId,
        "X-Workflow-Name": WORKFLOW_NAME,
        "X-Source-System": "OSA-Edge",
      },
      body,
    });
    if (answer.ok) {
      return { type: "call_answered", httpStatus: answer.status, remoteId: await readRemoteId(answer) };
    }
    // What else the answer says is of no use, and a connection that breaks now changes nothing.
    answer.body?.cancel().catch(() => undefined);
    return {
      type: "call_failed",
      failure: failureOf(answer.status),
      httpStatus: answer.status,
      retryAfterMs: parseRetryAfter(answer.headers.get("Retry-After"), now) ?? 0,
    };
  } catch {
    const failure = cancelled.aborted ? "aborted" : timeout.signal.aborted ? "timeout_error" : "network_error";
    return { type: "call_failed", failure, httpStatus: null, retryAfterMs: 0 };
  } finally {
    clearTimeout(timer);
  }
}

/** The body OPAL's webhook trigger takes. The caller's address and browser are not sent. */
function workflowRequest(call: WorkflowCall, now: number) {
  return {
    workflow_name: WORKFLOW_NAME,
    agent_name: WORKFLOW_NAME,
    client_name: call.client.name,
    timestamp: Math.floor(now / 1000),
    correlation_id: call.correlationId,
    input_data: {
      ...clientData(call.client),
      triggered_by: call.source,
      sync_scope: call.isReduced ? REDUCED_SCOPE : (SCOPE_AT_OPAL[call.scope] ?? call.scope),
      force_sync: true,
      ...(call.agentFilter ? { agent_filter: call.agentFilter } : {}),
      ...(call.retryOf ? { retry_of: call.retryOf } : {}),
      ...(call.isReduced ? { reduced_scope: true } : {}),
      ...(call.timeoutOverrideMs === null ? {} : { timeout_override_ms: call.timeoutOverrideMs }),
    },
    metadata: {
      correlation_id: call.correlationId,
      session_id: call.sessionId,
      source_system: "OSA-Edge",
      trigger_timestamp: new Date(call.requestedAt).toISOString(),
      attempt: call.attempt,
      priority: call.priority,
    },
  };
}

function clientData(client: Client) {
  const { name, industry, companySize, timelinePreference, budgetRange } = client;
  const given = {
    client_name: name,
    industry,
    company_size: companySize,
    current_capabilities: client.currentCapabilities,
    business_objectives: client.businessObjectives,
    additional_marketing_technology: client.additionalMarketingTechnology,
    timeline_preference: timelinePreference,
    budget_range: budgetRange,
    recipients: client.recipients,
    constraints: client.constraints,
    focus_areas: client.focusAreas,
  };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}

function failureOf(status: number): FailureClass {
  if (status === 401 || status === 403) return "http_auth";
  if (status === 408) return "http_408";
  if (status === 429) return "http_429";
  if (status >= 500) return "http_5xx";
  return status >= 300 && status < 400 ? "redirected" : "http_4xx";
}

const answerId = z.union([z.string().min(1).max(128), z.number().int().transform(String)]);
const answerBody = z.object({
  workflow_id: answerId.optional().catch(undefined),
  id: answerId.optional().catch(undefined),
});

/** OPAL may answer with an empty body, with text, or with JSON without any id: a 2xx is a success all the same. */
async function readRemoteId(answer: Response): Promise<string | null> {
  try {
    const text = await readLimited(answer);
    const parsed = answerBody.safeParse(JSON.parse(text));
    return (parsed.success && (parsed.data.workflow_id ?? parsed.data.id)) || null;
  } catch {
    return null;
  }
}

async function readLimited(answer: Response): Promise<string> {
  let text = "";
  const decoder = new TextDecoder();
  for await (const chunk of answer.body ?? []) {
    text += decoder.decode(chunk, { stream: true });
    if (text.length > ANSWER_LIMIT_BYTES) break;
  }
  return text + decoder.decode();
}
