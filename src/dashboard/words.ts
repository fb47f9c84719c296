// The words, colours and icons of every state: one table each, so that no state is told by colour alone.
import { AGENTS } from "../opal/agents.ts";
import type { Escalation, Fallback } from "../sync/run/state.ts";
import type { AgentView, RunView } from "../sync/run/view.ts";
import type { ConnectionWord } from "./connection.ts";
import { age } from "./format.ts";
import type { IconName } from "./icons.ts";
import type { SyncButton } from "./start.ts";

export type Tone = "quiet" | "active" | "good" | "warn" | "bad";

export interface StateWord {
  readonly word: string;
  readonly tone: Tone;
  readonly icon: IconName;
}

export const RUN_WORDS: Readonly<Record<RunView["status"], StateWord>> = {
  requested: { word: "Requested", tone: "active", icon: "spinner" },
  running: { word: "Running", tone: "active", icon: "spinner" },
  completed: { word: "Completed", tone: "good", icon: "check" },
  partially_completed: { word: "Partially completed", tone: "warn", icon: "partial" },
  failed: { word: "Failed", tone: "bad", icon: "cross" },
  cancelled: { word: "Cancelled", tone: "quiet", icon: "stopped" },
  timed_out: { word: "Timed out", tone: "bad", icon: "clock" },
};

export const CANCELLING: StateWord = { word: "Cancelling", tone: "warn", icon: "spinner" };

export const AGENT_WORDS: Readonly<Record<AgentView["state"], StateWord>> = {
  waiting: { word: "Waiting", tone: "quiet", icon: "waiting" },
  running: { word: "Working", tone: "active", icon: "spinner" },
  rerunning: { word: "Running once more", tone: "active", icon: "spinner" },
  completed: { word: "Completed", tone: "good", icon: "check" },
  failed: { word: "Failed", tone: "bad", icon: "cross" },
  timed_out: { word: "Timed out", tone: "bad", icon: "clock" },
  skipped: { word: "Skipped", tone: "quiet", icon: "skipped" },
};

/** What the button that starts a sync says. */
export function syncButtonWords(button: Exclude<SyncButton, { state: "blocked" }>): string {
  switch (button.state) {
    case "ready":
      return "Start force sync";
    case "starting":
      return "Starting…";
    case "cancelling":
      return "Cancelling…";
    case "running":
      return button.isAccepted
        ? `Running — agent ${button.agentAtWork} of ${button.expectedAgents}`
        : "Running — asking OPAL";
  }
}

/** OPAL may report nothing before an agent's end, so an agent whose turn has come need not have said so. */
const EXPECTED: StateWord = { word: "Report awaited", tone: "active", icon: "waiting" };

export function runWord({ status, isOver }: Pick<RunView, "status" | "isOver">, isCancelling: boolean): StateWord {
  return isCancelling && !isOver ? CANCELLING : RUN_WORDS[status];
}

export function agentWord(agent: Pick<AgentView, "state" | "deadlineAt">): StateWord {
  return agent.state === "waiting" && agent.deadlineAt !== null ? EXPECTED : AGENT_WORDS[agent.state];
}

/** Why an agent gave no good result. The reasons are the run's own, which travel as text. */
const AGENT_REASONS: Readonly<Record<string, string>> = {
  reported_failure: "OPAL reported a failure",
  reported_timeout: "OPAL reported a time-out",
  no_result: "Gave no result",
  invalid_result: "Result of an unknown form",
  credential_refused: "A credential was refused to it",
};

const OVER_ITS_LIMIT = "No result within its limit";

/** While it runs once more: what it was given up for before. */
export function agentReason({ state, reason, startedAt }: AgentView): string | null {
  if (state === "timed_out") return OVER_ITS_LIMIT;
  if (state === "skipped") return startedAt === null ? "Never started" : "The run ended first";
  if (reason !== null) return AGENT_REASONS[reason] ?? reason;
  return state === "rerunning" ? OVER_ITS_LIMIT : null;
}

/** `at`: when it had to stand in; it does not get older with whoever looks at it later. */
export function cachedWords({ result, resultAt }: Fallback, at: number): string {
  const lowered = result.confidence === null ? "" : "; confidence lowered";
  return `From an earlier run, ${age(at - resultAt)} old${lowered}`;
}

/** What people have to look at. */
export function escalationWords({ because, agentId, count }: Escalation): string {
  const agent = agentId === null ? "An agent" : AGENTS[agentId].name;
  switch (because) {
    case "agent_timeouts_in_a_row":
      return `${agent} went over its limit in ${count} runs in a row.`;
    case "invalid_results":
      return `More than half of the agents, ${count} of them, gave a result of an unknown form.`;
    case "credential_refused":
      return agentId === null ? "OPAL refused a credential." : `A credential was refused to ${agent}.`;
  }
}

export const CONNECTION_WORDS: Readonly<Record<ConnectionWord, Omit<StateWord, "icon">>> = {
  connecting: { word: "Connecting…", tone: "quiet" },
  live: { word: "Live", tone: "good" },
  reconnecting: { word: "Reconnecting", tone: "warn" },
  offline: { word: "Offline", tone: "bad" },
};

/** OPAL's side of a run that it has accepted. What it makes of a cancelled one nobody here knows any more. */
export const OPAL_WORDS: Readonly<Record<RunView["status"], string>> = {
  requested: "Initiated",
  running: "In progress",
  completed: "Completed",
  partially_completed: "Completed",
  failed: "Failed",
  cancelled: "Not followed",
  timed_out: "Failed",
};

const SCOPE_NAMES: Readonly<Record<string, string>> = {
  quick: "Quick sync",
  full: "Full sync",
  priority_platforms: "Priority platforms sync",
  odp_only: "ODP sync",
  content_platforms: "Content platforms sync",
  unknown: "Sync started by OPAL",
};

/** Scopes travel as text; one that nobody here knows is shown as it came. */
export function scopeName(scope: string): string {
  return SCOPE_NAMES[scope] ?? `Sync of ${scope}`;
}
