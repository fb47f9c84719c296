// Events in D1 as if they had come over 30 days, made inside the database: a hundred agents' runs would take days.
import { AGENT_IDS } from "../../simulator/agents.ts";
import type { RunningWorker } from "../stack.ts";

type Database = Awaited<ReturnType<RunningWorker["database"]>>;

export const DAY_MS = 86_400_000;
const DAYS = 30;
const CHUNK = 10_000;
const EVENTS_PER_RUN = 50;
const SPAN_MS = 5 * 60_000;

/** How often each value comes in a hundred events. */
const TYPES = { "execution.running": 60, "execution.completed": 34, "workflow.progress": 4, "execution.failed": 2 };
const VERDICTS = { processed: 93, late: 3, ignored: 2, quarantined: 2 };
const SOURCES = { opal: 92, ga4: 5, salesforce: 2, "external:crm": 1 };
const ERRORS = [
  "Upstream timed out while the sitemap was read",
  "Rate limit of the analytics property reached",
  "The content platform refused the credential",
  "No sessions in the chosen period",
];

export async function seedEvents(database: Database, count: number, now: number, say: (line: string) => void) {
  const oldestMs = now - DAYS * DAY_MS;
  const stepMs = (now - oldestMs) / count;
  for (let first = 0; first < count; first += CHUNK) {
    await database.prepare(insertSql(first, Math.min(CHUNK, count - first), { oldestMs, stepMs })).run();
    if (first % 200_000 === 0) say(`${first.toLocaleString("en")} events stored`);
  }
  for (const statement of sumsSql(now)) await database.prepare(statement).run();
  const middle =
    "SELECT session_id, workflow_id, delivery_id FROM webhook_events WHERE id = ? AND workflow_id IS NOT NULL";
  const row = await database
    .prepare(middle)
    .bind(1 + EVENTS_PER_RUN * Math.floor(count / EVENTS_PER_RUN / 2))
    .first();
  return {
    oldestMs,
    sessionId: String(row?.session_id),
    remoteId: String(row?.workflow_id),
    deliveryId: String(row?.delivery_id),
  };
}

/** Rows are a function of their number, so that the same number makes the same rows. */
function insertSql(first: number, count: number, { oldestMs, stepMs }: { oldestMs: number; stepMs: number }): string {
  const run = `i / ${EVENTS_PER_RUN}`;
  const agent = pick(AGENT_IDS, "i");
  const headers = JSON.stringify([
    ["content-type", "application/json"],
    ["user-agent", "OPAL/1.0 (workflow engine; strategy_workflow)"],
    ["x-osa-signature", "t=1700000000,v1=***"],
    ["content-length", "1834"],
  ]);
  return `INSERT INTO webhook_events (workspace, delivery_id, session_id, workflow_id, source, event_type, dedup_hash, sha256,
      bytes, verdict, reason, agent_id, verdict_seq, summary, error, http_status, processing_time_ms, secret, headers, received_at, seq)
    WITH RECURSIVE numbers (i) AS (SELECT ${first} UNION ALL SELECT i + 1 FROM numbers WHERE i + 1 < ${first + count}),
    chosen AS (SELECT i, ${weighted(TYPES, "i * 7 + i / 13")} AS type, ${weighted(VERDICTS, "i * 31 + i / 7")} AS verdict,
      ${weighted(SOURCES, `${run} * 17`)} AS source, CAST(${oldestMs} + i * ${stepMs} AS INTEGER) AS at FROM numbers)
    SELECT 'default', printf('whd_seeded%014d', i),
      CASE source WHEN 'opal' THEN printf('sync-%d-%05d', ${oldestMs} + ${run}, ${run} % 100000) WHEN 'external:crm' THEN 'inbox-external' ELSE 'inbox-' || source END,
      CASE source WHEN 'opal' THEN printf('opal-wf-%08d', ${run}) END, source, CASE source WHEN 'opal' THEN type ELSE 'purchase' END,
      lower(hex(randomblob(32))), lower(hex(randomblob(32))), 1500 + i % 1000, verdict,
      CASE verdict WHEN 'late' THEN 'agent_given_up' WHEN 'ignored' THEN 'unknown_event_type' WHEN 'quarantined' THEN 'unrecognised_result' END,
      CASE source WHEN 'opal' THEN ${agent} END, i % ${EVENTS_PER_RUN} + 1,
      CASE source WHEN 'opal' THEN ${agent} || ' ' || replace(substr(type, 11), '_', ' ') || ', ' || (i % 9) || ' insights' ELSE source || ' purchase' END,
      CASE type WHEN 'execution.failed' THEN ${pick(ERRORS, "i / 11")} END,
      200, 2 + (i * 13) % 40, 'current', '${headers}', at, i % ${EVENTS_PER_RUN} + 1 FROM chosen`;
}

/** What the receivers would have counted, and what the runs' logs would say of agents that failed. */
function sumsSql(now: number): string[] {
  const hour = 12 * SPAN_MS;
  const bucket = `received_at - received_at % CASE WHEN received_at < ${now - 2 * DAY_MS} THEN ${hour} ELSE ${SPAN_MS} END`;
  return [
    `INSERT INTO webhook_stats (workspace, bucket, source, event_type, outcome, reason, count, sum_ms)
      SELECT workspace, ${bucket}, source, event_type, verdict, '', count(*), sum(processing_time_ms) FROM webhook_events GROUP BY 1, 2, 3, 4, 5`,
    `INSERT INTO webhook_latency (workspace, bucket, step, count)
      SELECT workspace, ${bucket}, 1 + CAST(ln(processing_time_ms) / ln(1.1) AS INTEGER), count(*) FROM webhook_events GROUP BY 1, 2, 3`,
    `INSERT INTO run_events (workspace, session_id, seq, at, type, data)
      SELECT workspace, session_id, seq * 2, received_at, 'agent_failed', json_object(
        'agentId', agent_id, 'deliveryId', delivery_id, 'reason', 'reported_failure', 'rerun', NULL,
        'result', json_object('bodyId', delivery_id, 'bytes', 0, 'sha256', '', 'family', 'none', 'confidence', NULL,
          'insights', 0, 'recommendations', 0, 'reportedAt', NULL),
        'version', 2, 'rule', 'sender_reported', 'causedBy', seq * 2 - 1)
      FROM webhook_events WHERE source = 'opal' AND event_type = 'execution.failed'`,
  ];
}

function pick(values: readonly string[], number: string): string {
  const cases = values.map((value, index) => `WHEN ${index} THEN '${value}'`);
  return `CASE (${number}) % ${values.length} ${cases.join(" ")} END`;
}

function weighted(shares: Readonly<Record<string, number>>, number: string): string {
  let below = 0;
  const cases = Object.entries(shares).map(([value, share]) => {
    below += share;
    return `WHEN (${number}) % 100 < ${below} THEN '${value}'`;
  });
  return `CASE ${cases.join(" ")} END`;
}
