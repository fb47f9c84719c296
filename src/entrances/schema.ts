// What callers of the older and sibling entrances may send. The engine's own words are reused wherever they fit.
import { z } from "zod";
import { AGENT_IDS, type AgentId, canonicalAgentId } from "../opal/agents.ts";
import { SYNC_SCOPES } from "../sync/plan.ts";
import { agentFilter, timeoutOverride, triggerBody } from "../sync/schema.ts";

const line = z.string().trim().min(1).max(200);
const lines = z.array(line).max(50);
const onBusy = z.enum(["refuse", "queue"]).default("refuse");

/** The trigger's own body, with the default that this entrance always had. */
export const legacySyncBody = triggerBody.safeExtend({
  sync_scope: z.enum(SYNC_SCOPES).default("priority_platforms"),
});

export const orchestrationBody = z.strictObject({
  /** Any other name than the one allowed is refused as such. */
  workflow_name: z.string().max(200),
  /** The caller's own; never one of ours, and only handed back. */
  session_id: z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,128}$/, "must have 1 to 128 letters, digits, hyphens or underscores")
    .optional(),
  client_name: line.optional(),
  agent_filter: agentFilter.optional(),
  on_busy: onBusy,
});

export type OrchestrationBody = z.infer<typeof orchestrationBody>;

const agentSettings = z.strictObject({
  enabled: z.boolean(),
  timeout_override: timeoutOverride.optional(),
  tool_overrides: z.unknown().optional().refine(isNothing, "cannot be passed on to OPAL; leave it out or empty"),
});

function isNothing(given: unknown): boolean {
  if (given === undefined) return true;
  return typeof given === "object" && given !== null && Object.keys(given).length === 0;
}

export interface AgentChoice {
  readonly agentId: AgentId;
  readonly isEnabled: boolean;
  readonly timeoutMs: number | null;
}

/** By any spelling of an agent's id; becomes one choice for each agent named. */
const agentConfiguration = z.record(z.string().max(200), agentSettings).transform((given, context): AgentChoice[] => {
  const choices = new Map<AgentId, AgentChoice>();
  for (const [spelling, settings] of Object.entries(given)) {
    const agentId = canonicalAgentId(spelling);
    if (agentId === undefined || choices.has(agentId)) {
      const message = agentId ? `names ${agentId} a second time` : `is not one of the agents: ${AGENT_IDS.join(", ")}`;
      context.addIssue({ code: "custom", path: [spelling], message });
    } else {
      choices.set(agentId, { agentId, isEnabled: settings.enabled, timeoutMs: settings.timeout_override ?? null });
    }
  }
  if (AGENT_IDS.every((id) => choices.get(id)?.isEnabled === false)) {
    context.addIssue({ code: "custom", message: "leaves no agent to run" });
  }
  return [...choices.values()];
});

const day = z.union([z.iso.date(), z.iso.datetime({ offset: true })], "must be an ISO 8601 date, with or without time");

const timeline = z
  .strictObject({ start_date: day, target_completion: day })
  .refine(({ start_date: start, target_completion: target }) => Date.parse(start) <= Date.parse(target), {
    path: ["target_completion"],
    message: "is before start_date",
  });

export const opalTriggerBody = z.strictObject({
  workflow_type: z.enum(["full_strategy_analysis", "targeted_analysis", "quick_assessment"]),
  priority: z.enum(["low", "medium", "high", "urgent"]),
  context: z.strictObject({
    business_objectives: lines.min(1),
    constraints: lines.optional(),
    focus_areas: lines.optional(),
    timeline: timeline.optional(),
  }),
  agent_configuration: agentConfiguration.optional(),
  on_busy: onBusy,
});

export type OpalTriggerBody = z.infer<typeof opalTriggerBody>;

type Choosing = Pick<OpalTriggerBody, "workflow_type"> & {
  readonly agent_configuration?: readonly AgentChoice[] | undefined;
};

/** A targeted analysis runs the agents it enables, if any; otherwise all run that are not disabled. Never empty. */
export function agentsToRun({ workflow_type: type, agent_configuration: choices = [] }: Choosing): AgentId[] {
  const chosen = (isEnabled: boolean) =>
    new Set(choices.filter((choice) => choice.isEnabled === isEnabled).map(({ agentId }) => agentId));
  const enabled = chosen(true);
  const disabled = chosen(false);
  const isTargeted = type === "targeted_analysis" && enabled.size > 0;
  return AGENT_IDS.filter((id) => (isTargeted ? enabled.has(id) : !disabled.has(id)));
}
