// Reading runs from D1, across sessions.
import { and, desc, eq, lt, or } from "drizzle-orm";
import type { DrizzleD1Database } from "drizzle-orm/d1";
import { workflowExecutions, workspaces } from "./tables.ts";

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
