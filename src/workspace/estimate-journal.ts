// What a workspace's SQLite keeps of past runs, and of the estimates made from them.
import { z } from "zod";
import { readAll } from "../platform/sql.ts";
import { type JudgedEstimate, type PastRun, pastRun } from "./estimate.ts";

export const ESTIMATE_TABLES = [
  `CREATE TABLE past_runs (session_id TEXT PRIMARY KEY, ended_at INTEGER NOT NULL, data TEXT NOT NULL)`,
  `CREATE TABLE estimates (
     session_id TEXT NOT NULL, ended_agents INTEGER NOT NULL, made_at INTEGER NOT NULL, p50_at INTEGER NOT NULL,
     p90_at INTEGER NOT NULL, ended_at INTEGER, PRIMARY KEY (session_id, ended_agents)
   )`,
] as const;

/** Runs that estimates are made from. */
const PAST_RUNS = 100;
/** Estimates of ended runs that the record is made of. */
const JUDGED_ESTIMATES = 500;

const pastRunRow = z
  .object({ data: z.string().transform((text): unknown => JSON.parse(text)) })
  .transform((row) => row.data)
  .pipe(pastRun);

const judgedRow = z
  .object({ made_at: z.number(), p50_at: z.number(), p90_at: z.number(), ended_at: z.number() })
  .transform(
    (row): JudgedEstimate => ({ madeAt: row.made_at, p50At: row.p50_at, p90At: row.p90_at, endedAt: row.ended_at }),
  );

/** Methods that write make one or two statements; call them inside the transaction that takes in the run's news. */
export class EstimateJournal {
  readonly #sql: SqlStorage;

  /** The tables of `ESTIMATE_TABLES` must exist. */
  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  /** Keeps a run once, and of all runs the newest. */
  keepPastRun(run: PastRun): void {
    this.#sql.exec(
      "INSERT INTO past_runs (session_id, ended_at, data) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
      run.sessionId,
      run.endedAt,
      JSON.stringify(run),
    );
    this.#sql.exec(
      `DELETE FROM past_runs WHERE session_id NOT IN
       (SELECT session_id FROM past_runs ORDER BY ended_at DESC, session_id DESC LIMIT ?)`,
      PAST_RUNS,
    );
  }

  /** Newest first. */
  pastRuns(): PastRun[] {
    return readAll(this.#sql, pastRunRow, "SELECT data FROM past_runs ORDER BY ended_at DESC, session_id DESC");
  }

  /** The first estimate made after so many agents had ended stays: later ones at the same point know more. */
  keepEstimate(sessionId: string, endedAgents: number, madeAt: number, p50At: number, p90At: number): void {
    this.#sql.exec(
      `INSERT INTO estimates (session_id, ended_agents, made_at, p50_at, p90_at) VALUES (?, ?, ?, ?, ?)
       ON CONFLICT DO NOTHING`,
      sessionId,
      endedAgents,
      madeAt,
      p50At,
      p90At,
    );
  }

  /** The run has given its result, so its estimates can be judged. The first end stays. */
  closeEstimates(sessionId: string, endedAt: number): void {
    this.#sql.exec("UPDATE estimates SET ended_at = ? WHERE session_id = ? AND ended_at IS NULL", endedAt, sessionId);
    this.#sql.exec(
      `DELETE FROM estimates WHERE ended_at IS NOT NULL AND rowid NOT IN
       (SELECT rowid FROM estimates WHERE ended_at IS NOT NULL ORDER BY ended_at DESC, made_at DESC LIMIT ?)`,
      JUDGED_ESTIMATES,
    );
  }

  /** The run ended without a result, which no estimate speaks of. */
  forgetEstimates(sessionId: string): void {
    this.#sql.exec("DELETE FROM estimates WHERE session_id = ?", sessionId);
  }

  /** Estimates of runs that have ended, those of the newest runs first. */
  judged(limit = JUDGED_ESTIMATES): JudgedEstimate[] {
    const query = `SELECT made_at, p50_at, p90_at, ended_at FROM estimates WHERE ended_at IS NOT NULL
                   ORDER BY ended_at DESC, made_at DESC LIMIT ?`;
    return readAll(this.#sql, judgedRow, query, limit);
  }
}
