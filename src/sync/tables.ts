// The D1 read model across runs. Names and words of the columns are the API's; the session objects hold the truth.
import { type SQL, sql } from "drizzle-orm";
import {
  customType,
  index,
  integer,
  primaryKey,
  real,
  type SQLiteColumn,
  sqliteTable,
  text,
  uniqueIndex,
} from "drizzle-orm/sqlite-core";
import type { Headers } from "./delivery.ts";
import { TROUBLE_TYPES } from "./run/trouble.ts";

const bytes = customType<{ data: ArrayBuffer; driverData: ArrayBuffer | number[] }>({
  dataType: () => "blob",
  // D1 answers blobs as plain arrays of numbers.
  fromDriver: (value) => (value instanceof ArrayBuffer ? value : new Uint8Array(value).buffer),
});

/** A list of words; null when there is none. */
const words = (name: string) => text(name, { mode: "json" }).$type<readonly string[]>();

export const workflowExecutions = sqliteTable(
  "opal_workflow_executions",
  {
    workspace: text().notNull(),
    sessionId: text("session_id").notNull(),
    workflowId: text("workflow_id").notNull(),
    correlationId: text("correlation_id").notNull(),
    remoteIds: text("remote_ids", { mode: "json" }).$type<readonly string[]>().notNull(),
    origin: text().notNull(),
    status: text().notNull(),
    reason: text(),
    syncScope: text("sync_scope").notNull(),
    clientName: text("client_name").notNull(),
    industry: text(),
    companySize: text("company_size"),
    currentCapabilities: words("current_capabilities"),
    businessObjectives: words("business_objectives"),
    additionalMarketingTechnology: words("additional_marketing_technology"),
    timelinePreference: text("timeline_preference"),
    budgetRange: text("budget_range"),
    recipients: words("recipients"),
    triggerSource: text("trigger_source").notNull().default("force_sync"),
    priority: text().notNull().default("normal"),
    /** The agents asked for, when not all of them were. */
    agentFilter: words("agent_filter"),
    timeoutOverrideMs: integer("timeout_override_ms"),
    /** Ours; false for a workflow that OPAL started without us. */
    isForceSync: integer("force_sync_requested", { mode: "boolean" }).notNull().default(false),
    /** 1 for a first run; its repetitions count on, and share its session id as their root. */
    attempt: integer().notNull().default(1),
    rootSessionId: text("root_session_id").notNull().default(""),
    retryOf: text("retry_of"),
    /** The run that repeats this one; the last, if there are several. */
    retriedAs: text("retried_as"),
    triggeredBy: text("triggered_by").notNull(),
    triggerTimestamp: integer("trigger_timestamp").notNull(),
    startedAt: integer("started_at"),
    completedAt: integer("completed_at"),
    failedAt: integer("failed_at"),
    /** When it ended, in whatever way. */
    endedAt: integer("last_sync_at"),
    errorMessage: text("error_message"),
    currentPhase: integer("current_step").notNull(),
    progressPercent: integer("progress_percentage").notNull(),
    expectedAgents: integer("expected_agents").notNull(),
    completedAgents: integer("completed_agents").notNull(),
    failedAgents: integer("failed_agents").notNull(),
    /** Agents for which an earlier run's result stands in. */
    fallbackAgents: integer("fallback_agents").notNull().default(0),
    triggerAttempts: integer("trigger_attempts").notNull(),
    /** How often people were called for. */
    escalations: integer().notNull().default(0),
    /** Name of the credential that was refused, never its value. */
    credentialRefused: text("credential_refused"),
    updatedAt: integer("updated_at").notNull(),
    seq: integer().notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.workspace, table.sessionId] }),
    // The list of recent runs, newest first.
    index("workflow_executions_by_time").on(table.workspace, table.triggerTimestamp),
  ],
);

export const agentExecutions = sqliteTable(
  "opal_agent_executions",
  {
    workspace: text().notNull(),
    sessionId: text("session_id").notNull(),
    agentId: text("agent_name").notNull(),
    /** What its phase of the workflow is for. */
    agentType: text("agent_type").notNull().default(""),
    executionOrder: integer("execution_order").notNull(),
    status: text().notNull(),
    startedAt: integer("started_at"),
    completedAt: integer("completed_at"),
    durationMs: integer("duration_ms"),
    confidence: real("confidence_score"),
    isLate: integer("is_late", { mode: "boolean" }).notNull(),
    isQuarantined: integer("is_quarantined", { mode: "boolean" }).notNull(),
    resultId: text("result_id"),
    errorMessage: text("error_message"),
    timeoutMs: integer("timeout_ms").notNull(),
    /** Re-runs within the run, whoever asked for them. */
    retryCount: integer("retry_count").notNull().default(0),
    maxRetries: integer("max_retries").notNull().default(2),
    /** An earlier run's result that stands in for the missing one: how, whose, its lowered confidence, its age. */
    fallbackMethod: text("fallback_method"),
    fallbackSessionId: text("fallback_session_id"),
    fallbackConfidence: real("fallback_confidence"),
    fallbackAt: integer("fallback_at"),
    /** The last event that changed this agent. */
    seq: integer().notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.workspace, table.sessionId, table.agentId] }),
    // The last failures of one agent.
    index("agent_executions_by_outcome").on(table.workspace, table.agentId, table.status, table.completedAt),
  ],
);

export const webhookEvents = sqliteTable(
  "webhook_events",
  {
    /** In the order of storing; the search index names rows by it. Not part of what the log says. */
    id: integer().primaryKey({ autoIncrement: true }),
    workspace: text().notNull(),
    deliveryId: text("delivery_id").notNull(),
    /** The object that holds it: a session, or an inbox for what belongs to no run. */
    sessionId: text("session_id").notNull(),
    remoteId: text("workflow_id"),
    source: text().notNull(),
    eventType: text("event_type").notNull(),
    dedupHash: text("dedup_hash").notNull(),
    sha256: text().notNull(),
    bytes: integer().notNull(),
    /** How it was read last; reading it again with newer code changes these six columns and no other. */
    verdict: text().notNull(),
    reason: text(),
    /** The agent it was about; null for the workflow's own and for what nobody understood. */
    agentId: text("agent_id"),
    /** The event that decided the verdict: that of its arrival, or of its last reading. */
    verdictSeq: integer("verdict_seq").notNull().default(0),
    /** What it says, in our words. */
    summary: text().notNull().default(""),
    /** The sender's words for what went wrong, shortened. */
    error: text(),
    /** The answer it got when it came. */
    httpStatus: integer("http_status").notNull(),
    /** From its arrival until it was durable. */
    processingTimeMs: integer("processing_time_ms").notNull(),
    secret: text().notNull(),
    /** Names and values, secrets masked; null for what came before headers were kept. */
    headers: text({ mode: "json" }).$type<Headers>(),
    receivedAt: integer("received_at").notNull(),
    seq: integer().notNull(),
  },
  (table) => [
    uniqueIndex("webhook_events_by_delivery").on(table.workspace, table.deliveryId),
    index("webhook_events_by_session").on(table.workspace, table.sessionId, table.seq),
    // One for each way to look for events, newest first. What is the same for nearly all of them is left out.
    index("webhook_events_by_time").on(table.workspace, table.receivedAt, table.id),
    index("webhook_events_by_type").on(table.workspace, table.eventType, table.receivedAt, table.id),
    index("webhook_events_by_agent")
      .on(table.workspace, table.agentId, table.receivedAt, table.id)
      .where(sql`${table.agentId} IS NOT NULL`),
    index("webhook_events_by_workflow")
      .on(table.workspace, table.remoteId, table.receivedAt, table.id)
      .where(sql`${table.remoteId} IS NOT NULL`),
    index("webhook_events_by_verdict")
      .on(table.workspace, table.verdict, table.receivedAt, table.id)
      .where(sql`${table.verdict} <> 'processed'`),
    index("webhook_events_by_source")
      .on(table.workspace, table.source, table.receivedAt, table.id)
      .where(sql`${table.source} <> 'opal'`),
  ],
);

/** A query finds the index below only when it asks in these same words. */
export function isOfTrouble(type: SQLiteColumn): SQL {
  return sql`${type} IN (${sql.raw(TROUBLE_TYPES.map((name) => `'${name}'`).join(", "))})`;
}

export const runEvents = sqliteTable(
  "run_events",
  {
    workspace: text().notNull(),
    sessionId: text("session_id").notNull(),
    seq: integer().notNull(),
    at: integer().notNull(),
    type: text().notNull(),
    data: text({ mode: "json" }).notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.workspace, table.sessionId, table.seq] }),
    // What went wrong with agents, across runs.
    index("run_events_of_trouble").on(table.workspace, table.at).where(isOfTrouble(table.type)),
  ],
);

export const bodies = sqliteTable(
  "bodies",
  {
    workspace: text().notNull(),
    sessionId: text("session_id").notNull(),
    bodyId: text("body_id").notNull(),
    part: integer().notNull(),
    bytes: bytes().notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.workspace, table.bodyId, table.part] }),
    index("bodies_by_session").on(table.workspace, table.sessionId, table.bodyId, table.part),
  ],
);

/** Every workspace that ever ran, so that the cron minute finds them all. */
export const workspaces = sqliteTable("workspaces", { workspace: text().primaryKey() });

/** How far each source has been written; counters may only be added in the batch that advances it. */
export const projectionCursor = sqliteTable("projection_cursor", {
  source: text().primaryKey(),
  seq: integer().notNull(),
});
