// What OPAL says by calling OSA's functions, in the forms it has been seen to use. Pure: a run and a report in, one call
// out. A body is `{parameters, auth?}`; names are those that OPAL's own workflow gives its agents.

import { AGENTS } from "./agents.ts";
import type { Report } from "./payload.ts";
import type { AgentPlan } from "./plan.ts";
import { type Draw, drawFrom } from "./random.ts";
import type { Run } from "./records.ts";

export interface Call {
  /** As OSA's discovery advertises it. */
  readonly name: string;
  readonly body: Buffer;
}

type Fields = Readonly<Record<string, unknown>>;
type Form = (run: Run, report: Report, at: Date) => { readonly name: string; readonly parameters: Fields };

const WORDS = { started: "in_progress", running: "partial", completed: "completed", failed: "failed" } as const;
const PROGRESS = { started: 0, running: 50, completed: 100, failed: 100 } as const;
const AUTH_PROBABILITY = 0.5;

/** The call that brings a report to OSA, in one of the forms that can say it. */
export function deliveringCall(run: Run, report: Report, at: Date): Call {
  const draw = drawFrom(run.seed, "call", report.plan.agentId, report.status, report.plan.play);
  const { name, parameters } = draw.pick(formsFor(report))(run, report, at);
  return call(name, parameters, draw);
}

/** What an agent asks before its work: what those before it have found. */
export function contextCall(run: Run, plan: AgentPlan): Call {
  const position = run.agents.findIndex(({ agentId }) => agentId === plan.agentId);
  const parameters = {
    workflow_id: run.workflowId,
    requesting_agent: nameOf(run, plan),
    include_agents: run.agents.slice(0, position).map(({ agentId }) => AGENTS[agentId].nameInWorkflow),
  };
  return call("osa_retrieve_workflow_context", parameters, drawFrom(run.seed, "context", plan.agentId));
}

/** What the last agent asks after its work. */
export function closingCalls(run: Run): Call[] {
  const draw = drawFrom(run.seed, "closing");
  const workflow = { workflow_id: run.workflowId };
  const validation = { ...workflow, validation_criteria: { present: true, family: true }, minimum_quality_score: 0.5 };
  const compilation = { ...workflow, compilation_format: "executive_summary", include_quality_metrics: true };
  return [call("osa_validate_workflow_data", validation, draw), call("osa_compile_final_results", compilation, draw)];
}

function call(name: string, parameters: Fields, draw: Draw): Call {
  // What a user granted to OPAL; OSA has no use for it and must not keep it.
  const auth = { provider: "OptiID", credentials: { token_type: "Bearer", access_token: "simulated-access-token" } };
  const body = draw.chance(AUTH_PROBABILITY) ? { parameters, auth } : { parameters };
  return { name, body: Buffer.from(JSON.stringify(body)) };
}

/** Only the first form has room for an error's code; only a result can be stored. */
function formsFor({ status, plan }: Report): readonly Form[] {
  if (status === "completed") return [sendByName, sendById, store, sendSeveral];
  if (status !== "failed") return [sendByName, sendById];
  return plan.fault.errorCode === undefined ? [sendByName, sendById, sendSeveral] : [sendByName];
}

const sendByName: Form = (run, { plan, status, agentData, durationMs = 0 }, at) => ({
  name: "osa_send_data_to_osa_webhook",
  parameters: {
    agent_name: nameOf(run, plan),
    execution_results: agentData,
    workflow_id: run.workflowId,
    metadata: {
      execution_status: WORDS[status],
      execution_time_ms: durationMs,
      timestamp: at.toISOString(),
      success: status !== "failed",
      ...(status === "completed" && { confidence_score: Math.round(plan.confidence * 100) }),
      ...(status === "failed" && plan.fault.errorCode !== undefined && { error_code: plan.fault.errorCode }),
    },
    webhook_endpoint: "webhooks/opal-workflow",
  },
});

const sendById: Form = (run, { plan, status, agentData }) => ({
  name: "osa_send_data_to_osa_webhook",
  parameters: {
    agent_id: nameOf(run, plan),
    agent_data: agentData,
    workflow_id: run.workflowId,
    execution_status: WORDS[status],
    progress_percentage: PROGRESS[status],
  },
});

const store: Form = (run, { plan, agentData }, at) => ({
  name: "osa_store_workflow_data",
  parameters: {
    agent_id: nameOf(run, plan),
    agent_results: agentData,
    workflow_id: run.workflowId,
    execution_order: run.agents.findIndex(({ agentId }) => agentId === plan.agentId) + 1,
    data_quality_score: plan.confidence,
    timestamp: at.toISOString(),
  },
});

const sendSeveral: Form = (run, { plan, status, agentData, durationMs = 0 }, at) => {
  const [name, timestamp] = [nameOf(run, plan), at.toISOString()];
  const entry = {
    agent_id: name,
    agent_name: name,
    workflow_id: run.workflowId,
    execution_results: agentData,
    output_data: {},
    metadata: {
      execution_time_ms: durationMs,
      timestamp,
      success: status === "completed",
      ...(status === "failed" && "error" in agentData && { error_message: agentData.error }),
      progress_percentage: PROGRESS[status],
      retry_count: plan.play - 1,
    },
  };
  return {
    name: "osa_workflow_data",
    parameters: {
      workflow_id: run.workflowId,
      agent_data: [entry],
      business_objectives: [],
      workflow_timestamp: timestamp,
      workflow_execution_time_ms: at.getTime() - Date.parse(run.startedAt),
    },
  };
};

/** OPAL's own name for it, unless the run's agents go by other names. */
function nameOf({ faults }: Run, { agentId, spelling }: AgentPlan): string {
  return faults.aliases ? spelling : AGENTS[agentId].nameInWorkflow;
}
