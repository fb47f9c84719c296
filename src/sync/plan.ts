// What a force sync asks for, turned into the facts that its run carries: ids, agents, limits, what earlier runs left.
import { AGENT_IDS, AGENTS, type AgentId } from "../opal/agents.ts";
import type { RunIds } from "../platform/ids.ts";
import {
  type AgentPast,
  type CarriedResult,
  type Client,
  type Lineage,
  type RunRequest,
  START_LIMIT_MS,
} from "./run/request.ts";

export const SYNC_SCOPES = ["quick", "full", "priority_platforms", "odp_only", "content_platforms"] as const;

/** A request that passed the edge. */
export interface SyncCommand {
  readonly scope: string;
  readonly client: Client;
  readonly actor: string;
  readonly source: RunRequest["source"];
  readonly priority: RunRequest["priority"];
  /** Only these agents; null for all of them. */
  readonly agentFilter: readonly AgentId[] | null;
  /** In place of each agent's own limit; null for those. */
  readonly timeoutOverrideMs: number | null;
  /** In place of both, for single agents. */
  readonly agentTimeoutsMs: Readonly<Partial<Record<AgentId, number>>>;
}

const RUN_LIMIT_MS = 30 * 60_000;
const INACTIVITY_LIMIT_MS = 10 * 60_000;
/** For the other agents once OPAL says that the workflow is over. */
const CLOSING_MS = 30_000;

export interface PlanContext {
  readonly workspace: string;
  readonly order: "sequence" | "parallel";
  /** Multiplies agent and run limits; 1 except in development. */
  readonly deadlineScale: number;
  readonly callMs: number;
}

/** What earlier runs leave to a new one. */
export interface Heritage {
  readonly lineage: Lineage | null;
  readonly carriedOver: readonly CarriedResult[];
  readonly agentPasts: readonly AgentPast[];
}

export const NO_HERITAGE: Heritage = { lineage: null, carriedOver: [], agentPasts: [] };

export function planRun(command: SyncCommand, ids: RunIds, context: PlanContext, heritage: Heritage): RunRequest {
  const scaled = (ms: number) => Math.max(1, Math.round(ms * context.deadlineScale));
  const { scope, client, actor, source, priority, agentFilter, timeoutOverrideMs, agentTimeoutsMs } = command;
  const overrides = [timeoutOverrideMs ?? 0, ...Object.values(agentTimeoutsMs)];
  const asked = AGENT_IDS.filter((id) => agentFilter === null || agentFilter.includes(id));
  return {
    workspace: context.workspace,
    ...ids,
    ...{ scope, client, actor, source, priority, timeoutOverrideMs },
    agentFilter: agentFilter === null ? null : asked,
    lineage: heritage.lineage,
    carriedOver: [...heritage.carriedOver],
    agentPasts: heritage.agentPasts.filter((past) => asked.includes(past.agentId)),
    workflow: {
      order: context.order,
      agents: asked.map((id) => {
        const { phase, limitMs, usualMs, confidenceThreshold } = AGENTS[id];
        return {
          id,
          phase,
          limitMs: scaled(agentTimeoutsMs[id] ?? timeoutOverrideMs ?? limitMs),
          usualMs,
          confidenceThreshold,
        };
      }),
    },
    limits: {
      startMs: scaled(START_LIMIT_MS),
      runMs: scaled(RUN_LIMIT_MS),
      // An agent that may take longer than this must not end the run by being silent meanwhile.
      inactivityMs: scaled(Math.max(INACTIVITY_LIMIT_MS, ...overrides)),
      closingMs: scaled(CLOSING_MS),
      callMs: context.callMs,
    },
  };
}

/** A run that OPAL started without us. */
export const FOREIGN_SYNC: SyncCommand = {
  scope: "unknown",
  client: { name: "Started at OPAL" },
  actor: "opal",
  source: "webhook",
  priority: "normal",
  agentFilter: null,
  timeoutOverrideMs: null,
  agentTimeoutsMs: {},
};
