// Writing many rows to D1: few enough parameters in each statement, few enough bytes in each batch.
import type { SQL } from "drizzle-orm";
import type { BatchItem } from "drizzle-orm/batch";
import type { DrizzleD1Database } from "drizzle-orm/d1";
import { SQLiteSyncDialect } from "drizzle-orm/sqlite-core";

export type Statement = BatchItem<"sqlite">;

/** D1 allows 100 bound parameters a statement. */
const MAX_PARAMETERS = 100;
/** Large rows are sent in batches of about this size. */
const BATCH_BYTES = 4 * 1024 * 1024;

/** The rows in groups that one INSERT each can carry. */
export function inChunks<Row extends object>(rows: readonly Row[]): Row[][] {
  const perStatement = Math.floor(MAX_PARAMETERS / Math.max(1, Object.keys(rows[0] ?? {}).length));
  const chunks: Row[][] = [];
  for (let first = 0; first < rows.length; first += perStatement) chunks.push(rows.slice(first, first + perStatement));
  return chunks;
}

/** One transaction. Rejects when D1 does not take it. */
export async function batch(db: DrizzleD1Database, statements: readonly Statement[]): Promise<void> {
  const [first, ...rest] = statements;
  if (first) await db.batch([first, ...rest]);
}

/**
 * Statements in SQL of our own, in one transaction: drizzle's batch takes none that have parameters. Answers the rows of
 * each.
 */
export async function batchSql(client: D1Database, statements: readonly SQL[]): Promise<unknown[][]> {
  const dialect = new SQLiteSyncDialect();
  const bound = statements.map((statement) => {
    const { sql, params } = dialect.sqlToQuery(statement);
    return client.prepare(sql).bind(...params);
  });
  return bound.length === 0 ? [] : (await client.batch(bound)).map(({ results }) => results);
}

/** Sends large ones by themselves; answers the small ones left over, for the caller to send with others of its own. */
export async function batchBySize(
  db: DrizzleD1Database,
  sized: Iterable<{ readonly statement: Statement; readonly bytes: number }>,
): Promise<readonly Statement[]> {
  let statements: Statement[] = [];
  let gathered = 0;
  for (const { statement, bytes } of sized) {
    statements.push(statement);
    gathered += bytes;
    if (gathered < BATCH_BYTES) continue;
    await batch(db, statements);
    statements = [];
    gathered = 0;
  }
  return statements;
}
