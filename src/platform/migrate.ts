// An object's schema as a numbered list. Runs in the constructor's gate, in one transaction.
import { z } from "zod";
import { readFirst } from "./sql.ts";

export interface Migration {
  readonly version: number;
  /** Code older than this version must not open the storage any more. */
  readonly floor: number;
  readonly statements: readonly string[];
}

export function migrate(storage: DurableObjectStorage, migrations: readonly Migration[]): void {
  storage.transactionSync(() => {
    const { sql } = storage;
    sql.exec("CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL, floor INTEGER NOT NULL)");
    const row = z.object({ version: z.number(), floor: z.number() });
    const stored = readFirst(sql, row, "SELECT version, floor FROM schema_version") ?? { version: 0, floor: 0 };
    const newest = migrations.at(-1)?.version ?? 0;
    if (stored.floor > newest) {
      throw new Error(`storage needs schema version ${stored.floor} or newer, this code knows ${newest}`);
    }
    let { version, floor } = stored;
    for (const migration of migrations) {
      if (migration.version <= version) continue;
      for (const statement of migration.statements) sql.exec(statement);
      version = migration.version;
      floor = Math.max(floor, migration.floor);
    }
    if (version === stored.version) return;
    sql.exec("DELETE FROM schema_version");
    sql.exec("INSERT INTO schema_version (version, floor) VALUES (?, ?)", version, floor);
  });
}

/** Whether this storage was ever migrated; asking changes nothing. */
export function isCreated(storage: DurableObjectStorage): boolean {
  const tables = storage.sql.exec("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'schema_version'");
  return tables.toArray().length > 0;
}
