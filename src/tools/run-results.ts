// Which stored result speaks for an agent of a run, and reading it. Pure but for `loadResults`, which is told how to read.
import { AGENT_IDS, AGENTS, type AgentId } from "../opal/agents.ts";
import { type ResultSummary, type StoredResult, storedResult, summariseResult } from "../opal/results.ts";
import { joinParts } from "../platform/bodies.ts";
import { parseJsonBytes } from "../platform/json.ts";
import { isUsable } from "../sync/run/checkpoint.ts";
import type { AgentLabel, RunView } from "../sync/run/view.ts";

export interface ResultSource {
  readonly sessionId: string;
  readonly bodyId: string;
  /** `cached`: stands in from an earlier run. `carried_over`: of the attempt that this run repeats. */
  readonly origin: "own" | "late" | "cached" | "carried_over";
  readonly confidence: number | null;
}

export interface AgentResult {
  readonly agentId: AgentId;
  readonly name: string;
  /** Null for an agent that this run did not ask for, because an earlier attempt has its result. */
  readonly state: AgentLabel | null;
  readonly reason: string | null;
  readonly isQuarantined: boolean;
  readonly source: ResultSource | null;
  /** Null when there is none, and when its body is no longer kept. */
  readonly result: StoredResult | null;
  readonly summary: ResultSummary | null;
}

/** Parts of a stored body; empty when there is none. */
export type BodyOf = (sessionId: string, bodyId: string) => Promise<readonly ArrayBuffer[]>;

/** What of a run tells where its results are. */
export type ResultsOfRun = Pick<RunView, "sessionId" | "agents" | "attached" | "carriedOver">;

/** The agents of a run in OPAL's order, those that an earlier attempt brought included. */
export function agentsOf(run: ResultsOfRun): AgentId[] {
  const known = new Set([...run.agents.map(({ id }) => id), ...run.carriedOver.map(({ agentId }) => agentId)]);
  return AGENT_IDS.filter((id) => known.has(id));
}

/** A result whose shape nobody knows speaks for no agent. */
export function sourceOf(run: ResultsOfRun, agentId: AgentId): ResultSource | null {
  const { sessionId } = run;
  const agent = run.agents.find(({ id }) => id === agentId);
  if (agent?.state === "completed" && agent.resultId !== null && !agent.isQuarantined) {
    return { sessionId, bodyId: agent.resultId, origin: "own", confidence: agent.confidence };
  }
  const late = run.attached.find((attached) => attached.agentId === agentId && isUsable(attached.result));
  if (late) return { sessionId, bodyId: late.result.bodyId, origin: "late", confidence: late.result.confidence };
  const carried = run.carriedOver.find((candidate) => candidate.agentId === agentId);
  if (carried) {
    const { bodyId, confidence } = carried.result;
    return { sessionId: carried.sessionId, bodyId, origin: "carried_over", confidence };
  }
  if (!agent?.fallback) return null;
  const { fromSessionId, result } = agent.fallback;
  return { sessionId: fromSessionId, bodyId: result.bodyId, origin: "cached", confidence: result.confidence };
}

/** One body at a time. Outputs are kept only while all of them together have room; the others are marked as omitted. */
export async function loadResults(
  run: ResultsOfRun,
  agents: readonly AgentId[],
  bodyOf: BodyOf,
  outputsBytes: number,
): Promise<AgentResult[]> {
  const loaded: AgentResult[] = [];
  let room = outputsBytes;
  for (const agentId of agents) {
    const agent = run.agents.find(({ id }) => id === agentId);
    const source = sourceOf(run, agentId);
    const bytes = source === null ? new Uint8Array() : joinParts(await bodyOf(source.sessionId, source.bodyId));
    const result = bytes.length === 0 ? null : resultFrom(bytes);
    const fits = bytes.length <= room;
    if (fits) room -= bytes.length;
    loaded.push({
      agentId,
      name: AGENTS[agentId].name,
      state: agent?.state ?? null,
      reason: agent?.reason ?? null,
      isQuarantined: agent?.isQuarantined ?? false,
      source,
      result: result && !fits ? { ...result, output: null, output_omitted: true } : result,
      summary: result && summariseResult(result),
    });
  }
  return loaded;
}

function resultFrom(bytes: Uint8Array): StoredResult | null {
  const document = parseJsonBytes(bytes);
  const parsed = document.ok ? storedResult.safeParse(document.value) : undefined;
  return parsed?.success ? parsed.data : null;
}

/** An earlier run's or attempt's result is said to be one wherever it is shown. */
export function originAnswer(source: ResultSource | null) {
  const isEarlier = source?.origin === "cached" || source?.origin === "carried_over";
  return { cached: isEarlier, origin: source?.origin ?? null, from_session_id: isEarlier ? source.sessionId : null };
}
