// What the workspace's SQLite keeps of control: emergency switch, breaker, queue, log, what agents did in earlier runs.
import { z } from "zod";
import { AGENT_IDS, type AgentId } from "../opal/agents.ts";
import { type Breaker, breakerState, type CallVerdict, CLOSED } from "../platform/breaker.ts";
import { readAll, readFirst } from "../platform/sql.ts";
import type { AgentReport } from "../sync/report.ts";
import { type AgentPast, resultReference } from "../sync/run/request.ts";
import { type LogEntry, type LogType, logData, logType } from "./log.ts";
import type { PlannedSync } from "./order.ts";
import type { QueuedSync, SwitchedOff } from "./overview.ts";

export const CONTROL_TABLES = [
  `CREATE TABLE switch (id INTEGER PRIMARY KEY CHECK (id = 1), switched_by TEXT NOT NULL, at INTEGER NOT NULL, reason TEXT NOT NULL)`,
  `CREATE TABLE breaker (id INTEGER PRIMARY KEY CHECK (id = 1), state TEXT NOT NULL)`,
  `CREATE TABLE breaker_calls (session_id TEXT NOT NULL, attempt INTEGER NOT NULL, verdict TEXT NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (session_id, attempt))`,
  `CREATE INDEX breaker_calls_by_time ON breaker_calls (at)`,
  `CREATE TABLE queue (
     id INTEGER PRIMARY KEY CHECK (id = 1), session_id TEXT NOT NULL, actor TEXT NOT NULL, scope TEXT NOT NULL,
     queued_at INTEGER NOT NULL, expires_at INTEGER NOT NULL, planned TEXT NOT NULL
   )`,
  `CREATE TABLE repeats (retry_of TEXT PRIMARY KEY, session_id TEXT NOT NULL)`,
  `CREATE TABLE log (seq INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, type TEXT NOT NULL, actor TEXT NOT NULL, data TEXT NOT NULL)`,
  `CREATE TABLE agent_pasts (
     agent_id TEXT PRIMARY KEY, session_id TEXT, result TEXT, result_at INTEGER, timeouts_in_a_row INTEGER NOT NULL
   )`,
  `CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL)`,
] as const;

/** Entries of the log that are kept. */
const LOG_ENTRIES = 2_000;
const REFUSALS_KEPT = 200;
/** Calls that are remembered; far more than can be reported a second time. */
const CALLS_KEPT = 500;

export interface BreakerCall {
  readonly sessionId: string;
  readonly attempt: number;
  readonly verdict: CallVerdict;
  readonly at: number;
}

const switchRow = z
  .object({ switched_by: z.string(), at: z.number(), reason: z.string() })
  .transform((row): SwitchedOff => ({ by: row.switched_by, at: row.at, reason: row.reason }));

const breakerRow = z.object({ state: z.string() }).transform((found) => breakerState.parse(JSON.parse(found.state)));
const attemptRow = z.object({ attempt: z.number() });
const sessionRow = z.object({ session_id: z.string() });
const counterRow = z.object({ name: z.string(), value: z.number() });

const queueRow = z
  .object({
    session_id: z.string(),
    actor: z.string(),
    scope: z.string(),
    queued_at: z.number(),
    expires_at: z.number(),
    planned: z.string(),
  })
  .transform((row) => ({
    queued: {
      sessionId: row.session_id,
      actor: row.actor,
      scope: row.scope,
      queuedAt: row.queued_at,
      expiresAt: row.expires_at,
    } satisfies QueuedSync,
    planned: parseOwn<PlannedSync>(row.planned),
  }));

const logRow = z
  .object({ seq: z.number(), at: z.number(), type: logType, actor: z.string(), data: z.string() })
  .transform(({ data, ...row }): LogEntry => ({ ...row, data: logData.parse(JSON.parse(data)) }));

const callRow = z
  .object({
    session_id: z.string(),
    attempt: z.number(),
    verdict: z.enum(["success", "failure", "neutral"]),
    at: z.number(),
  })
  .transform(
    (row): BreakerCall => ({ sessionId: row.session_id, attempt: row.attempt, verdict: row.verdict, at: row.at }),
  );

const pastRow = z
  .object({
    agent_id: z.enum(AGENT_IDS),
    session_id: z.string().nullable(),
    result: z.string().nullable(),
    result_at: z.number().nullable(),
    timeouts_in_a_row: z.number(),
  })
  .transform((row): AgentPast => {
    const { session_id: sessionId, result, result_at: at } = row;
    const hasResult = sessionId !== null && result !== null && at !== null;
    return {
      agentId: row.agent_id,
      lastValid: hasResult ? { sessionId, result: resultReference.parse(JSON.parse(result)), at } : null,
      timeoutsInARow: row.timeouts_in_a_row,
    };
  });

/** Needs `CONTROL_TABLES`. Several calls that belong together are the caller's transaction. */
export class ControlJournal {
  readonly #sql: SqlStorage;
  #logged = 0;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  /** Grows with every entry that this instance writes to the log; those of a transaction that failed count too. */
  get logged(): number {
    return this.#logged;
  }

  switchedOff(): SwitchedOff | undefined {
    return readFirst(this.#sql, switchRow, "SELECT switched_by, at, reason FROM switch");
  }

  switchOff({ by, at, reason }: SwitchedOff): void {
    const query = `INSERT INTO switch (id, switched_by, at, reason) VALUES (1, ?1, ?2, ?3)
                   ON CONFLICT (id) DO UPDATE SET switched_by = ?1, at = ?2, reason = ?3`;
    this.#sql.exec(query, by, at, reason);
  }

  switchOn(): void {
    this.#sql.exec("DELETE FROM switch");
  }

  breaker(): Breaker {
    return readFirst(this.#sql, breakerRow, "SELECT state FROM breaker") ?? CLOSED;
  }

  setBreaker(breaker: Breaker): void {
    const query = "INSERT INTO breaker (id, state) VALUES (1, ?1) ON CONFLICT (id) DO UPDATE SET state = ?1";
    this.#sql.exec(query, JSON.stringify(breaker));
  }

  /** Attempts of a session of which it is known how they came out. */
  knownCalls(sessionId: string): number[] {
    const query = "SELECT attempt FROM breaker_calls WHERE session_id = ?";
    return readAll(this.#sql, attemptRow, query, sessionId).map(({ attempt }) => attempt);
  }

  /** Keeps how a call came out that is not known yet. */
  keepCall({ sessionId, attempt, verdict, at }: BreakerCall): void {
    const insert = "INSERT INTO breaker_calls (session_id, attempt, verdict, at) VALUES (?, ?, ?, ?)";
    this.#sql.exec(insert, sessionId, attempt, verdict, at);
    this.#sql.exec(
      "DELETE FROM breaker_calls WHERE at < (SELECT at FROM breaker_calls ORDER BY at DESC LIMIT 1 OFFSET ?)",
      CALLS_KEPT,
    );
  }

  /** Newest first. */
  lastCalls(limit: number): BreakerCall[] {
    const query = "SELECT session_id, attempt, verdict, at FROM breaker_calls ORDER BY at DESC, attempt DESC LIMIT ?";
    return readAll(this.#sql, callRow, query, limit);
  }

  queue(): { readonly queued: QueuedSync; readonly planned: PlannedSync } | undefined {
    const query = "SELECT session_id, actor, scope, queued_at, expires_at, planned FROM queue";
    return readFirst(this.#sql, queueRow, query);
  }

  enqueue({ sessionId, actor, scope, queuedAt, expiresAt }: QueuedSync, planned: PlannedSync): void {
    this.#sql.exec(
      "INSERT INTO queue (id, session_id, actor, scope, queued_at, expires_at, planned) VALUES (1, ?, ?, ?, ?, ?, ?)",
      sessionId,
      actor,
      scope,
      queuedAt,
      expiresAt,
      JSON.stringify(planned),
    );
  }

  /** The attempt that was granted or waits for its turn. */
  repeatedBy(retryOf: string): string | undefined {
    return readFirst(this.#sql, sessionRow, "SELECT session_id FROM repeats WHERE retry_of = ?", retryOf)?.session_id;
  }

  keepRepeat(retryOf: string, sessionId: string): void {
    this.#sql.exec("INSERT INTO repeats (retry_of, session_id) VALUES (?, ?)", retryOf, sessionId);
  }

  forgetRepeat(sessionId: string): void {
    this.#sql.exec("DELETE FROM repeats WHERE session_id = ?", sessionId);
  }

  clearQueue(): void {
    this.#sql.exec("DELETE FROM queue");
  }

  /** Who did what to the workspace; the oldest entries go. */
  log(type: LogType, actor: string, at: number, data: LogEntry["data"]): void {
    this.#logged += 1;
    this.#sql.exec(
      "INSERT INTO log (at, type, actor, data) VALUES (?, ?, ?, ?)",
      at,
      type,
      actor,
      JSON.stringify(data),
    );
    this.#sql.exec("DELETE FROM log WHERE seq <= (SELECT MAX(seq) FROM log) - ?", LOG_ENTRIES);
    // A caller that is refused again and again must not push everything else out.
    if (type !== "sync_refused") return;
    const older = "SELECT seq FROM log WHERE type = 'sync_refused' ORDER BY seq DESC LIMIT 1 OFFSET ?";
    this.#sql.exec(`DELETE FROM log WHERE type = 'sync_refused' AND seq <= (${older})`, REFUSALS_KEPT);
  }

  /** Newest first, before entry `before`. */
  logEntries(before: number, limit: number): LogEntry[] {
    const query = "SELECT seq, at, type, actor, data FROM log WHERE seq < ? ORDER BY seq DESC LIMIT ?";
    return readAll(this.#sql, logRow, query, before, limit);
  }

  /** Oldest first, after entry `seq`. */
  logEntriesAfter(seq: number, limit: number): LogEntry[] {
    const query = "SELECT seq, at, type, actor, data FROM log WHERE seq > ? ORDER BY seq LIMIT ?";
    return readAll(this.#sql, logRow, query, seq, limit);
  }

  agentPasts(): AgentPast[] {
    const query = "SELECT agent_id, session_id, result, result_at, timeouts_in_a_row FROM agent_pasts";
    return readAll(this.#sql, pastRow, query);
  }

  /** The newest valid result of an agent stays. */
  keepResult(sessionId: string, { agentId, result, endedAt }: AgentReport): void {
    if (result === null) return;
    const query = `INSERT INTO agent_pasts (agent_id, session_id, result, result_at, timeouts_in_a_row) VALUES (?1, ?2, ?3, ?4, 0)
                   ON CONFLICT (agent_id) DO UPDATE SET session_id = ?2, result = ?3, result_at = ?4
                   WHERE result_at IS NULL OR result_at < ?4 OR (session_id = ?2 AND (result <> ?3 OR result_at <> ?4))`;
    this.#sql.exec(query, agentId, sessionId, JSON.stringify(result), endedAt);
  }

  /** Call once for each run that has ended. */
  countTimeout(agentId: AgentId, isTimedOut: boolean): void {
    const query = `INSERT INTO agent_pasts (agent_id, timeouts_in_a_row) VALUES (?1, ?2)
                   ON CONFLICT (agent_id) DO UPDATE SET timeouts_in_a_row = CASE WHEN ?2 = 1 THEN timeouts_in_a_row + 1 ELSE 0 END`;
    this.#sql.exec(query, agentId, Number(isTimedOut));
  }

  forgetResults(): void {
    this.#sql.exec("UPDATE agent_pasts SET session_id = NULL, result = NULL, result_at = NULL");
  }

  count(name: string, by = 1): void {
    const query =
      "INSERT INTO counters (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = value + ?2";
    this.#sql.exec(query, name, by);
  }

  counters(): Readonly<Record<string, number>> {
    const rows = readAll(this.#sql, counterRow, "SELECT name, value FROM counters ORDER BY name");
    return Object.fromEntries(rows.map(({ name, value }) => [name, value]));
  }
}

/** Text that this file wrote itself from a value of the same type, in the version the schema's floor admits. */
function parseOwn<Value>(text: string): Value {
  const value: Value = JSON.parse(text);
  return value;
}
