// A filter as SQL that reads little, however many events there are: every query names its index, and looks at no more
// than so many rows for one page.
import { type SQL, sql } from "drizzle-orm";
import type { Key } from "./cursor.ts";
import { type EventFilter, orderOf } from "./filter.ts";

/** Rows that one page looks at, at most, where some of them may not fit the filter. */
export const LOOKED_AT = 5_000;
const FOUND_LOOKED_AT = 10_000;

/** Without headers, which are as long as all of these together. */
const COLUMNS = sql.raw(
  [
    ...["id", "delivery_id", "session_id", "workflow_id", "source", "event_type", "sha256", "bytes", "verdict"],
    ...["reason", "agent_id", "summary", "error", "http_status", "processing_time_ms", "received_at", "seq"],
  ]
    .map((name) => `webhook_events.${name}`)
    .join(", "),
);

/** One walk along an index. `horizon` answers how far `rows` has looked when that is not to the end; null when it is. */
export interface Walk {
  readonly rows: SQL;
  readonly horizon: SQL | null;
}

/** Together they find what fits, each the newest first and at most `limit`; only events that come after `key`. */
export function walksFor(filter: EventFilter, key: Key | undefined, limit: number): Walk[] {
  switch (orderOf(filter)) {
    case "search":
      return [{ rows: searchRows(filter, key, limit), horizon: null }];
    case "owner":
      return [ownerWalk(filter, key, limit)];
    case "time":
      return timeWalks(filter, key, limit);
  }
}

/** What an event must be, besides what its index already says. */
interface Conditions {
  readonly time: readonly SQL[];
  readonly owner: readonly SQL[];
  readonly workflow: readonly SQL[];
  readonly status: readonly SQL[];
  readonly source: readonly SQL[];
  readonly agent: readonly SQL[];
  readonly type: readonly SQL[];
}

function conditionsOf({ from, to, owners, remoteId, statuses, sources, agents, types }: EventFilter): Conditions {
  return {
    time: [
      ...(from === undefined ? [] : [sql`webhook_events.received_at >= ${from}`]),
      ...(to === undefined ? [] : [sql`webhook_events.received_at < ${to}`]),
    ],
    owner: owners.map((owner) => sql`webhook_events.session_id = ${owner}`),
    workflow: remoteId === undefined ? [] : [sql`webhook_events.workflow_id = ${remoteId}`],
    status: oneOf("verdict", statuses),
    source: oneOf("source", sources),
    agent: oneOf("agent_id", agents),
    type: oneOf("event_type", types),
  };
}

function oneOf(column: string, values: readonly string[]): SQL[] {
  if (values.length === 0) return [];
  const list = sql.join(
    values.map((value) => sql`${value}`),
    sql`, `,
  );
  return [sql`webhook_events.${sql.raw(column)} IN (${list})`];
}

function all(conditions: readonly SQL[]): SQL {
  return sql.join([...conditions], sql` AND `);
}

function timeWalks(filter: EventFilter, key: Key | undefined, limit: number): Walk[] {
  const { index, values, rest } = timeIndex(filter);
  const last = filter.to === undefined ? ([Number.MAX_SAFE_INTEGER, 0] as const) : ([filter.to, 0] as const);
  const before = key === undefined || last[0] <= key[0] ? last : key;
  const from = filter.from ?? 0;
  const name = sql.raw(index);
  const lookedAt = Math.floor(LOOKED_AT / values.length);
  return values.map((value) => {
    const walked = all([
      sql`webhook_events.workspace = ${filter.workspace}`,
      ...value,
      sql`(webhook_events.received_at, webhook_events.id) < (${before[0]}, ${before[1]})`,
    ]);
    const order = sql`ORDER BY webhook_events.received_at DESC, webhook_events.id DESC`;
    const end = sql`SELECT webhook_events.received_at FROM webhook_events INDEXED BY ${name}
      WHERE ${walked} AND webhook_events.received_at >= ${from} ${order} LIMIT 1 OFFSET ${lookedAt - 1}`;
    const isSelective = rest.length > 0;
    // All events of the last moment looked at are looked at, so the walk goes on before that moment.
    const until = isSelective ? sql`max(${from}, coalesce((${end}), 0))` : sql`${from}`;
    return {
      rows: sql`SELECT ${COLUMNS} FROM webhook_events INDEXED BY ${name}
        WHERE ${all([walked, sql`webhook_events.received_at >= ${until}`, ...rest])} ${order} LIMIT ${limit}`,
      horizon: isSelective ? sql`SELECT (${end}) AS horizon` : null,
    };
  });
}

interface TimeIndex {
  readonly index: string;
  /** One walk for each: conditions that the index answers. */
  readonly values: readonly (readonly SQL[])[];
  readonly rest: readonly SQL[];
}

/** The rarer what an index tells apart, the earlier it is asked. What nearly all events have is in no index. */
function timeIndex(filter: EventFilter): TimeIndex {
  const { workflow, status, source, agent, type } = conditionsOf(filter);
  if (workflow.length > 0) {
    const rest = [...status, ...source, ...agent, ...type];
    return { index: "webhook_events_by_workflow", values: [workflow], rest };
  }
  if (status.length > 0 && !filter.statuses.includes("processed")) {
    const values = filter.statuses.map((value) => [
      sql`webhook_events.verdict = ${value}`,
      sql`webhook_events.verdict <> 'processed'`,
    ]);
    return { index: "webhook_events_by_verdict", values, rest: [...source, ...agent, ...type] };
  }
  if (source.length > 0 && !filter.sources.includes("opal")) {
    const values = filter.sources.map((value) => [
      sql`webhook_events.source = ${value}`,
      sql`webhook_events.source <> 'opal'`,
    ]);
    return { index: "webhook_events_by_source", values, rest: [...status, ...agent, ...type] };
  }
  if (agent.length > 0) {
    const values = filter.agents.map((value) => [sql`webhook_events.agent_id = ${value}`]);
    return { index: "webhook_events_by_agent", values, rest: [...status, ...source, ...type] };
  }
  if (type.length > 0) {
    const values = filter.types.map((value) => [sql`webhook_events.event_type = ${value}`]);
    return { index: "webhook_events_by_type", values, rest: [...status, ...source] };
  }
  return { index: "webhook_events_by_time", values: [[]], rest: [...status, ...source] };
}

function ownerWalk(filter: EventFilter, key: Key | undefined, limit: number): Walk {
  const { owner, time, workflow, status, source, agent, type } = conditionsOf(filter);
  const [first, ...others] = owner;
  const rest = [...others, ...time, ...workflow, ...status, ...source, ...agent, ...type];
  const walked = all([
    sql`webhook_events.workspace = ${filter.workspace}`,
    ...(first ? [first] : []),
    sql`webhook_events.seq < ${key?.[0] ?? Number.MAX_SAFE_INTEGER}`,
  ]);
  const table = sql`FROM webhook_events INDEXED BY webhook_events_by_session`;
  const order = sql`ORDER BY webhook_events.seq DESC`;
  const end = sql`SELECT webhook_events.seq ${table} WHERE ${walked} ${order} LIMIT 1 OFFSET ${LOOKED_AT - 1}`;
  const until = rest.length > 0 ? [sql`webhook_events.seq >= coalesce((${end}), 0)`] : [];
  return {
    rows: sql`SELECT ${COLUMNS} ${table} WHERE ${all([walked, ...until, ...rest])} ${order} LIMIT ${limit}`,
    horizon: rest.length > 0 ? sql`SELECT (${end}) AS horizon` : null,
  };
}

/**
 * Asks the search index once, since that is what takes time: its newest finds, and of these what fits. Every row says
 * how far the index was asked; one without an event is there when nothing fits.
 */
function searchRows(filter: EventFilter, key: Key | undefined, limit: number): SQL {
  const { owner, time, workflow, status, source, agent, type } = conditionsOf(filter);
  const fits = all([
    sql`webhook_events.workspace = ${filter.workspace}`,
    ...[...owner, ...time, ...workflow, ...status, ...source, ...agent, ...type],
  ]);
  return sql`WITH found AS MATERIALIZED (
      SELECT rowid AS number FROM webhook_search
      WHERE webhook_search MATCH ${filter.search} AND rowid < ${key?.[0] ?? Number.MAX_SAFE_INTEGER}
      ORDER BY rowid DESC LIMIT ${FOUND_LOOKED_AT}
    )
    SELECT reach.horizon, fitting.* FROM (
      SELECT CASE WHEN count(*) = ${FOUND_LOOKED_AT} THEN min(number) END AS horizon FROM found
    ) AS reach LEFT JOIN (
      SELECT ${COLUMNS} FROM found CROSS JOIN webhook_events ON webhook_events.id = found.number
      WHERE ${fits} LIMIT ${limit}
    ) AS fitting`;
}
