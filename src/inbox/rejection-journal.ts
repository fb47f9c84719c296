// Rejections in an object's SQLite: every one counted, the newest thousand kept.
import { z } from "zod";
import { readAll, readFirst } from "../platform/sql.ts";
import {
  REJECTED_BODY_BYTES,
  type Rejection,
  type RejectionBatch,
  type RejectionPage,
  type RejectionSample,
  type RejectionTotal,
  rejectedRequest,
} from "./rejection.ts";

export const REJECTION_TABLES = [
  "CREATE TABLE rejections (id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, request TEXT NOT NULL, body BLOB)",
  "CREATE TABLE rejection_totals (source TEXT NOT NULL, code TEXT NOT NULL, reason TEXT NOT NULL, n INTEGER NOT NULL, PRIMARY KEY (source, code, reason))",
] as const;

/** A flood pushes out older ones and takes no more room than this many. */
const RING = 1_000;

const sampleRow = z.object({ id: z.number(), request: z.string(), has_body: z.number() }).transform(
  (row): Rejection => ({
    id: row.id,
    hasBody: row.has_body === 1,
    ...rejectedRequest.parse(JSON.parse(row.request)),
  }),
);

export class RejectionJournal {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  /** Call inside a transaction. */
  take({ counts, samples }: RejectionBatch): void {
    for (const { source, code, reason, n } of counts) {
      this.#sql.exec(
        `INSERT INTO rejection_totals (source, code, reason, n) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT DO UPDATE SET n = n + ?4`,
        source,
        code,
        reason,
        n,
      );
    }
    for (const { request, body } of samples) {
      const kept = body !== null && body.length <= REJECTED_BODY_BYTES ? body.slice().buffer : null;
      const insert = "INSERT INTO rejections (at, request, body) VALUES (?, ?, ?)";
      this.#sql.exec(insert, request.at, JSON.stringify(request), kept);
    }
    this.#sql.exec("DELETE FROM rejections WHERE id <= (SELECT MAX(id) FROM rejections) - ?", RING);
  }

  /** Newest first. */
  page({ before, from, to, limit }: RejectionPage): Rejection[] {
    return readAll(
      this.#sql,
      sampleRow,
      `SELECT id, request, body IS NOT NULL AS has_body FROM rejections
       WHERE id < ? AND at >= ? AND at < ? ORDER BY id DESC LIMIT ?`,
      before ?? Number.MAX_SAFE_INTEGER,
      from ?? 0,
      to ?? Number.MAX_SAFE_INTEGER,
      limit,
    );
  }

  find(id: number): RejectionSample | undefined {
    const row = z.object({ request: z.string(), body: z.instanceof(ArrayBuffer).nullable() });
    const found = readFirst(this.#sql, row, "SELECT request, body FROM rejections WHERE id = ?", id);
    if (found === undefined) return undefined;
    return {
      request: rejectedRequest.parse(JSON.parse(found.request)),
      body: found.body === null ? null : new Uint8Array(found.body),
    };
  }

  totals(): RejectionTotal[] {
    const row = z
      .object({ source: z.string(), code: z.string(), reason: z.string(), n: z.number() })
      .transform(({ n, ...of }) => ({ ...of, atLeast: n }));
    return readAll(this.#sql, row, "SELECT source, code, reason, n FROM rejection_totals ORDER BY n DESC");
  }

  expire(before: number): void {
    this.#sql.exec("DELETE FROM rejections WHERE at < ?", before);
  }
}
