// The workspace object's SQLite: lease, idempotency keys, remote ids, runs, held deliveries, feed.
import { z } from "zod";
import { inboxId } from "../inbox/delivery.ts";
import { LIVE_TABLES } from "../live/journal.ts";
import type { AgentId } from "../opal/agents.ts";
import { BODIES_TABLE, bodyParts, deleteBody, joinParts, storeBody } from "../platform/bodies.ts";
import { type Migration, migrate } from "../platform/migrate.ts";
import { OUTBOX_TABLES, releaseClaims } from "../platform/outbox.ts";
import { PRESSURE_TABLES } from "../platform/pressure.ts";
import { readAll, readFirst } from "../platform/sql.ts";
import { SCHEDULE_TABLES } from "../schedules/journal.ts";
import { type IncomingDelivery, saysSomething } from "../sync/delivery.ts";
import type { RunReport, RunSummary } from "../sync/report.ts";
import type { HandedOver } from "./account.ts";
import { CONTROL_TABLES } from "./control-journal.ts";
import { ESTIMATE_TABLES } from "./estimate-journal.ts";
import type { GrantedSync } from "./granted.ts";
import type { Lease } from "./lease.ts";
import type { HeldDelivery, OverviewChange } from "./overview.ts";

const MIGRATIONS: readonly Migration[] = [
  {
    version: 1,
    floor: 1,
    statements: [
      `CREATE TABLE lease (id INTEGER PRIMARY KEY CHECK (id = 1), session_id TEXT NOT NULL, state TEXT NOT NULL, granted_at INTEGER NOT NULL, due_at INTEGER)`,
      `CREATE TABLE idempotency_keys (key TEXT PRIMARY KEY, request_hash TEXT NOT NULL, session_id TEXT NOT NULL, at INTEGER NOT NULL)`,
      `CREATE TABLE remote_ids (remote_id TEXT PRIMARY KEY, session_id TEXT NOT NULL, at INTEGER NOT NULL)`,
      `CREATE TABLE runs (
         session_id TEXT PRIMARY KEY, seq INTEGER NOT NULL, requested_at INTEGER NOT NULL, is_over INTEGER NOT NULL,
         is_settled INTEGER NOT NULL, due_at INTEGER, summary TEXT NOT NULL
       )`,
      `CREATE INDEX runs_by_time ON runs (requested_at)`,
      `CREATE TABLE held (
         delivery_id TEXT PRIMARY KEY, dedup_key TEXT NOT NULL, sha256 TEXT NOT NULL, remote_id TEXT, at INTEGER NOT NULL,
         correlated INTEGER NOT NULL, says_something INTEGER NOT NULL, bytes INTEGER NOT NULL, repeats INTEGER NOT NULL, delivery TEXT NOT NULL, UNIQUE (dedup_key, sha256)
       )`,
      `CREATE INDEX held_by_remote ON held (remote_id)`,
      `CREATE TABLE feed (seq INTEGER PRIMARY KEY AUTOINCREMENT, change TEXT NOT NULL)`,
      `CREATE TABLE clock (name TEXT PRIMARY KEY, at INTEGER NOT NULL)`,
      `CREATE TABLE identity (id INTEGER PRIMARY KEY CHECK (id = 1), workspace TEXT NOT NULL)`,
      BODIES_TABLE,
      ...OUTBOX_TABLES,
    ],
  },
  {
    version: 2,
    floor: 2,
    statements: [
      `ALTER TABLE idempotency_keys ADD COLUMN answer TEXT`,
      `ALTER TABLE runs ADD COLUMN facts TEXT`,
      `ALTER TABLE runs ADD COLUMN is_counted INTEGER NOT NULL DEFAULT 0`,
      ...CONTROL_TABLES,
      ...ESTIMATE_TABLES,
      ...SCHEDULE_TABLES,
    ],
  },
  { version: 3, floor: 2, statements: LIVE_TABLES },
  { version: 4, floor: 2, statements: PRESSURE_TABLES },
  // Few of many runs have not settled, and after every report they are asked for.
  { version: 5, floor: 2, statements: [`CREATE INDEX runs_unsettled ON runs (requested_at) WHERE is_settled = 0`] },
];

/** Changes the overview feed can replay, at least; those before them go a few at a time. */
const RING_CHANGES = 1_000;
const TRIM_EVERY = 50;
/** Runs shown in the overview. */
const RECENT_RUNS = 50;
/** How many earlier runs are looked at for an agent's time. */
const RUNS_COMPARED = 20;
const IDEMPOTENCY_MS = 24 * 60 * 60_000;

/** The inbox of what OPAL sends and no run claims, as a destination beside the sessions. */
export const TO_INBOX = inboxId("opal");

/** A held delivery without its bodies. Headers were not always kept. */
type HeldFacts = Omit<IncomingDelivery, "raw" | "results" | "headers"> &
  Partial<Pick<IncomingDelivery, "headers">> & { readonly bodyIds: readonly string[] };

/** What the workspace remembers of a run beside its summary. */
export type RunFactsKept = Pick<RunReport, "order" | "acceptedAt" | "agents">;

/** What a report brought that was not known. */
export interface StoredRun {
  readonly isOtherSummary: boolean;
  readonly isOtherFacts: boolean;
}

/** What the object waits for. Times in ms since the epoch, undefined for nothing. */
export interface Waits {
  readonly oldestHeld: number | undefined;
  readonly oldestUnplaceable: number | undefined;
  /** A run has not settled, or holds the lease. */
  readonly isWatching: boolean;
  readonly heldRetriedAt: number;
  readonly sweptAt: number;
  readonly queueExpiresAt: number | undefined;
}

const NO_WAITS: Waits = {
  ...{ oldestHeld: undefined, oldestUnplaceable: undefined, isWatching: false },
  ...{ heldRetriedAt: 0, sweptAt: 0, queueExpiresAt: undefined },
};

/** The first answer to a request that carried a key. */
export interface IdempotentAnswer {
  readonly requestHash: string;
  readonly sessionId: string;
  readonly answer: GrantedSync;
}

type ClockName = "created" | "sweep" | "held" | "fallback_cleared";

const leaseRow = z
  .object({
    session_id: z.string(),
    state: z.enum(["granted", "confirmed"]),
    granted_at: z.number(),
    due_at: z.number().nullable(),
  })
  .transform(
    (row): Lease => ({ sessionId: row.session_id, state: row.state, grantedAt: row.granted_at, dueAt: row.due_at }),
  );

const heldRow = z
  .object({
    delivery_id: z.string(),
    remote_id: z.string().nullable(),
    at: z.number(),
    bytes: z.number(),
    repeats: z.number(),
  })
  .transform(
    (row): HeldDelivery => ({
      deliveryId: row.delivery_id,
      remoteId: row.remote_id,
      heldSince: row.at,
      bytes: row.bytes,
      repeats: row.repeats,
    }),
  );

// Made once: building a schema takes longer than reading a row with it.
const sessionRow = z.object({ session_id: z.string() });
const deliveryIdRow = z.object({ delivery_id: z.string() });
const answerRow = z
  .object({ request_hash: z.string(), session_id: z.string(), answer: z.string() })
  .transform((found) => ({
    requestHash: found.request_hash,
    sessionId: found.session_id,
    answer: parseOwn<GrantedSync>(found.answer),
  }));
const factsRow = z.object({ facts: z.string().nullable() });
const knownFactsRow = z.object({ facts: z.string() });
const summaryRow = z.object({ summary: z.string() });
const storedRunRow = z.object({
  seq: z.number(),
  is_settled: z.number(),
  summary: z.string(),
  facts: z.string().nullable(),
});
const repeatsRow = z.object({ count: z.number(), repeats: z.number() });
const bytesRow = z.object({ count: z.number(), bytes: z.number() });
const handedOverRow = z
  .object({ delivery_id: z.string(), repeats: z.number(), owner: z.string() })
  .transform((found): HandedOver => ({ deliveryId: found.delivery_id, repeats: found.repeats, owner: found.owner }));
const workflowRow = z
  .object({ remote_id: z.string(), at: z.number(), correlated: z.number() })
  .transform((found) => ({ remoteId: found.remote_id, oldestAt: found.at, correlated: found.correlated === 1 }));
const heldFactsRow = z.object({ delivery: z.string(), repeats: z.number() });
const rangeRow = z.object({ oldest: z.number().nullable(), last: z.number().nullable() });
const changeRow = z.object({ seq: z.number(), change: z.string() });
const workspaceRow = z.object({ workspace: z.string() });
const timeRow = z.object({ at: z.number() });
const waitsRow = z
  .object({
    held: z.number().nullable(),
    unplaceable: z.number().nullable(),
    is_watching: z.number(),
    retried: z.number().nullable(),
    swept: z.number().nullable(),
    expires: z.number().nullable(),
  })
  .transform(
    (row): Waits => ({
      oldestHeld: row.held ?? undefined,
      oldestUnplaceable: row.unplaceable ?? undefined,
      isWatching: row.is_watching === 1,
      heldRetriedAt: row.retried ?? 0,
      sweptAt: row.swept ?? 0,
      queueExpiresAt: row.expires ?? undefined,
    }),
  );

/** Held deliveries that prove no workflow, or name none. */
const IS_UNPLACEABLE = "(remote_id IS NULL OR says_something = 0)";
const IS_STAYING = `NOT EXISTS (SELECT 1 FROM outbox WHERE destination = '${TO_INBOX}' AND message = delivery_id)`;

export class WorkspaceJournal {
  readonly #sql: SqlStorage;
  /** Changes since the feed's ring was cut; a new instance does not know. */
  #untrimmed = TRIM_EVERY;

  constructor(storage: DurableObjectStorage) {
    this.#sql = storage.sql;
    migrate(storage, MIGRATIONS);
    releaseClaims(storage.sql);
  }

  lease(): Lease | undefined {
    return readFirst(this.#sql, leaseRow, "SELECT session_id, state, granted_at, due_at FROM lease");
  }

  grantLease(sessionId: string, now: number): void {
    this.#sql.exec("INSERT INTO lease (id, session_id, state, granted_at) VALUES (1, ?, 'granted', ?)", sessionId, now);
  }

  confirmLease(sessionId: string, dueAt: number | null): void {
    const query = `UPDATE lease SET state = 'confirmed', due_at = ?1
                   WHERE session_id = ?2 AND (state <> 'confirmed' OR due_at IS NOT ?1)`;
    this.#sql.exec(query, dueAt, sessionId);
  }

  /** Releasing a lease that another session holds does nothing. */
  releaseLease(sessionId: string): void {
    this.#sql.exec("DELETE FROM lease WHERE session_id = ?", sessionId);
  }

  idempotentAnswer(key: string, now: number): IdempotentAnswer | undefined {
    this.#sql.exec("DELETE FROM idempotency_keys WHERE at < ?", now - IDEMPOTENCY_MS);
    const query = "SELECT request_hash, session_id, answer FROM idempotency_keys WHERE key = ? AND answer IS NOT NULL";
    return readFirst(this.#sql, answerRow, query, key);
  }

  keepIdempotencyKey(key: string, { requestHash, sessionId, answer }: IdempotentAnswer, now: number): void {
    this.#sql.exec(
      `INSERT INTO idempotency_keys (key, request_hash, session_id, at, answer) VALUES (?1, ?2, ?3, ?4, ?5)
       ON CONFLICT (key) DO UPDATE SET request_hash = ?2, session_id = ?3, at = ?4, answer = ?5`,
      key,
      requestHash,
      sessionId,
      now,
      JSON.stringify(answer),
    );
  }

  sessionOfRemote(remoteId: string): string | undefined {
    return readFirst(this.#sql, sessionRow, "SELECT session_id FROM remote_ids WHERE remote_id = ?", remoteId)
      ?.session_id;
  }

  /** The first binding stays; says whether this is it. */
  bindRemote(remoteId: string, sessionId: string, now: number): boolean {
    const written = this.#sql.exec(
      "INSERT INTO remote_ids (remote_id, session_id, at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
      remoteId,
      sessionId,
      now,
    );
    return written.rowsWritten > 0;
  }

  /** Stores a report unless it says nothing new; undefined then. Else says what of it is another than before. */
  storeRun(report: RunReport): StoredRun | undefined {
    const { sessionId, seq, isOver, isSettled, dueAt, order, acceptedAt, agents } = report;
    const summary = JSON.stringify(report.summary);
    const facts = JSON.stringify({ order, acceptedAt, agents } satisfies RunFactsKept);
    const query = "SELECT seq, is_settled, summary, facts FROM runs WHERE session_id = ?";
    const known = readFirst(this.#sql, storedRunRow, query, sessionId);
    const isOtherSummary = known?.summary !== summary;
    const isOld = known !== undefined && seq < known.seq;
    const isKnown = known?.seq === seq && known.is_settled === Number(isSettled) && !isOtherSummary;
    if (isOld || isKnown) return undefined;
    const isOtherFacts = known?.facts !== facts;
    if (known === undefined) {
      this.#sql.exec(
        `INSERT INTO runs (session_id, seq, requested_at, is_over, is_settled, due_at, summary, facts)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
        ...[sessionId, seq, report.summary.requestedAt, Number(isOver), Number(isSettled), dueAt, summary, facts],
      );
    } else {
      const update = "UPDATE runs SET seq = ?2, is_over = ?3, is_settled = ?4, due_at = ?5 WHERE session_id = ?1";
      this.#sql.exec(update, sessionId, seq, Number(isOver), Number(isSettled), dueAt);
      const rewrite = "UPDATE runs SET summary = ?2, facts = ?3 WHERE session_id = ?1";
      if (isOtherSummary || isOtherFacts) this.#sql.exec(rewrite, sessionId, summary, facts);
    }
    return { isOtherSummary, isOtherFacts };
  }

  /** Says, once for each run, that its end has not been counted yet. */
  countEnd(sessionId: string): boolean {
    const update = "UPDATE runs SET is_counted = 1 WHERE session_id = ? AND is_over = 1 AND is_counted = 0";
    return this.#sql.exec(update, sessionId).rowsWritten > 0;
  }

  factsOf(sessionId: string): RunFactsKept | undefined {
    const facts = readFirst(this.#sql, factsRow, "SELECT facts FROM runs WHERE session_id = ?", sessionId)?.facts;
    return facts ? parseOwn<RunFactsKept>(facts) : undefined;
  }

  /** How long an agent took in the last run before this one of which that is known, in ms. */
  earlierMs(agentId: AgentId, sessionId: string): number | undefined {
    const query = `SELECT facts FROM runs WHERE is_over = 1 AND facts IS NOT NULL AND session_id <> ?1
                   AND requested_at <= (SELECT requested_at FROM runs WHERE session_id = ?1)
                   ORDER BY requested_at DESC LIMIT ?2`;
    for (const { facts } of readAll(this.#sql, knownFactsRow, query, sessionId, RUNS_COMPARED)) {
      const past = parseOwn<RunFactsKept>(facts).agents.find((agent) => agent.agentId === agentId);
      if (past !== undefined && past.startedAt !== null) return past.endedAt - past.startedAt;
    }
    return undefined;
  }

  /** Every run this workspace knows of, in the order of their ids, after `after`. */
  sessionsAfter(after: string, limit: number): string[] {
    const query = "SELECT session_id FROM runs WHERE session_id > ? ORDER BY session_id LIMIT ?";
    return readAll(this.#sql, sessionRow, query, after, limit).map((row) => row.session_id);
  }

  recentRuns(): RunSummary[] {
    const query = "SELECT summary FROM runs ORDER BY requested_at DESC LIMIT ?";
    return readAll(this.#sql, summaryRow, query, RECENT_RUNS).map((found) => parseOwn<RunSummary>(found.summary));
  }

  summaryOf(sessionId: string): RunSummary | undefined {
    const found = readFirst(this.#sql, summaryRow, "SELECT summary FROM runs WHERE session_id = ?", sessionId);
    return found && parseOwn<RunSummary>(found.summary);
  }

  /** What decides when the object has to move by itself. */
  waits(): Waits {
    const query = `SELECT
        (SELECT MIN(at) FROM held WHERE remote_id IS NOT NULL AND says_something = 1) AS held,
        (SELECT MIN(at) FROM held WHERE ${IS_UNPLACEABLE} AND ${IS_STAYING}) AS unplaceable,
        EXISTS (SELECT 1 FROM lease) OR EXISTS (SELECT 1 FROM runs WHERE is_settled = 0) AS is_watching,
        (SELECT at FROM clock WHERE name = 'held') AS retried,
        (SELECT at FROM clock WHERE name = 'sweep') AS swept,
        (SELECT expires_at FROM queue) AS expires`;
    return readFirst(this.#sql, waitsRow, query) ?? NO_WAITS;
  }

  /** Sessions that should have moved or settled by `before`. */
  overdueSessions(before: number): string[] {
    const query = "SELECT session_id FROM runs WHERE is_settled = 0 AND (is_over = 1 OR due_at IS NULL OR due_at < ?)";
    return readAll(this.#sql, sessionRow, query, before).map((row) => row.session_id);
  }

  /** The first delivery held under this key with these bytes, with this repeat counted. */
  repeatHeld(incoming: IncomingDelivery): string | undefined {
    return readFirst(
      this.#sql,
      deliveryIdRow,
      "UPDATE held SET repeats = repeats + 1 WHERE dedup_key = ? AND sha256 = ? RETURNING delivery_id",
      incoming.dedupKey,
      incoming.delivery.sha256,
    )?.delivery_id;
  }

  hold(incoming: IncomingDelivery): void {
    const { deliveryId, sha256, remoteId, receivedAt, correlated } = incoming.delivery;
    const { raw, results, ...rest } = incoming;
    const bodyIds = results.map((result) => result.bodyId);
    const bytes = results.reduce((total, result) => total + result.bytes.length, raw.length);
    this.#sql.exec(
      `INSERT INTO held (delivery_id, dedup_key, sha256, remote_id, at, correlated, says_something, bytes, repeats, delivery)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0, ?)`,
      deliveryId,
      incoming.dedupKey,
      sha256,
      remoteId,
      receivedAt,
      Number(correlated),
      Number(saysSomething(incoming)),
      bytes,
      JSON.stringify({ ...rest, bodyIds }),
    );
    storeBody(this.#sql, deliveryId, raw);
    for (const result of results) storeBody(this.#sql, result.bodyId, result.bytes);
  }

  /** Deliveries held, and how often they came again meanwhile. */
  heldCounts(): { count: number; repeats: number } {
    const query = "SELECT count(*) AS count, coalesce(sum(repeats), 0) AS repeats FROM held";
    return readFirst(this.#sql, repeatsRow, query) ?? { count: 0, repeats: 0 };
  }

  /** Held deliveries that are being handed over, and to whom. */
  handedOver(): HandedOver[] {
    const query = `SELECT h.delivery_id, h.repeats, r.session_id AS owner FROM held h JOIN remote_ids r ON r.remote_id = h.remote_id
                   UNION SELECT h.delivery_id, h.repeats, o.destination FROM outbox o JOIN held h ON h.delivery_id = o.message
                   WHERE o.destination = ?`;
    return readAll(this.#sql, handedOverRow, query, TO_INBOX);
  }

  /** Sessions that have not settled, newest first. */
  unsettledSessions(limit: number): string[] {
    const query = "SELECT session_id FROM runs WHERE is_settled = 0 ORDER BY requested_at DESC LIMIT ?";
    return readAll(this.#sql, sessionRow, query, limit).map((row) => row.session_id);
  }

  heldTotal(): { count: number; bytes: number } {
    const query = "SELECT count(*) AS count, coalesce(sum(bytes), 0) AS bytes FROM held";
    return readFirst(this.#sql, bytesRow, query) ?? { count: 0, bytes: 0 };
  }

  /** What is held, oldest first, without the bodies. */
  heldDeliveries(limit: number): HeldDelivery[] {
    const query = "SELECT delivery_id, remote_id, at, bytes, repeats FROM held ORDER BY at, delivery_id LIMIT ?";
    return readAll(this.#sql, heldRow, query, limit);
  }

  /** Workflows that held deliveries speak of, and since when; one that says nothing we know waits for no binding. */
  heldWorkflows(): { remoteId: string; oldestAt: number; correlated: boolean }[] {
    const query = `SELECT remote_id, MIN(at) AS at, MAX(correlated) AS correlated FROM held
                   WHERE remote_id IS NOT NULL AND says_something = 1 GROUP BY remote_id`;
    return readAll(this.#sql, workflowRow, query);
  }

  /** Without those on their way to the inbox. */
  heldOf(remoteId: string): string[] {
    const query = `SELECT delivery_id FROM held WHERE remote_id = ? AND ${IS_STAYING} ORDER BY at, delivery_id`;
    return readAll(this.#sql, deliveryIdRow, query, remoteId).map((found) => found.delivery_id);
  }

  /** What binds no run by itself and was held before `before`, without those on their way to the inbox. */
  unplaceableHeld(before: number): string[] {
    const query = `SELECT delivery_id FROM held WHERE ${IS_UNPLACEABLE} AND at <= ? AND ${IS_STAYING} ORDER BY at`;
    return readAll(this.#sql, deliveryIdRow, query, before).map((found) => found.delivery_id);
  }

  /** A held delivery as it came, or undefined when it has been handed over already. */
  readHeld(deliveryId: string): IncomingDelivery | undefined {
    const found = readFirst(
      this.#sql,
      heldFactsRow,
      "SELECT delivery, repeats FROM held WHERE delivery_id = ?",
      deliveryId,
    );
    if (found === undefined) return undefined;
    const { bodyIds, ...rest } = parseOwn<HeldFacts>(found.delivery);
    const bytesOf = (bodyId: string) => joinParts(bodyParts(this.#sql, bodyId));
    return {
      ...rest,
      headers: rest.headers ?? [],
      repeats: found.repeats,
      raw: bytesOf(deliveryId),
      results: bodyIds.map((bodyId) => ({ bodyId, bytes: bytesOf(bodyId) })),
    };
  }

  dropHeld(incoming: IncomingDelivery): void {
    this.#sql.exec("DELETE FROM held WHERE delivery_id = ?", incoming.delivery.deliveryId);
    for (const bodyId of [incoming.delivery.deliveryId, ...incoming.results.map((result) => result.bodyId)]) {
      deleteBody(this.#sql, bodyId);
    }
  }

  appendFeed(change: OverviewChange): void {
    this.#sql.exec("INSERT INTO feed (change) VALUES (?)", JSON.stringify(change));
    this.#untrimmed += 1;
    if (this.#untrimmed < TRIM_EVERY) return;
    this.#untrimmed = 0;
    this.#sql.exec("DELETE FROM feed WHERE seq <= (SELECT MAX(seq) FROM feed) - ?", RING_CHANGES);
  }

  feedRange(): { oldestSeq: number; lastSeq: number } {
    const found = readFirst(this.#sql, rangeRow, "SELECT MIN(seq) AS oldest, MAX(seq) AS last FROM feed");
    return { oldestSeq: Math.max((found?.oldest ?? 1) - 1, 0), lastSeq: found?.last ?? 0 };
  }

  feedAfter(seq: number, limit: number): { seq: number; change: unknown }[] {
    const query = "SELECT seq, change FROM feed WHERE seq > ? ORDER BY seq LIMIT ?";
    const found = readAll(this.#sql, changeRow, query, seq, limit);
    return found.map(({ seq, change }) => ({ seq, change: JSON.parse(change) }));
  }

  /** The workspace this object is for. Its name is given to an object that is called, not to one that an alarm wakes. */
  workspace(): string | undefined {
    return readFirst(this.#sql, workspaceRow, "SELECT workspace FROM identity")?.workspace;
  }

  setWorkspace(workspace: string): void {
    this.#sql.exec("INSERT INTO identity (id, workspace) VALUES (1, ?) ON CONFLICT DO NOTHING", workspace);
  }

  lastTime(name: ClockName): number {
    return readFirst(this.#sql, timeRow, "SELECT at FROM clock WHERE name = ?", name)?.at ?? 0;
  }

  setLastTime(name: ClockName, at: number): void {
    this.#sql.exec("INSERT INTO clock (name, at) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET at = ?2", name, at);
  }
}

/** Text that this file wrote itself from a value of the same type, in the version the schema's floor admits. */
function parseOwn<Value>(text: string): Value {
  const value: Value = JSON.parse(text);
  return value;
}
