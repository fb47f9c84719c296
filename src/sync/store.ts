// Reading runs from D1, across sessions.
import { and, count, desc, eq, gte, inArray, lt, notInArray, or, sql, sum } from "drizzle-orm";
import type { DrizzleD1Database } from "drizzle-orm/d1";
import type { AgentId } from "../opal/agents.ts";
import { agentExecutions, workflowExecutions, workspaces } from "./tables.ts";

export interface RunPage {
  readonly workspace: string;
  readonly limit: number;
  /** Only runs that come after this one in the list. */
  readonly before?: { readonly time: number; readonly sessionId: string } | undefined;
}

/** Newest first. Rejects when D1 does not answer. */
export function listRuns(db: DrizzleD1Database, page: RunPage) {
  const { workspace, triggerTimestamp, sessionId } = workflowExecutions;
  const { before } = page;
  const isOlder =
    before &&
    or(lt(triggerTimestamp, before.time), and(eq(triggerTimestamp, before.time), lt(sessionId, before.sessionId)));
  return db
    .select()
    .from(workflowExecutions)
    .where(and(eq(workspace, page.workspace), isOlder))
    .orderBy(desc(triggerTimestamp), desc(sessionId))
    .limit(page.limit);
}

/** Every workspace that ever ran. Rejects when D1 does not answer. */
export async function listWorkspaces(db: DrizzleD1Database): Promise<string[]> {
  const rows = await db.select().from(workspaces);
  return rows.map((row) => row.workspace);
}

const FAILURES_SHOWN = 10;

export interface AgentHistory {
  readonly workspace: string;
  readonly agentId: AgentId;
  /** Only runs requested at this time or later are counted, in ms since the epoch. */
  readonly since: number;
}

/**
 * How an agent has been doing, across runs. `byStatus` counts the runs since a time by what became of the agent in them.
 * `last` is the newest run in which it was at work, and `failures` the last ten in which it gave no result, newest
 * first; both of any age. Rejects when D1 does not answer.
 */
export async function agentHealth(db: DrizzleD1Database, { workspace, agentId, since }: AgentHistory) {
  const ofAgent = and(eq(agentExecutions.workspace, workspace), eq(agentExecutions.agentId, agentId));
  const ofSameRun = and(
    eq(agentExecutions.workspace, workflowExecutions.workspace),
    eq(agentExecutions.sessionId, workflowExecutions.sessionId),
  );
  const requestedAt = workflowExecutions.triggerTimestamp;
  const { sessionId, status, completedAt, errorMessage } = agentExecutions;
  const [counts, [last], failures] = await db.batch([
    db
      .select({ status, runs: count() })
      .from(workflowExecutions)
      .innerJoin(agentExecutions, ofSameRun)
      .where(and(eq(workflowExecutions.workspace, workspace), gte(requestedAt, since), ofAgent))
      .groupBy(status),
    db
      .select({ requestedAt, execution: agentExecutions })
      .from(workflowExecutions)
      .innerJoin(agentExecutions, ofSameRun)
      .where(and(eq(workflowExecutions.workspace, workspace), ofAgent, notInArray(status, ["pending", "skipped"])))
      .orderBy(desc(requestedAt))
      .limit(1),
    db
      .select({ sessionId, status, at: completedAt, reason: errorMessage })
      .from(agentExecutions)
      .where(and(ofAgent, inArray(status, ["failed", "timed_out"])))
      .orderBy(desc(completedAt))
      .limit(FAILURES_SHOWN),
  ]);
  return { byStatus: countsByStatus(counts), last: last ?? null, failures };
}

/**
 * Runs requested since a time (ms since the epoch), by status, and how long those of them that have ended took on
 * average from request to end, in ms; null when none has. Rejects when D1 does not answer.
 */
export async function recentRuns24h(db: DrizzleD1Database, workspace: string, since: number) {
  const { status, endedAt, triggerTimestamp } = workflowExecutions;
  const isOurs = eq(workflowExecutions.isForceSync, true);
  const counts = await db
    .select({ status, runs: count(), ended: count(endedAt), tookMs: sum(sql`${endedAt} - ${triggerTimestamp}`) })
    .from(workflowExecutions)
    .where(and(eq(workflowExecutions.workspace, workspace), isOurs, gte(triggerTimestamp, since)))
    .groupBy(status);
  const ended = counts.reduce((total, row) => total + row.ended, 0);
  const tookMs = counts.reduce((total, row) => total + Number(row.tookMs ?? 0), 0);
  return {
    byStatus: countsByStatus(counts),
    averageDurationMs: ended === 0 ? null : Math.round(tookMs / ended),
  };
}

function countsByStatus(
  counts: readonly { readonly status: string; readonly runs: number }[],
): Readonly<Record<string, number>> {
  return Object.fromEntries(counts.map(({ status, runs }) => [status, runs]));
}
