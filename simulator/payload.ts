// One webhook body, in the `execution_status` form.

import type { AgentPlan } from "./plan.ts";
import type { ExecutionStatus, Run } from "./records.ts";

export interface Report {
  readonly plan: AgentPlan;
  readonly status: ExecutionStatus;
  readonly agentData: object;
  /** Since the agent's start, as it really passed; absent until it has ended. */
  readonly durationMs?: number;
  readonly dataSources: readonly string[];
}

export function payload(run: Run, report: Report, at: Date): Buffer {
  const { plan, status, durationMs } = report;
  const position = run.agents.findIndex((agent) => agent.agentId === plan.agentId) + 1;
  return Buffer.from(
    JSON.stringify({
      workflow_id: run.workflowId,
      execution_id: `${run.workflowId.replace("opal-wf-", "exec-")}-${position}`,
      execution_status: status,
      agent_id: plan.spelling,
      agent_data: report.agentData,
      // As OPAL writes it where its workflow has both ways to report.
      ...(run.faults.deliver === "mixed" && { offset: null }),
      metadata: {
        timestamp: at.toISOString(),
        ...(durationMs !== undefined && { execution_duration_ms: durationMs }),
        ...(status === "completed" && { confidence_score: plan.confidence }),
        ...(status === "failed" && plan.fault.errorCode !== undefined && { error_code: plan.fault.errorCode }),
        data_sources: report.dataSources,
      },
      ...(run.correlationId !== null && !run.faults.omitCorrelationId && { correlation_id: run.correlationId }),
    }),
  );
}
