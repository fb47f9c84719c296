// What a force sync asks for, turned into the facts that its run carries: ids, agents, limits.
import { AGENT_IDS, AGENTS } from "../opal/agents.ts";
import type { RunIds } from "../platform/ids.ts";
import type { RunRequest } from "./run/events.ts";

export const SYNC_SCOPES = ["quick", "full", "priority_platforms", "odp_only", "content_platforms"] as const;

/** A request that passed the edge. */
export interface SyncCommand {
  readonly scope: string;
  readonly client: { readonly name: string; readonly industry?: string | undefined };
  readonly actor: string;
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

export function planRun(command: SyncCommand, ids: RunIds, context: PlanContext): RunRequest {
  const scaled = (ms: number) => Math.max(1, Math.round(ms * context.deadlineScale));
  return {
    workspace: context.workspace,
    ...ids,
    scope: command.scope,
    client: command.client,
    actor: command.actor,
    workflow: {
      order: context.order,
      agents: AGENT_IDS.map((id) => {
        const { phase, limitMs, usualMs, confidenceThreshold } = AGENTS[id];
        return { id, phase, limitMs: scaled(limitMs), usualMs, confidenceThreshold };
      }),
    },
    limits: {
      runMs: scaled(RUN_LIMIT_MS),
      inactivityMs: scaled(INACTIVITY_LIMIT_MS),
      closingMs: scaled(CLOSING_MS),
      callMs: context.callMs,
    },
  };
}

/** A run that OPAL started without us. */
export const FOREIGN_SYNC: SyncCommand = { scope: "unknown", client: { name: "Started at OPAL" }, actor: "opal" };
