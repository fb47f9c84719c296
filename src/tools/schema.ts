// What OPAL may send to each function. Discovery advertises these same schemas (see discovery.ts): the first alternative of
// a union is the type advertised. Functions that deliver data read softly all the same; see documents.ts.
import { z } from "zod";
import { type AgentId, canonicalAgentId } from "../opal/agents.ts";

const EXECUTION_WORDS = "in_progress, completed, failed or partial";

/** By session, correlation, workflow or OPAL id. */
const workflowId = z
  .union([z.string().trim().min(1), z.int().transform(String)])
  .describe("Id of the workflow, as OPAL or OSA gave it.");
const fields = z.record(z.string(), z.unknown());
const agentId = z.string().min(1).max(64);
const time = z.string().describe("When it was so, in ISO 8601.");

/** All that a call which delivers data is refused for. */
export const namedWorkflow = z.looseObject({ workflow_id: workflowId });

/** Under an agent's own address. What the results are made of is read softly, as everywhere. */
export function agentDataBody(agent: AgentId) {
  const isOther = (given: unknown) => {
    const named = typeof given === "string" ? canonicalAgentId(given) : undefined;
    return named !== undefined && named !== agent;
  };
  const spelling = z
    .unknown()
    .refine((given) => !isOther(given), `names another agent than the address, which is ${agent}`);
  return z.looseObject({
    workflow_id: workflowId,
    agent_id: spelling.optional(),
    agent_name: spelling.optional(),
    execution_results: fields,
    metadata: fields,
    output_data: fields.optional(),
  });
}

export const sendDataParameters = z.object({
  workflow_id: workflowId,
  agent_name: agentId.describe("Id of the agent that reports, such as content_review."),
  execution_results: fields.describe("What the agent hands over; an empty object while it is at work."),
  metadata: fields.describe(
    `{execution_status: ${EXECUTION_WORDS}, execution_time_ms, timestamp (ISO 8601), success (boolean)}.`,
  ),
  agent_id: agentId.optional().describe("Other form: the agent's id, in place of agent_name."),
  agent_data: fields.optional().describe("Other form: what the agent hands over, in place of execution_results."),
  execution_status: z.string().optional().describe(`Other form, in place of metadata: ${EXECUTION_WORDS}.`),
  progress_percentage: z.number().min(0).max(100).optional().describe("0 to 100; kept, and moves nothing by itself."),
});

export const storeDataParameters = z.object({
  workflow_id: workflowId,
  agent_id: agentId.describe("Id of the agent whose results these are."),
  agent_results: fields.describe("The agent's complete results."),
  execution_order: z.int().min(0).optional().describe("The agent's place in the workflow."),
  data_quality_score: z.number().min(0).max(1).optional().describe("How sure the agent is of its results, 0 to 1."),
  timestamp: time.optional(),
});

export const workflowDataParameters = z.object({
  workflow_id: workflowId,
  agent_data: z
    .array(fields)
    .describe(
      "One entry for each agent: {agent_id, agent_name, workflow_id, execution_results, output_data, metadata: " +
        "{execution_time_ms, timestamp, success, error_message, progress_percentage, retry_count}}.",
    ),
  client_name: z.string().optional().describe("Whom the workflow is for."),
  business_objectives: z.array(z.string()).optional().describe("What the workflow is to achieve."),
  workflow_timestamp: time.optional(),
  workflow_execution_time_ms: z.number().min(0).optional().describe("How long the whole workflow took, in ms."),
});

export const contextParameters = z.object({
  workflow_id: workflowId,
  requesting_agent: z.string().max(200).optional().describe("Id of the agent that asks."),
  include_agents: z
    .array(z.string().max(200))
    .max(50)
    .optional()
    .describe("Ids of the agents to tell of; without it, all that have completed."),
});

export const validateParameters = z.object({
  workflow_id: workflowId,
  validation_criteria: z
    .union([fields, z.array(z.string().max(200)).max(50)])
    .optional()
    .describe("Which checks count: {present, family, confidence}, each true or false; without it, all of them."),
  minimum_quality_score: z
    .number()
    .min(0)
    .max(100)
    .optional()
    .describe("Lowest confidence that is good enough, 0 to 1; without it, each agent's own threshold."),
});

export const COMPILATION_FORMATS = ["executive_summary", "detailed_brief", "comprehensive"] as const;
export type CompilationFormat = (typeof COMPILATION_FORMATS)[number];

export const compileParameters = z.object({
  workflow_id: workflowId,
  compilation_format: z
    .enum(COMPILATION_FORMATS)
    .default("executive_summary")
    .describe(`How much of each result: ${COMPILATION_FORMATS.join(", ")}.`),
  include_quality_metrics: z
    .boolean()
    .default(false)
    .describe("Whether to add how complete and how sure the results are."),
});

export const TOOL_CATEGORIES = ["analysis", "optimization", "reporting"] as const;
export type ToolCategory = (typeof TOOL_CATEGORIES)[number];

export const enhancedToolsQuery = z.strictObject({
  tool_category: z.enum([...TOOL_CATEGORIES, "all"]).default("all"),
  /** No function is deprecated so far, so that both answers are the same. */
  include_deprecated: z.enum(["true", "false"]).default("false"),
});
