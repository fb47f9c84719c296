// The words, colours and icons of every state: one table each, so that no state is told by colour alone.
import type { AgentView, RunView } from "../sync/run/view.ts";
import type { ConnectionWord } from "./connection.ts";
import type { IconName } from "./icons.ts";

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
  completed: { word: "Completed", tone: "good", icon: "check" },
  failed: { word: "Failed", tone: "bad", icon: "cross" },
  timed_out: { word: "Timed out", tone: "bad", icon: "clock" },
  skipped: { word: "Skipped", tone: "quiet", icon: "skipped" },
};

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
};

export function agentReason({ state, reason, startedAt }: AgentView): string | null {
  if (state === "timed_out") return "No result within its limit";
  if (state === "skipped") return startedAt === null ? "Never started" : "The run ended first";
  return reason === null ? null : (AGENT_REASONS[reason] ?? reason);
}

export const CONNECTION_WORDS: Readonly<Record<ConnectionWord, Omit<StateWord, "icon">>> = {
  connecting: { word: "Connecting…", tone: "quiet" },
  live: { word: "Live", tone: "good" },
  reconnecting: { word: "Reconnecting", tone: "warn" },
  offline: { word: "Offline", tone: "bad" },
};

/** OPAL's side of the run, in the API's four words. */
export const OPAL_WORDS: Readonly<Record<"initiated" | "in_progress" | "completed" | "failed", string>> = {
  initiated: "Initiated",
  in_progress: "In progress",
  completed: "Completed",
  failed: "Failed",
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
