// The log of a run in the API's words: its events with what each changed, what it looked like then, and why.
import type { AgentId } from "../opal/agents.ts";
import type { ChangingEvent } from "./run/changes.ts";
import type { RunEvent } from "./run/events.ts";
import type { Step } from "./run/explain.ts";
import { RULES } from "./run/rules.ts";
import type { Run } from "./run/state.ts";

/** One event in an envelope that event consumers know, beside the event as the log has it. */
export function eventAnswer({ event, changed, run }: ChangingEvent) {
  const request = run.status === "absent" ? undefined : run.request;
  const eventId = (seq: number) => `${request?.sessionId ?? "unknown"}.${seq}`;
  return {
    ...event,
    event_id: eventId(event.seq),
    event_type: event.type,
    timestamp: new Date(event.at).toISOString(),
    correlation_id: request?.correlationId ?? null,
    causation_id: event.causedBy === null ? null : eventId(event.causedBy),
    explanation: RULES[event.rule],
    changed,
    published: published(event, run),
  };
}

/** The two events that other systems subscribe to by name and version; null for every other one. */
function published(event: RunEvent, run: Run) {
  if (run.status === "absent") return null;
  const { workflowId, source, priority, workflow } = run.request;
  switch (event.type) {
    case "requested":
      return {
        name: "orchestration.workflow_triggered@1",
        workflow_id: workflowId,
        trigger_source: source,
        agents_scheduled: workflow.agents.map((agent) => agent.id),
        priority,
      };
    case "agent_completed":
    case "agent_failed":
    case "result_quarantined":
      return agentPublished(event, workflowId, run.agents[event.agentId]);
    default:
      return null;
  }
}

function agentPublished(
  event: Extract<RunEvent, { type: "agent_completed" | "agent_failed" | "result_quarantined" }>,
  workflowId: string,
  agent: Exclude<Run, { status: "absent" }>["agents"][AgentId],
) {
  const { agentId, result } = event;
  const isEnded = agent?.state === "completed" || agent?.state === "failed";
  const startedAt = isEnded ? agent.startedAt : null;
  return {
    name: "orchestration.agent.completed@1",
    workflow_id: workflowId,
    agent_id: agentId,
    success: event.type === "agent_completed",
    result_id: result.bytes > 0 ? result.bodyId : null,
    execution_time_ms: isEnded && startedAt !== null ? agent.endedAt - startedAt : null,
    metadata: {
      ...(event.type === "agent_completed" ? {} : { error_message: failureOf(event) }),
      output_size_bytes: result.bytes,
    },
  };
}

function failureOf(event: Extract<RunEvent, { type: "agent_failed" | "result_quarantined" }>): string {
  return event.type === "agent_failed" ? event.reason : "invalid_result";
}

/** Why it is so, the latest first. */
export function whyAnswer(sessionId: string, about: AgentId | undefined, state: string | null, steps: readonly Step[]) {
  return {
    success: true as const,
    session_id: sessionId,
    about: about ?? "run",
    state,
    chain: steps.map(({ seq, at, type, rule, explanation, event }) => ({
      seq,
      at: new Date(at).toISOString(),
      event_type: type,
      rule,
      explanation,
      event,
    })),
  };
}
