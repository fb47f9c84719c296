// Bytes that came with a delivery, kept beside the log in parts. The only file that touches body bytes.
import { z } from "zod";
import { readAll } from "./sql.ts";

export const BODIES_TABLE =
  "CREATE TABLE bodies (body_id TEXT NOT NULL, part INTEGER NOT NULL, bytes BLOB NOT NULL, PRIMARY KEY (body_id, part))";

/** Rows stay well below the platform's 2 MB. */
const PART_BYTES = 1024 * 1024;

const partRow = z.object({ bytes: z.instanceof(ArrayBuffer) });

/** Call inside the transaction that records the delivery. An empty body is one empty part. */
export function storeBody(sql: SqlStorage, bodyId: string, bytes: Uint8Array): void {
  for (let part = 0; part * PART_BYTES < bytes.length || part === 0; part++) {
    const slice = bytes.slice(part * PART_BYTES, (part + 1) * PART_BYTES);
    sql.exec("INSERT INTO bodies (body_id, part, bytes) VALUES (?, ?, ?)", bodyId, part, slice.buffer);
  }
}

/** In order; empty when there is no body of this name. */
export function bodyParts(sql: SqlStorage, bodyId: string): ArrayBuffer[] {
  return readAll(sql, partRow, "SELECT bytes FROM bodies WHERE body_id = ? ORDER BY part", bodyId).map(
    (found) => found.bytes,
  );
}

export function deleteBody(sql: SqlStorage, bodyId: string): void {
  sql.exec("DELETE FROM bodies WHERE body_id = ?", bodyId);
}

export function joinParts(parts: readonly ArrayBuffer[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((total, part) => total + part.byteLength, 0));
  let offset = 0;
  for (const part of parts) {
    all.set(new Uint8Array(part), offset);
    offset += part.byteLength;
  }
  return all;
}
