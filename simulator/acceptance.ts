// What a trigger call asks for, and that one idempotency key starts one workflow.

import { z } from "zod";
import { AGENT_IDS, agentsNamed } from "./agents.ts";
import type { Desk } from "./desk.ts";
import type { Faults } from "./faults.ts";
import type { TriggerCall } from "./records.ts";
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
      agent_filter: z.array(z.string()).optional().catch(undefined),
    })
    .optional()
    .catch(undefined),
  metadata: z.object({ correlation_id: optionalText }).optional().catch(undefined),
});

/** The workflow of this call: a new one, or the one that the same key started before. */
export function startOnce(
  body: z.infer<typeof triggerBody>,
  raw: Buffer,
  { entry, faults, desk }: { entry: TriggerCall; faults: Faults; desk: Desk },
): Workflow {
  const { idempotencyKey } = entry;
  entry.accepted = true;
  const earlier = idempotencyKey === null ? undefined : desk.ledger.firstStart(idempotencyKey);
  if (earlier !== undefined && !faults.ignoreIdempotencyKey) {
    entry.repeated = true;
    entry.bodyDiffers = !earlier.body.equals(raw);
    entry.workflowId = earlier.workflow.run.workflowId;
    return earlier.workflow;
  }
  const input = body.input_data ?? {};
  const filter = input.agent_filter ?? [];
  const workflow = desk.workflows.start({
    correlationId: body.metadata?.correlation_id ?? entry.correlationId,
    idempotencyKey,
    foreign: false,
    agentIds: filter.length === 0 ? AGENT_IDS : agentsNamed(filter),
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
