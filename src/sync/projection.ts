// Outbox > D1. Every statement is guarded by sequence or by key, so a batch written twice or late changes nothing.
import { getTableColumns, type SQL, sql } from "drizzle-orm";
import type { BatchItem } from "drizzle-orm/batch";
import type { DrizzleD1Database } from "drizzle-orm/d1";
import type { SQLiteColumn, SQLiteTable } from "drizzle-orm/sqlite-core";
import { objectName } from "../platform/ids.ts";
import { answerCode } from "./delivery.ts";
import type { RunEvent } from "./run/events.ts";
import { isEnded, type KnownRun } from "./run/state.ts";
import { type AgentView, describeFailure, type RunView, viewRun } from "./run/view.ts";
import {
  agentExecutions,
  bodies,
  projectionCursor,
  runEvents,
  webhookEvents,
  workflowExecutions,
  workspaces,
} from "./tables.ts";

/** Bodies are sent to D1 in batches of about this size. */
const BATCH_BYTES = 4 * 1024 * 1024;
/** D1 allows 100 bound parameters a statement. */
const MAX_PARAMETERS = 100;

/** What the projection reads of the session's journal. */
export interface ProjectionSource {
  readonly bodyParts: (bodyId: string) => readonly ArrayBuffer[];
  readonly dedupKeyOf: (deliveryId: string) => string | undefined;
}

type Statement = BatchItem<"sqlite">;

/** Bytes of bodies written to D1 in one go; more wait for the next, so that a delivery ends in time. */
const BODY_BUDGET_BYTES = 16 * 1024 * 1024;

/** The first events, at least one, whose bodies fit into one go. */
export function withinBudget(events: readonly RunEvent[]): readonly RunEvent[] {
  let bytes = 0;
  const firstOver = events.findIndex((event) => {
    bytes += bytesOf(event);
    return bytes > BODY_BUDGET_BYTES;
  });
  return firstOver === -1 ? events : events.slice(0, Math.max(1, firstOver));
}

function bytesOf(event: RunEvent): number {
  if (event.type === "delivery_recorded") return event.bytes;
  return "result" in event ? event.result.bytes : 0;
}

/** Writes the events, what they brought with them and the run as it is now. Rejects when D1 does not take it. */
export async function project(
  db: DrizzleD1Database,
  run: KnownRun,
  events: readonly RunEvent[],
  source: ProjectionSource,
): Promise<void> {
  await writeBodies(db, run, events.flatMap(bodyIds), source);
  const view = viewRun(run);
  const statements: Statement[] = [
    upsertNewer(db, workflowExecutions, [executionRow(run, view)], ["workspace", "sessionId"]),
    ...upsertAgents(db, run, view, events),
    db.insert(workspaces).values({ workspace: run.request.workspace }).onConflictDoNothing(),
    ...insertEvents(db, run, events),
    ...insertDeliveries(db, run, events, source),
    advanceCursor(db, run, events.at(-1)?.seq ?? 0),
  ];
  await batch(db, statements);
}

function bodyIds(event: RunEvent): string[] {
  if (event.type === "delivery_recorded") return [event.deliveryId];
  return "result" in event && event.result.bytes > 0 ? [event.result.bodyId] : [];
}

/** Many small bodies travel together, large ones part by part: what counts is how often D1 is asked. */
async function writeBodies(db: DrizzleD1Database, run: KnownRun, bodyIds: readonly string[], source: ProjectionSource) {
  const { workspace, sessionId } = run.request;
  let statements: Statement[] = [];
  let gathered = 0;
  for (const bodyId of bodyIds) {
    for (const [part, bytes] of source.bodyParts(bodyId).entries()) {
      statements.push(db.insert(bodies).values({ workspace, sessionId, bodyId, part, bytes }).onConflictDoNothing());
      gathered += bytes.byteLength;
      if (gathered < BATCH_BYTES) continue;
      await batch(db, statements);
      statements = [];
      gathered = 0;
    }
  }
  await batch(db, statements);
}

function executionRow(run: KnownRun, view: RunView): typeof workflowExecutions.$inferInsert {
  const last = run.attempts.at(-1);
  const hasCompleted = view.status === "completed" || view.status === "partially_completed";
  return {
    workspace: run.request.workspace,
    sessionId: view.sessionId,
    workflowId: view.workflowId,
    correlationId: view.correlationId,
    remoteIds: view.remoteIds,
    origin: view.origin,
    status: view.status === "requested" ? "triggered" : view.status,
    reason: view.reason,
    syncScope: view.scope,
    clientName: view.clientName,
    industry: run.request.client.industry ?? null,
    triggeredBy: view.actor,
    triggerTimestamp: view.requestedAt,
    startedAt: view.acceptedAt,
    completedAt: hasCompleted ? view.endedAt : null,
    failedAt: isEnded(run) && !hasCompleted ? view.endedAt : null,
    errorMessage: last?.state === "failed" ? describeFailure(last.failure, last.httpStatus) : null,
    currentPhase: view.phase,
    progressPercent: view.progressPercent,
    expectedAgents: view.expectedAgents,
    completedAgents: view.completedAgents,
    failedAgents: view.agents.filter((agent) => agent.state === "failed" || agent.state === "timed_out").length,
    triggerAttempts: run.attempts.length,
    updatedAt: view.updatedAt,
    seq: run.seq,
  };
}

/** Only the agents that the events are about, unless they change what every agent shows. */
function upsertAgents(db: DrizzleD1Database, run: KnownRun, view: RunView, events: readonly RunEvent[]): Statement[] {
  const concernsAll = events.some((event) => ["requested", "adopted", "ended"].includes(event.type));
  const touched = new Set(events.flatMap((event) => ("agentId" in event ? [event.agentId] : [])));
  const rows = view.agents
    .map((agent, index) => ({ agent, row: agentRow(run, agent, index) }))
    .flatMap(({ agent, row }) => (concernsAll || touched.has(agent.id) ? [row] : []));
  return inChunks(rows).map((chunk) => upsertNewer(db, agentExecutions, chunk, ["workspace", "sessionId", "agentId"]));
}

function agentRow(run: KnownRun, agent: AgentView, order: number): typeof agentExecutions.$inferInsert {
  return {
    workspace: run.request.workspace,
    sessionId: run.request.sessionId,
    agentId: agent.id,
    executionOrder: order + 1,
    status: agent.state === "waiting" ? "pending" : agent.state,
    startedAt: agent.startedAt,
    completedAt: agent.endedAt,
    durationMs: agent.startedAt !== null && agent.endedAt !== null ? agent.endedAt - agent.startedAt : null,
    confidence: agent.confidence,
    isLate: agent.isLate,
    isQuarantined: agent.isQuarantined,
    resultId: agent.resultId,
    errorMessage: agent.reason,
    timeoutMs: agent.limitMs,
    seq: run.seq,
  };
}

function insertEvents(db: DrizzleD1Database, run: KnownRun, events: readonly RunEvent[]): Statement[] {
  const { workspace, sessionId } = run.request;
  const rows = events.map(({ seq, at, type, ...data }) => ({ workspace, sessionId, seq, at, type, data }));
  return inChunks(rows).map((chunk) => db.insert(runEvents).values(chunk).onConflictDoNothing());
}

function insertDeliveries(
  db: DrizzleD1Database,
  run: KnownRun,
  events: readonly RunEvent[],
  source: ProjectionSource,
): Statement[] {
  const { workspace, sessionId } = run.request;
  const rows = events.flatMap((event) => {
    if (event.type !== "delivery_recorded") return [];
    const { deliveryId, remoteId, eventType, sha256, bytes, verdict, reason, secret, receivedAt, seq } = event;
    const dedupHash = source.dedupKeyOf(deliveryId) ?? "";
    const row = { workspace, sessionId, deliveryId, remoteId, source: event.source, eventType, dedupHash };
    const answered = { httpStatus: answerCode(verdict, reason), processingTimeMs: Math.max(0, event.at - receivedAt) };
    const agentId = event.agentId ?? null;
    return [{ ...row, ...answered, agentId, sha256, bytes, verdict, reason, secret, receivedAt, seq }];
  });
  return inChunks(rows).map((chunk) => db.insert(webhookEvents).values(chunk).onConflictDoNothing());
}

function advanceCursor(db: DrizzleD1Database, run: KnownRun, seq: number): Statement {
  const source = objectName(run.request.workspace, run.request.sessionId);
  return upsertNewer(db, projectionCursor, [{ source, seq }], ["source"]);
}

/** Inserts rows, or replaces those of an older sequence number. */
function upsertNewer<Table extends SQLiteTable & { seq: SQLiteColumn }>(
  db: DrizzleD1Database,
  table: Table,
  rows: Table["$inferInsert"][],
  key: readonly (keyof Table["$inferInsert"] & string)[],
): Statement {
  const columns: Record<string, SQLiteColumn> = getTableColumns(table);
  const set: Record<string, SQL> = {};
  const target: SQLiteColumn[] = [];
  for (const [name, column] of Object.entries(columns)) {
    if (key.includes(name)) target.push(column);
    else set[name] = sql`excluded.${sql.identifier(column.name)}`;
  }
  const setWhere = sql`excluded.${sql.identifier(table.seq.name)} > ${table.seq}`;
  return db.insert(table).values(rows).onConflictDoUpdate({ target, set, setWhere });
}

function inChunks<Row extends object>(rows: readonly Row[]): Row[][] {
  const perStatement = Math.floor(MAX_PARAMETERS / Math.max(1, Object.keys(rows[0] ?? {}).length));
  const chunks: Row[][] = [];
  for (let first = 0; first < rows.length; first += perStatement) chunks.push(rows.slice(first, first + perStatement));
  return chunks;
}

async function batch(db: DrizzleD1Database, statements: readonly Statement[]): Promise<void> {
  const [first, ...rest] = statements;
  if (first) await db.batch([first, ...rest]);
}
