// The payload families OPAL and its callers send, each read by one function into the same plain statement.
// Reading is soft: a field of the wrong type counts as absent, and nothing is refused for its shape.
import { z } from "zod";
import { canonicalAgentId } from "../opal/agents.ts";
import { parseTime } from "./identity.ts";

/** What one webhook says, before it is turned into reports. */
export interface Statement {
  readonly eventType: string;
  readonly eventId: string | undefined;
  readonly remoteId: string | undefined;
  readonly executionId: string | undefined;
  /** As the sender spelled it. */
  readonly agent: string | undefined;
  /** The sender's own word. */
  readonly status: string | undefined;
  readonly about: "agent" | "workflow" | "unknown";
  readonly output: unknown;
  readonly error: string | undefined;
  /** The sender's code for a failure, as a word: an HTTP status or a name. */
  readonly errorCode: string | undefined;
  readonly confidence: number | undefined;
  readonly timestampMs: number | undefined;
  readonly offset: number | undefined;
  /** Ids of ours that the sender may have sent back. */
  readonly ourIds: readonly string[];
}

const ID_CHARACTERS = 128;
const UNREADABLE = "unreadable";
const WORKFLOW_NAMES = new Set(["strategy_workflow", "strategy_assistant", "strategy_assistant_workflow", "get_opal"]);

const id = z
  .union([z.string().min(1).max(ID_CHARACTERS), z.number().int().transform(String)])
  .optional()
  .catch(undefined);
const word = z.string().min(1).max(64).optional().catch(undefined);
const message = z.string().max(10_000).optional().catch(undefined);
const number = z.number().optional().catch(undefined);
const time = z.union([z.string(), z.number()]).optional().catch(undefined);
/** A name that cannot be read still names an agent: one that nobody knows. */
const agentName = z.string().min(1).max(64).nullish().catch(UNREADABLE);
const flag = z.union([z.boolean(), z.null()]).optional().catch(null);
/** A number or a word; anything else is no code. */
const code = z
  .union([z.string().min(1).max(64), z.number().int().transform(String)])
  .optional()
  .catch(undefined);
const object = z.record(z.string(), z.unknown()).optional().catch(undefined);

const envelope = z.looseObject({
  id,
  event_id: id,
  event_type: word,
  event: word,
  type: word,
  status: word,
  execution_status: word,
  workflow_id: id,
  execution_id: id,
  agent_id: agentName,
  agent_name: word,
  correlation_id: id,
  session_id: id,
  timestamp: time,
  offset: number,
  agent_success: flag,
  agent_error: message,
  error: message,
  error_message: message,
  error_code: code,
  metadata: z
    .looseObject({
      error_code: code,
      timestamp: time,
      confidence_score: number,
      correlation_id: id,
      session_id: id,
      error_message: message,
    })
    .optional()
    .catch(undefined),
  data: object,
});
type Envelope = z.infer<typeof envelope>;

/** Undefined when the document is not an object at all. */
export function readStatement(document: unknown): Statement | undefined {
  const parsed = envelope.safeParse(document);
  if (!parsed.success) return undefined;
  const given = parsed.data;
  if (given.execution_status !== undefined) return executionStatus(given, given.execution_status);
  const eventType = given.event_type ?? given.event ?? given.type;
  if (eventType !== undefined) return namedEvent(given, eventType);
  return given.status === undefined ? base(given, "unknown") : bareEvent(given, given.status);
}

/** `execution_status` with `agent_data`: one statement about one agent, or about the workflow when none is named. */
function executionStatus(given: Envelope, status: string): Statement {
  const isAgent = agentOf(given) !== undefined;
  return {
    ...base(given, `execution.${status}`),
    status,
    about: isAgent ? "agent" : "workflow",
    output: outputOf(given),
  };
}

/** `event_type`: agent_status_update and its siblings, or the dotted envelope (`agent.completed`). */
function namedEvent(given: Envelope, eventType: string): Statement {
  const data = given.data ?? {};
  const common = base(given, eventType);
  switch (eventType) {
    case "agent_status_update": {
      const status = detail.parse(data.agent_status ?? {});
      return {
        ...common,
        about: "agent",
        status: status.current_status,
        output: resultsOf(given),
        error: status.error_details ?? common.error,
      };
    }
    case "workflow_completion":
      return { ...common, about: "workflow", status: detail.parse(data.workflow_completion ?? {}).status ?? "unnamed" };
    case "workflow_progress":
    case "error_notification":
    case "workflow.triggered":
      return { ...common, about: "workflow", status: "running" };
    case "workflow.completed":
      return { ...common, about: "workflow", status: "completed" };
    case "workflow.failed":
      return { ...common, about: "workflow", status: "failed" };
    case "agent.completed": {
      // Null stands for a flag that cannot be read: then nobody knows, and nothing is taken for success.
      const status = given.agent_success === null ? "unnamed" : given.agent_success === false ? "failed" : "completed";
      return { ...common, about: "agent", status, output: outputOf(given) };
    }
    default:
      return bareEvent(given, eventType);
  }
}

/** The bare run events: started, agent_completed, completed, failed. */
function bareEvent(given: Envelope, eventType: string): Statement {
  const common = base(given, eventType);
  const isAgentEvent = /^agent_(started|completed|failed)$/.exec(eventType);
  if (isAgentEvent) return { ...common, about: "agent", status: isAgentEvent[1], output: outputOf(given) };
  if (!["started", "completed", "failed"].includes(eventType)) return common;
  const isAgent = common.agent !== undefined;
  return { ...common, about: isAgent ? "agent" : "workflow", status: eventType, output: outputOf(given) };
}

const detail = z
  .looseObject({ current_status: word, status: word, error_details: message })
  .catch({ current_status: undefined, status: undefined, error_details: undefined });

function base(given: Envelope, eventType: string): Statement {
  const { metadata } = given;
  return {
    eventType,
    eventId: given.event_id ?? given.id,
    remoteId: given.workflow_id,
    executionId: given.execution_id,
    agent: agentOf(given),
    status: undefined,
    about: "unknown",
    output: undefined,
    error: given.agent_error ?? given.error_message ?? metadata?.error_message ?? given.error,
    errorCode: given.error_code ?? metadata?.error_code,
    confidence: metadata?.confidence_score,
    timestampMs: parseTime(given.timestamp ?? metadata?.timestamp),
    offset: given.offset,
    ourIds: [
      given.correlation_id,
      given.session_id,
      metadata?.correlation_id,
      metadata?.session_id,
      given.workflow_id,
    ].filter((candidate) => candidate !== undefined),
  };
}

/** An agent as the sender named it; the name of the workflow itself is no agent. */
function agentOf(given: Envelope): string | undefined {
  const spelling =
    given.agent_id === UNREADABLE ? (given.agent_name ?? UNREADABLE) : (given.agent_id ?? given.agent_name);
  if (spelling === undefined || WORKFLOW_NAMES.has(spelling.toLowerCase())) return undefined;
  return canonicalAgentId(spelling) ?? spelling;
}

function outputOf(given: Envelope): unknown {
  return resultsOf(given) ?? given.data;
}

function resultsOf(given: Envelope): unknown {
  return (
    given.agent_data ??
    given.agent_output ??
    given.execution_results ??
    given.results ??
    given.result ??
    given.data?.results
  );
}
