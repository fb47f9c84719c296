// Which event each part of a run rests on, so that a later event can name its cause.
import type { AgentId } from "../../opal/agents.ts";
import type { RunEvent } from "./events.ts";
import type { KnownRun, Marks } from "./state.ts";

export function nextMarks(run: KnownRun, event: RunEvent): Marks {
  const { marks } = run;
  const { seq } = event;
  const about = agentsOf(event);
  const agents =
    about.length === 0 ? marks.agents : { ...marks.agents, ...Object.fromEntries(about.map((id) => [id, seq])) };
  switch (event.type) {
    case "attempt_started":
      return { ...marks, attempt: seq, wait: null };
    case "attempt_failed":
      return { ...marks, attempt: seq };
    case "attempt_postponed":
    case "wait_ended":
      return { ...marks, attempt: seq, wait: seq };
    case "attempt_accepted":
    case "accepted_by_delivery":
      return { ...marks, attempt: seq, accepted: marks.accepted ?? seq };
    case "delivery_recorded":
      return { ...marks, delivery: seq };
    case "workflow_over":
      return { ...marks, closing: marks.closing ?? seq };
    case "cancel_requested":
      return { ...marks, cancel: marks.cancel ?? seq };
    default:
      return about.length === 0 ? marks : { ...marks, agents };
  }
}

/** The agents whose state the event changes. */
export function agentsOf(event: RunEvent): readonly AgentId[] {
  switch (event.type) {
    case "agent_started":
    case "agent_completed":
    case "agent_failed":
    case "result_quarantined":
    case "agent_timed_out":
    case "agent_gave_no_result":
    case "fallback_used":
    case "agent_corrected":
      return [event.agentId];
    case "rerun_requested":
    case "rerun_over":
      return event.agents;
    default:
      return [];
  }
}
