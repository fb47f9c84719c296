// What a trigger call asks for, and that one idempotency key starts one workflow.

import { z } from "zod";
import { AGENT_IDS, type AgentId, agentsNamed } from "./agents.ts";
import type { Desk } from "./desk.ts";
import type { Faults } from "./faults.ts";
import { type Asked, NOTHING_ASKED, type TriggerCall } from "./records.ts";
import type { Workflow } from "./workflows.ts";

const optionalText = z.string().min(1).optional().catch(undefined);

/** Only the workflow's name can be wrong: what else OPAL requires is unknown, so nothing else is refused. */
export const triggerBody = z.object({
  workflow_name: z.literal("strategy_workflow"),
  client_name: optionalText,
  input_data: z
    .object({
      client_name: optionalText,
      industry: optionalText,
      sync_scope: optionalText,
    })
    .optional()
    .catch(undefined),
  metadata: z.object({ correlation_id: optionalText, session_id: optionalText }).optional().catch(undefined),
});

const asking = z.object({
  input_data: z.object({
    agent_filter: z.array(z.string()).nullable().catch(null),
    retry_of: z.string().min(1).nullable().catch(null),
    reduced_scope: z.boolean().catch(false),
    timeout_override_ms: z.number().nullable().catch(null),
  }),
});

/** What the body asks for, even when the call is going to be refused. */
export function readAsked(json: unknown): Asked {
  const parsed = asking.safeParse(json);
  if (!parsed.success) return NOTHING_ASKED;
  const { agent_filter, retry_of, reduced_scope, timeout_override_ms } = parsed.data.input_data;
  return {
    agentFilter: agent_filter,
    retryOf: retry_of,
    reducedScope: reduced_scope,
    timeoutOverrideMs: timeout_override_ms,
  };
}

/** The workflow of this call: a new one, or the one that the same key started before. */
export function startOnce(
  body: z.infer<typeof triggerBody>,
  raw: Buffer,
  { entry, faults, desk }: { entry: TriggerCall; faults: Faults; desk: Desk },
): Workflow {
  const { idempotencyKey, asked } = entry;
  entry.accepted = true;
  const earlier = idempotencyKey === null ? undefined : desk.ledger.firstStart(idempotencyKey);
  if (earlier !== undefined && !faults.ignoreIdempotencyKey) {
    entry.repeated = true;
    entry.bodyDiffers = !earlier.body.equals(raw);
    entry.workflowId = earlier.workflow.run.workflowId;
    return earlier.workflow;
  }
  const input = body.input_data ?? {};
  const workflow = desk.workflows.start({
    correlationId: body.metadata?.correlation_id ?? entry.correlationId,
    sessionId: body.metadata?.session_id ?? entry.sessionId,
    idempotencyKey,
    foreign: false,
    asked,
    agentIds: faults.ignoreAgentFilter ? AGENT_IDS : agentsOf(asked),
    subject: {
      client: input.client_name ?? body.client_name ?? "the company",
      industry: input.industry ?? "Technology",
      syncScope: input.sync_scope ?? "all_platforms",
    },
    faults,
  });
  entry.workflowId = workflow.run.workflowId;
  if (idempotencyKey !== null) desk.ledger.rememberStart(idempotencyKey, { workflow, body: raw });
  return workflow;
}

function agentsOf({ agentFilter }: Asked): readonly AgentId[] {
  return agentFilter === null || agentFilter.length === 0 ? AGENT_IDS : agentsNamed(agentFilter);
}
