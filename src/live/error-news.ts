// What went wrong in a run, as the feed says it: what it concerns, how bad it is, and what is or can be done about it.
import { AGENTS, type AgentId } from "../opal/agents.ts";
import type { RunEvent } from "../sync/run/events.ts";
import type { KnownRun } from "../sync/run/state.ts";
import { describeFailure, isRetriable, viewRun } from "../sync/run/view.ts";
import type { LiveEvent, Priority } from "./event.ts";
import { eventAbout } from "./subject.ts";

type RecoveryAction = "retry_call" | "cached_data" | "rerun";

interface Trouble {
  readonly type: string;
  readonly message: string;
  readonly agents: readonly AgentId[];
  readonly severity: Priority;
  readonly isForPeople: boolean;
  readonly steps: readonly string[];
  readonly recovery: RecoveryAction | null;
}

/** `after` is the run as `event` left it, `next` what follows it in the log as far as it is known yet. */
export function errorNews(event: RunEvent, after: KnownRun, next: readonly RunEvent[]): LiveEvent[] {
  const trouble = troubleIn(event, after, next);
  if (trouble === undefined) return [];
  const { type, message, agents, severity, isForPeople, steps, recovery } = trouble;
  const [only, ...others] = agents;
  return [
    eventAbout(after, event.at, {
      name: "error_notification",
      priority: severity,
      agentId: others.length === 0 ? only : null,
      data: {
        error_type: type,
        error_message: message,
        affected_agents: agents,
        severity,
        action_required: isForPeople,
        resolution_steps: steps,
        recovery_action: recovery,
      },
    }),
  ];
}

const LOOK_AT_AGENT = "Look at the agent's execution in OPAL.";
const RETRY_LATER = "Retry the run for the missing agents when it has ended.";
const CHECK_CREDENTIAL = ["Check or replace the credential that is named.", "Resume the run."];

function troubleIn(event: RunEvent, run: KnownRun, next: readonly RunEvent[]): Trouble | undefined {
  switch (event.type) {
    case "attempt_failed":
      return event.failure === "aborted" ? undefined : failedCall(event);
    case "agent_failed":
      return agentTrouble(event, run, next, `agent_${event.reason}`, FAILURE_WORDS[event.reason]);
    case "agent_timed_out":
      return agentTrouble(event, run, next, "agent_timed_out", `is over its limit of ${event.limitMs / 1000} s.`);
    case "agent_gave_no_result":
      return agentTrouble(event, run, next, "agent_no_result", "gave no result before the workflow was over.");
    case "result_quarantined":
      return agentTrouble(event, run, next, "invalid_result", "handed over a result of a shape nobody knows.");
    case "credential_refused":
      return {
        ...forPeople("credential_refused", `${event.credential} was not accepted.`, CHECK_CREDENTIAL),
        agents: event.agentId === null ? [] : [event.agentId],
        severity: "critical",
      };
    case "escalated":
      return event.because === "credential_refused" ? undefined : escalation(event);
    case "double_started": {
      const steps = ["Compare the run's workflows in OPAL and stop the one that is too many."];
      return forPeople("double_started", `OPAL started a second workflow for this run: ${event.remoteId}.`, steps);
    }
    case "ended":
      return endTrouble(event.status, run);
    default:
      return undefined;
  }
}

const FAILURE_WORDS = {
  reported_failure: "reported a failure.",
  reported_timeout: "reported a time-out.",
  credential_refused: "was refused a credential.",
} as const;

function forPeople(type: string, message: string, steps: readonly string[]): Trouble {
  return { type, message, agents: [], severity: "high", isForPeople: true, steps, recovery: null };
}

function failedCall(event: Extract<RunEvent, { type: "attempt_failed" }>): Trouble {
  const { failure, httpStatus, retryAt, attempt } = event;
  const message = `Call ${attempt} to OPAL failed: ${describeFailure(failure, httpStatus)}.`;
  if (retryAt === null) {
    return { ...forPeople(`opal_${failure}`, message, ["Check that OPAL can be reached and is configured."]) };
  }
  const rest = { agents: [], steps: [], isForPeople: false, recovery: "retry_call" } as const;
  return { type: `opal_${failure}`, message, severity: "medium", ...rest };
}

/** An agent that has its result all the same is in no trouble. */
function agentTrouble(
  event: Extract<RunEvent, { agentId: AgentId }> & { readonly seq: number },
  run: KnownRun,
  next: readonly RunEvent[],
  type: string,
  words: string,
): Trouble | undefined {
  const { agentId, seq } = event;
  if (run.agents[agentId] === undefined || run.agents[agentId].state === "completed") return undefined;
  const recovery = recoveryFrom(seq, next);
  return {
    type,
    message: `${AGENTS[agentId].name} ${words}`,
    agents: [agentId],
    severity: recovery === null ? "high" : "medium",
    isForPeople: recovery === null,
    steps: recovery === null ? [LOOK_AT_AGENT, RETRY_LATER] : [],
    recovery,
  };
}

function recoveryFrom(seq: number, next: readonly RunEvent[]): RecoveryAction | null {
  const taken = next.filter((event) => event.causedBy === seq).map(({ type }) => type);
  if (taken.includes("rerun_requested")) return "rerun";
  return taken.includes("fallback_used") ? "cached_data" : null;
}

function escalation({ because, agentId, count }: Extract<RunEvent, { type: "escalated" }>): Trouble {
  const name = agentId === null ? "An agent" : AGENTS[agentId].name;
  const message =
    because === "agent_timeouts_in_a_row"
      ? `${name} was over its limit in ${count} runs in a row.`
      : `${count} results of this run are of a shape nobody knows.`;
  const steps =
    because === "agent_timeouts_in_a_row"
      ? [LOOK_AT_AGENT, "Give it more time, or run without it until it is well."]
      : ["Look at the quarantined results.", "Read the run's deliveries again once their shape is known."];
  return { ...forPeople(because, message, steps), agents: agentId === null ? [] : [agentId] };
}

function endTrouble(status: Extract<RunEvent, { type: "ended" }>["status"], run: KnownRun): Trouble | undefined {
  if (status !== "failed" && status !== "timed_out") return undefined;
  const { message, agents } = viewRun(run);
  const missing = agents.filter(({ state }) => state !== "completed").map(({ id }) => id);
  const steps = isRetriable(run) ? ["Look at why the run ended so.", "Retry it."] : ["Look at the workflow in OPAL."];
  return { ...forPeople(`workflow_${status}`, message, steps), agents: missing, severity: "critical" };
}
