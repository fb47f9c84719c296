// From the bodies of the sibling entrances to the one order that the engine knows. Pure.
import { AGENT_IDS } from "../opal/agents.ts";
import { clientFrom, triggerBody } from "../sync/schema.ts";
import { orderFrom } from "../sync/starting.ts";
import type { SyncOrder } from "../workspace/order.ts";
import { agentsToRun, type OpalTriggerBody, type OrchestrationBody } from "./schema.ts";

/** What the trigger takes it to be when nothing is said. */
const UNSAID = triggerBody.parse({});

export function orchestrationOrder(body: OrchestrationBody, actor: string): SyncOrder {
  const { client_name, agent_filter, on_busy } = body;
  return orderFrom({ ...UNSAID, client_context: { client_name }, agent_filter, on_busy }, actor, "api");
}

const PRIORITIES = { low: "low", medium: "normal", high: "high", urgent: "high" } as const;

export function opalOrder(body: OpalTriggerBody, actor: string): SyncOrder {
  const agents = agentsToRun(body);
  const order = orderFrom(
    {
      ...UNSAID,
      sync_scope: body.workflow_type === "full_strategy_analysis" ? "full" : "quick",
      priority: PRIORITIES[body.priority],
      agent_filter: agents.length === AGENT_IDS.length ? undefined : agents,
      on_busy: body.on_busy,
    },
    actor,
    "api",
  );
  const timeouts = (body.agent_configuration ?? []).flatMap(({ agentId, timeoutMs }) =>
    timeoutMs !== null && agents.includes(agentId) ? [[agentId, timeoutMs] as const] : [],
  );
  const command = { ...order.command, client: clientOf(body), agentTimeoutsMs: Object.fromEntries(timeouts) };
  return { ...order, command };
}

function clientOf({ context }: OpalTriggerBody) {
  const { business_objectives, constraints = [], focus_areas: focusAreas = [], timeline } = context;
  return {
    ...clientFrom({ business_objectives }),
    ...(constraints.length > 0 ? { constraints } : {}),
    ...(focusAreas.length > 0 ? { focusAreas } : {}),
    ...(timeline ? { timelinePreference: `${timeline.start_date}..${timeline.target_completion}` } : {}),
  };
}
