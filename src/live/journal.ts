// What the workspace's SQLite keeps of the live feed: a ring of the newest events, and how far each source was heard.
import { z } from "zod";
import { readAll, readFirst } from "../platform/sql.ts";
import { agentId } from "../sync/run/request.ts";
import { type LiveEvent, liveData, liveEventAnswer, liveEventName, type News, priority } from "./event.ts";

/** The workspace's own log as a source. */
export const OWN_LOG = "workspace";

export const LIVE_TABLES = [
  `CREATE TABLE live_events (
     seq INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, priority TEXT NOT NULL, session_id TEXT,
     workflow_ids TEXT NOT NULL, agent_id TEXT, at INTEGER NOT NULL, data TEXT NOT NULL
   )`,
  `CREATE TABLE live_sources (source TEXT PRIMARY KEY, seq INTEGER NOT NULL)`,
  // What the log holds already is no news.
  `INSERT INTO live_sources (source, seq) SELECT '${OWN_LOG}', coalesce(MAX(seq), 0) FROM log`,
] as const;

/** Events that can be replayed, at least; those before them go a few at a time. */
const RING_EVENTS = 2_000;
const TRIM_EVERY = 50;
/** Written by one statement, which may have 100 parameters. */
const EVENTS_AT_ONCE = 14;

const seqRow = z.object({ seq: z.number() });
const rangeRow = z.object({ oldest: z.number().nullable(), last: z.number().nullable() });
const texts = z.array(z.string());

export interface LiveEntry {
  readonly seq: number;
  readonly event: LiveEvent;
  readonly change: ReturnType<typeof liveEventAnswer>;
}

const eventRow = z
  .object({
    seq: z.number(),
    name: liveEventName,
    priority,
    session_id: z.string().nullable(),
    workflow_ids: z.string().transform((text) => texts.parse(JSON.parse(text))),
    agent_id: agentId.nullable(),
    at: z.number(),
    data: z.string().transform((text) => liveData.parse(JSON.parse(text))),
  })
  .transform(({ seq, session_id: sessionId, workflow_ids: workflowIds, agent_id: agentId, ...rest }): LiveEntry => {
    const event = { sessionId, workflowIds, agentId, ...rest };
    return { seq, event, change: liveEventAnswer(event) };
  });

/** Needs `LIVE_TABLES`. */
export class LiveJournal {
  readonly #sql: SqlStorage;
  /** Events since the ring was cut; a new instance does not know. */
  #untrimmed = TRIM_EVERY;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  /** The number of the last news of a source that was taken; 0 before the first. */
  heard(source: string): number {
    return readFirst(this.#sql, seqRow, "SELECT seq FROM live_sources WHERE source = ?", source)?.seq ?? 0;
  }

  /**
   * Takes what has a higher number than what was taken before; the source has nothing else to say up to number `upTo`.
   * Call inside a transaction.
   */
  take(source: string, news: readonly News[], upTo: number): void {
    const heard = this.heard(source);
    if (upTo <= heard) return;
    const events = news.flatMap(({ seq, event }) => (seq > heard ? [event] : []));
    for (let first = 0; first < events.length; first += EVENTS_AT_ONCE) {
      this.#append(events.slice(first, first + EVENTS_AT_ONCE));
    }
    const query = `INSERT INTO live_sources (source, seq) VALUES (?1, ?2) ON CONFLICT (source) DO UPDATE SET seq = ?2`;
    this.#sql.exec(query, source, upTo);
    this.#trim(events.length);
  }

  range(): { oldestSeq: number; lastSeq: number } {
    const found = readFirst(this.#sql, rangeRow, "SELECT MIN(seq) AS oldest, MAX(seq) AS last FROM live_events");
    return { oldestSeq: Math.max((found?.oldest ?? 1) - 1, 0), lastSeq: found?.last ?? 0 };
  }

  after(seq: number, limit: number): LiveEntry[] {
    const query = `SELECT seq, name, priority, session_id, workflow_ids, agent_id, at, data FROM live_events
                   WHERE seq > ? ORDER BY seq LIMIT ?`;
    return readAll(this.#sql, eventRow, query, seq, limit);
  }

  #append(events: readonly LiveEvent[]): void {
    const rows = events.map(() => "(?, ?, ?, ?, ?, ?, ?)").join(", ");
    const query = `INSERT INTO live_events (name, priority, session_id, workflow_ids, agent_id, at, data) VALUES ${rows}`;
    const values = events.flatMap(({ name, priority, sessionId, workflowIds, agentId, at, data }) => {
      return [name, priority, sessionId, JSON.stringify(workflowIds), agentId, at, JSON.stringify(data)];
    });
    this.#sql.exec(query, ...values);
  }

  #trim(added: number): void {
    this.#untrimmed += added;
    if (this.#untrimmed < TRIM_EVERY) return;
    this.#untrimmed = 0;
    this.#sql.exec("DELETE FROM live_events WHERE seq <= (SELECT MAX(seq) FROM live_events) - ?", RING_EVENTS);
  }
}
