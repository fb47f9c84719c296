// Why is it so? From the event that made a run or an agent what it is, back along the causes to what came from outside.
import type { AgentId } from "../../opal/agents.ts";
import type { RunEvent } from "./events.ts";
import { agentsOf } from "./marks.ts";
import { RULES, type RuleId } from "./rules.ts";

export interface Step {
  readonly seq: number;
  readonly at: number;
  readonly type: RunEvent["type"];
  readonly rule: RuleId;
  readonly explanation: string;
  readonly event: RunEvent;
}

/** What decides the status of a run, the most decisive first. Of each the first one counts: a run ends, is cancelled and is accepted once. */
const STATUS_EVENTS: readonly (readonly RunEvent["type"][])[] = [
  ["ended"],
  ["cancel_requested"],
  ["attempt_accepted", "accepted_by_delivery"],
  ["requested", "adopted"],
];

/** The latest first: what is asked about, then what led to it. Empty when the log says nothing of it yet. */
export function explainRun(events: readonly RunEvent[]): readonly Step[] {
  for (const types of STATUS_EVENTS) {
    const decisive = events.find((event) => types.includes(event.type));
    if (decisive) return chain(events, (event) => event === decisive);
  }
  return [];
}

/** As `explainRun`, for one agent; an agent that nothing has happened to is explained by the run's first event. */
export function explainAgent(events: readonly RunEvent[], agentId: AgentId): readonly Step[] {
  const steps = chain(events, (event) => agentsOf(event).includes(agentId));
  return steps.length > 0 ? steps : chain(events.slice(0, 1), () => true);
}

function chain(events: readonly RunEvent[], isAbout: (event: RunEvent) => boolean): readonly Step[] {
  const bySeq = new Map(events.map((event) => [event.seq, event]));
  const steps: Step[] = [];
  let event = events.findLast(isAbout);
  while (event !== undefined) {
    const { seq, at, type, rule, causedBy } = event;
    steps.push({ seq, at, type, rule, explanation: RULES[rule], event });
    // A cause is always earlier, so the chain ends.
    event = causedBy === null || causedBy >= seq ? undefined : bySeq.get(causedBy);
  }
  return steps;
}
