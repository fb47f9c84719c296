// The functions OPAL may call, as one table: discovery, validation and routing all read from here.
import type { z } from "zod";
import type { ToolsScope } from "../env.ts";
import {
  compileParameters,
  contextParameters,
  sendDataParameters,
  storeDataParameters,
  type ToolCategory,
  validateParameters,
  workflowDataParameters,
} from "./schema.ts";

interface ToolFunction {
  readonly description: string;
  readonly parameters: z.ZodObject;
  /** Delivers data to a run, as a webhook does; the others only read. */
  readonly delivers: boolean;
  readonly category: ToolCategory;
  readonly capabilities: readonly string[];
}

export const FUNCTIONS = {
  osa_send_data_to_osa_webhook: {
    description: "Sends what one agent of a workflow found, or how far it is, to OSA.",
    parameters: sendDataParameters,
    delivers: true,
    category: "analysis",
    capabilities: ["agent_results", "agent_status"],
  },
  osa_store_workflow_data: {
    description: "Stores the complete results of one agent of a workflow in OSA.",
    parameters: storeDataParameters,
    delivers: true,
    category: "analysis",
    capabilities: ["agent_results"],
  },
  osa_workflow_data: {
    description: "Sends the results of several agents of a workflow to OSA in one call.",
    parameters: workflowDataParameters,
    delivers: true,
    category: "analysis",
    capabilities: ["agent_results", "several_agents"],
  },
  osa_retrieve_workflow_context: {
    description: "Tells how a workflow is and what its agents have found so far.",
    parameters: contextParameters,
    delivers: false,
    category: "reporting",
    capabilities: ["workflow_status", "result_summaries"],
  },
  osa_validate_workflow_data: {
    description: "Checks the stored results of a workflow: whether they are there, readable and sure enough.",
    parameters: validateParameters,
    delivers: false,
    category: "optimization",
    capabilities: ["completeness_check", "confidence_check"],
  },
  osa_compile_final_results: {
    description: "Puts the stored results of a workflow together into one document.",
    parameters: compileParameters,
    delivers: false,
    category: "reporting",
    capabilities: ["executive_summary", "detailed_brief", "comprehensive"],
  },
} as const satisfies Record<string, ToolFunction>;

export type FunctionName = keyof typeof FUNCTIONS;
export type DeliveringName = {
  [Name in FunctionName]: (typeof FUNCTIONS)[Name]["delivers"] extends true ? Name : never;
}[FunctionName];

export function isFunctionName(name: string): name is FunctionName {
  return Object.hasOwn(FUNCTIONS, name);
}

export function isDelivering(name: FunctionName): name is DeliveringName {
  return FUNCTIONS[name].delivers;
}

/** What a token must open so that the function may be called with it. */
export function scopeOf(name: FunctionName): ToolsScope {
  return isDelivering(name) ? "deliver" : "read";
}

export function functionEntries(): readonly (readonly [FunctionName, ToolFunction])[] {
  return Object.keys(FUNCTIONS)
    .filter(isFunctionName)
    .map((name) => [name, FUNCTIONS[name]] as const);
}
