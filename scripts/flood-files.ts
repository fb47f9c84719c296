// The SQLite files of a Worker, found and opened from outside: each object's and D1's.
import { globSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { z } from "zod";

/** Whose file it is, told by its tables. */
export type Kind = "session" | "inbox" | "workspace" | "d1";

export interface OpenFile {
  readonly kind: Kind;
  readonly path: string;
  readonly database: DatabaseSync;
}

const MARKS: readonly (readonly [table: string, kind: Kind])[] = [
  ["webhook_events", "d1"],
  ["receipts", "session"],
  ["deliveries", "inbox"],
  ["lease", "workspace"],
];

const table = z.object({ name: z.string() });

/** What `read` makes of each file. The Worker may run meanwhile. */
export function readFiles<Value>(directory: string, read: (file: OpenFile) => Value): Value[] {
  return globSync("**/*.sqlite", { cwd: directory }).flatMap((name) => {
    const path = join(directory, name);
    const database = new DatabaseSync(path, { readOnly: true });
    try {
      const kind = kindOf(database);
      return kind === undefined ? [] : [read({ kind, path, database })];
    } finally {
      database.close();
    }
  });
}

/** Undefined for what is none of ours, or has nothing in it yet. */
function kindOf(database: DatabaseSync): Kind | undefined {
  const tables = new Set(
    rows(database, table, "SELECT name FROM sqlite_master WHERE type = 'table'").map(({ name }) => name),
  );
  return MARKS.find(([mark]) => tables.has(mark))?.[1];
}

export function rows<Row extends z.ZodType>(database: DatabaseSync, row: Row, query: string): z.infer<Row>[] {
  return database
    .prepare(query)
    .all()
    .map((found) => row.parse(found));
}

const count = z.object({ n: z.number() });

export function countOf(database: DatabaseSync, query: string): number {
  return rows(database, count, query)[0]?.n ?? 0;
}
