// Reading runs from D1, across sessions.
import { and, desc, eq, lt } from "drizzle-orm";
import type { DrizzleD1Database } from "drizzle-orm/d1";
import { workflowExecutions, workspaces } from "./tables.ts";

export interface RunPage {
  readonly workspace: string;
  readonly limit: number;
  /** Only runs requested before this time, in ms since the epoch. */
  readonly before?: number | undefined;
}

/** Newest first. Rejects when D1 does not answer. */
export function listRuns(db: DrizzleD1Database, page: RunPage) {
  const { workspace, triggerTimestamp } = workflowExecutions;
  const isOlder = page.before === undefined ? undefined : lt(triggerTimestamp, page.before);
  return db
    .select()
    .from(workflowExecutions)
    .where(and(eq(workspace, page.workspace), isOlder))
    .orderBy(desc(triggerTimestamp))
    .limit(page.limit);
}

/** Every workspace that ever ran. Rejects when D1 does not answer. */
export async function listWorkspaces(db: DrizzleD1Database): Promise<string[]> {
  const rows = await db.select().from(workspaces);
  return rows.map((row) => row.workspace);
}
