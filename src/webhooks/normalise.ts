// A verified body becomes a delivery that a run understands. After this point nothing knows which family it came in.
import { type AgentId, canonicalAgentId } from "../opal/agents.ts";
import { normaliseConfidence, type RecognisedOutput, recogniseOutput, type StoredResult } from "../opal/results.ts";
import { sha256Hex } from "../platform/hash.ts";
import { type RunIds, runIdsFrom } from "../platform/ids.ts";
import type { Headers, IncomingDelivery } from "../sync/delivery.ts";
import type { Report } from "../sync/run/commands.ts";
import type { ResultReference } from "../sync/run/request.ts";
import { hashTuple, safeWord } from "./identity.ts";
import { readStatement, type Statement } from "./payload.ts";

/** Largest normalised result: as much as the delivery it came in may have, so that both fit into one call. */
const RESULT_LIMIT_BYTES = 10 * 1024 * 1024;

export interface Receipt {
  readonly deliveryId: string;
  readonly source: string;
  readonly receivedAt: number;
  /** Name of the secret that verified it. */
  readonly secret: string;
}

/** How it came, as far as its reading depends on that. */
export interface Arrival {
  readonly headers: Headers;
  /** The signed id of a Standard Webhooks message: the same when it is sent again. */
  readonly messageId: string | undefined;
}

export interface NormalisedDelivery {
  readonly incoming: IncomingDelivery;
  /** The run that the sender named by an id of ours; whether it exists, only its object knows. */
  readonly ourRun: RunIds | undefined;
}

export async function normalise(
  raw: Uint8Array,
  document: unknown,
  receipt: Receipt,
  { headers, messageId }: Arrival,
): Promise<NormalisedDelivery> {
  const statement = readStatement(document);
  const sha256 = await sha256Hex(raw);
  const ourRun = statement?.ourIds.map(runIdsFrom).find((ids) => ids !== undefined);
  const remoteId = statement?.remoteId !== undefined && !runIdsFrom(statement.remoteId) ? statement.remoteId : null;
  const { report, result } = await interpret(statement, receipt);
  return {
    ourRun,
    incoming: {
      delivery: {
        ...receipt,
        remoteId,
        correlated: ourRun !== undefined,
        eventType: safeWord(statement?.eventType),
        bytes: raw.length,
        sha256,
      },
      headers,
      dedupKey: await dedupKey(statement, sha256, messageId),
      repeats: 0,
      raw,
      reports: [report],
      results: result ? [result] : [],
    },
  };
}

type Interpretation = { readonly report: Report; readonly result?: IncomingDelivery["results"][number] };

async function interpret(statement: Statement | undefined, receipt: Receipt): Promise<Interpretation> {
  if (statement === undefined) return nothing("quarantined", "not_an_object");
  if (statement.about === "unknown") return nothing("ignored", "unknown_event_type");
  const outcome = outcomeOf(statement.status);
  if (outcome === undefined) return nothing("ignored", "unknown_status");
  if (statement.about === "workflow") {
    return { report: { about: "workflow", outcome: outcome === "started" ? "under_way" : outcome } };
  }
  const agentId = statement.agent === undefined ? undefined : canonicalAgentId(statement.agent);
  if (agentId === undefined) return nothing("quarantined", "unknown_agent");
  return agentReport(agentId, outcome, statement, receipt);
}

function nothing(verdict: "ignored" | "quarantined", reason: string): Interpretation {
  return { report: { about: "nothing", verdict, reason } };
}

async function agentReport(
  agentId: AgentId,
  outcome: Outcome,
  statement: Statement,
  receipt: Receipt,
): Promise<Interpretation> {
  const reportedAt = statement.timestampMs ?? null;
  if (outcome === "started") {
    const result = noResult(receipt.deliveryId, reportedAt);
    return { report: { about: "agent", agentId, outcome, isCredentialRefused: false, result } };
  }
  const recognised = outcome === "completed" ? recogniseOutput(statement.output, agentId) : FAILED_OUTPUT;
  const confidence = normaliseConfidence(statement.confidence) ?? recognised.confidence;
  const stored: StoredResult = {
    agent_id: agentId,
    outcome,
    family: recognised.family,
    confidence,
    output: statement.output ?? null,
    output_omitted: false,
    error: outcome === "completed" ? null : (statement.error ?? errorIn(statement.output)),
  };
  const bytes = encodeResult(stored);
  const bodyId = `${receipt.deliveryId}.result`;
  const { family, insights, recommendations } = recognised;
  const counts = { family, insights, recommendations };
  const result: ResultReference = {
    ...{ bodyId, bytes: bytes.length, sha256: await sha256Hex(bytes), confidence, reportedAt },
    ...counts,
  };
  const isCredentialRefused = outcome === "failed" && CREDENTIAL_CODES.has(statement.errorCode?.toLowerCase() ?? "");
  return { report: { about: "agent", agentId, outcome, isCredentialRefused, result }, result: { bodyId, bytes } };
}

/** Codes that say that a credential was refused. Only a code says so: an error's text is never searched for it. */
const CREDENTIAL_CODES: ReadonlySet<string> = new Set([
  "401",
  "403",
  "unauthorized",
  "forbidden",
  "authentication_failed",
  "agent_authentication_failure",
]);

/**
 * JSON written anew can be several times as long as it was (1e20 becomes 21 digits). A result that outgrows what a
 * delivery may have is stored without its output, which is then only in the delivery's own body.
 */
function encodeResult(stored: StoredResult): Uint8Array {
  const bytes = new TextEncoder().encode(JSON.stringify(stored));
  if (bytes.length <= RESULT_LIMIT_BYTES) return bytes;
  return new TextEncoder().encode(JSON.stringify({ ...stored, output: null, output_omitted: true }));
}

const FAILED_OUTPUT: RecognisedOutput = { family: "none", confidence: null, insights: 0, recommendations: 0 };

function noResult(deliveryId: string, reportedAt: number | null): ResultReference {
  const empty = { bytes: 0, sha256: "", family: "none", confidence: null, insights: 0, recommendations: 0 } as const;
  return { bodyId: deliveryId, reportedAt, ...empty };
}

function errorIn(output: unknown): string | null {
  if (typeof output !== "object" || output === null || !("error" in output)) return null;
  return typeof output.error === "string" ? output.error : null;
}

type Outcome = "started" | "completed" | "failed" | "timed_out";

const OUTCOMES: ReadonlyMap<string, Outcome> = new Map<string, Outcome>([
  ...(["started", "starting", "running", "in_progress", "pending", "partial"] as const).map(
    (word) => [word, "started"] as const,
  ),
  ...(["success", "completed"] as const).map((word) => [word, "completed"] as const),
  ...(["failure", "failed", "error"] as const).map((word) => [word, "failed"] as const),
  ...(["timeout", "timed_out"] as const).map((word) => [word, "timed_out"] as const),
]);

/** The union of the status words senders use. A word nobody knows means nothing, least of all success. */
function outcomeOf(status: string | undefined): Outcome | undefined {
  return status === undefined ? undefined : OUTCOMES.get(status.toLowerCase());
}

/**
 * What identifies a delivery: the sender's own event id, or else all that it says it is about. Without a timestamp nothing
 * in it tells two events apart; then its signed message id does, or else the body's hash.
 */
function dedupKey(statement: Statement | undefined, sha256: string, messageId: string | undefined): Promise<string> {
  if (statement?.eventId !== undefined) return hashTuple({ event_id: statement.eventId });
  const hasTime = statement?.timestampMs !== undefined;
  return hashTuple({
    workflow_id: statement?.remoteId ?? statement?.ourIds[0],
    agent_id: statement?.agent,
    timestamp: statement?.timestampMs?.toString(),
    event_type: statement?.eventType,
    status: statement?.status,
    execution_id: statement?.executionId,
    offset: statement?.offset?.toString(),
    webhook_id: hasTime ? undefined : messageId,
    sha256: hasTime || messageId !== undefined ? undefined : sha256,
  });
}
