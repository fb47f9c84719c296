// What went wrong with agents, in the API's words. Pure; says what is on record and nothing else.
import { AGENT_IDS, AGENTS, type AgentId, canonicalAgentId } from "../opal/agents.ts";
import { iso } from "../platform/iso.ts";
import { type RunEvent, runEvent } from "../sync/run/events.ts";
import { RULES } from "../sync/run/rules.ts";
import { isTrouble, levelOf } from "../sync/run/trouble.ts";
import type { listTrouble, Pattern, TroubleCount, TroublePlace } from "./agent-log-store.ts";

type Row = Awaited<ReturnType<typeof listTrouble>>[number];

export interface Trouble {
  readonly rows: readonly Row[];
  readonly patterns: readonly Pattern[];
  readonly counts: readonly TroubleCount[];
}

export function agentLogsAnswer(
  { rows, patterns, counts }: Trouble,
  asked: { readonly from: number; readonly to: number; readonly limit: number },
) {
  const last = rows.length === asked.limit ? rows.at(-1) : undefined;
  return {
    success: true as const,
    time_period: { start: iso(asked.from), end: iso(asked.to) },
    logs: rows.flatMap(entryOf),
    next_cursor: last ? cursorOf(last) : null,
    patterns: patterns.map(patternAnswer),
    counts_24h: countsAnswer(counts),
  };
}

function entryOf({ sessionId, seq, at, type, data, error }: Row) {
  if (!isTrouble(type)) return [];
  const read = runEvent.safeParse({ ...(data instanceof Object ? data : {}), seq, at, type });
  const event = read.success ? read.data : undefined;
  const agents = event ? agentsIn(event) : [];
  const [agentId] = agents;
  return [
    {
      event_id: `${sessionId}.${seq}`,
      timestamp: iso(at),
      level: levelOf(type),
      agent_id: agents.length === 1 && agentId ? agentId : null,
      agents,
      agent_name: agents.length === 1 && agentId ? AGENTS[agentId].name : null,
      session_id: sessionId,
      event_type: type,
      reason: event ? reasonOf(event) : type,
      message: event ? RULES[event.rule] : null,
      /** The sender's own words, shortened; null when it said none. */
      error,
      delivery_id: event && "deliveryId" in event ? event.deliveryId : null,
      why_url: `/api/force-sync/why/${sessionId}?at=${seq}`,
    },
  ];
}

/** One that the event is about, several that run once more, or none. */
function agentsIn(event: RunEvent): readonly AgentId[] {
  if ("agents" in event) return event.agents;
  return "agentId" in event && event.agentId ? [event.agentId] : [];
}

function reasonOf(event: RunEvent): string {
  const said = [
    "reason" in event ? event.reason : undefined,
    "because" in event ? event.because : undefined,
    "outcome" in event ? event.outcome : undefined,
  ].find((value) => typeof value === "string");
  return said ?? event.type;
}

function patternAnswer({ agent_id, type, reason, n, runs, first_at, last_at, last_session }: Pattern) {
  return {
    ...{ agent_id, agent_name: nameOf(agent_id), level: levelOf(type), event_type: type, reason, count: n },
    ...{ affected_runs: runs, first_seen: iso(first_at), last_seen: iso(last_at), last_session_id: last_session },
  };
}

/** Every agent has its place, also one without any trouble. */
function countsAnswer(counts: readonly TroubleCount[]) {
  const sum = (level: string, agentId?: string) =>
    counts
      .filter((row) => levelOf(row.type) === level && (agentId === undefined || row.agent_id === agentId))
      .reduce((total, row) => total + row.n, 0);
  return {
    errors: sum("error"),
    warnings: sum("warning"),
    agents: AGENT_IDS.map((id) => ({
      agent_id: id,
      agent_name: AGENTS[id].name,
      errors: sum("error", id),
      warnings: sum("warning", id),
    })),
  };
}

function nameOf(agentId: string | null): string | null {
  const known = agentId === null ? undefined : canonicalAgentId(agentId);
  return known ? AGENTS[known].name : null;
}

/** The place in the list after which the next page begins. */
export function cursorOf({ at, sessionId, seq }: TroublePlace): string {
  return `${at}.${sessionId}.${seq}`;
}

/** Undefined for what `cursorOf` cannot have written. */
export function placeFrom(cursor: string): TroublePlace | undefined {
  const [, at, sessionId, seq] = /^(\d{1,15})\.([A-Za-z0-9_-]{1,64})\.(\d{1,9})$/.exec(cursor) ?? [];
  if (at === undefined || sessionId === undefined || seq === undefined) return undefined;
  return { at: Number(at), sessionId, seq: Number(seq) };
}
