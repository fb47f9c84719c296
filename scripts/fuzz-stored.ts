// What is stored when all is over: the bodies in every object's SQLite and in D1, read from the files after the Worker
// has stopped, and held against what the senders were told.
import { createHash } from "node:crypto";
import { globSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { z } from "zod";

/** SHA-256 of what was sent, by the id it was acknowledged with; null where the receiver writes the body itself. */
export type Acknowledged = ReadonlyMap<string, string | null>;

export interface Compared {
  readonly stored: number;
  readonly findings: readonly string[];
}

/** A large process that has been killed may hold its files a little longer. */
const LOCKED_MS = 30_000;
const DELIVERY = /^whd_[0-9a-z]{20}$/;
const part = z.object({ body_id: z.string(), bytes: z.instanceof(Uint8Array) });

export function compareStored(stateDirectory: string, acknowledged: Acknowledged): Compared {
  const findings: string[] = [];
  const found = new Set<string>();
  for (const file of globSync("**/*.sqlite", { cwd: stateDirectory })) {
    for (const [id, hash] of bodiesIn(join(stateDirectory, file))) {
      found.add(id);
      const sent = acknowledged.get(id);
      if (sent === undefined) findings.push(`${id} in ${file} is stored, but nobody was told so`);
      else if (sent !== null && sent !== hash) findings.push(`${id} in ${file} is not what was sent`);
    }
  }
  for (const id of acknowledged.keys()) if (!found.has(id)) findings.push(`${id} was acknowledged and is nowhere`);
  return { stored: found.size, findings };
}

/** Hash of each delivery's body. */
function bodiesIn(path: string): Map<string, string> {
  const database = new DatabaseSync(path, { readOnly: true, timeout: LOCKED_MS });
  try {
    const [table] = database.prepare("SELECT name FROM sqlite_master WHERE type = 'table' AND name = 'bodies'").all();
    if (table === undefined) return new Map();
    const parts = new Map<string, ReturnType<typeof createHash>>();
    for (const row of database.prepare("SELECT body_id, bytes FROM bodies ORDER BY body_id, part").iterate()) {
      const { body_id: id, bytes } = part.parse(row);
      if (!DELIVERY.test(id)) continue;
      const hash = parts.get(id) ?? createHash("sha256");
      parts.set(id, hash.update(bytes));
    }
    return new Map([...parts].map(([id, hash]) => [id, hash.digest("hex")]));
  } finally {
    database.close();
  }
}
