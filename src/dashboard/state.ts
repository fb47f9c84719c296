// What the page knows, as signals, and what follows from it. Written by follow.ts only.
import { computed, signal } from "@preact/signals";
import { AGENT_IDS } from "../opal/agents.ts";
import { type RunSummary, summarise } from "../sync/report.ts";
import type { KnownRun } from "../sync/run/state.ts";
import { type RunView, viewRun } from "../sync/run/view.ts";
import type { Overview, QueuedSync } from "../workspace/overview.ts";
import type { Problem } from "./api.ts";
import { isCancelSent } from "./cancel.ts";
import { type Connection, labelConnections } from "./connection.ts";
import { address } from "./location.ts";

/** Null until the first snapshot. */
export const overview = signal<Overview | null>(null);
/** The run that is looked at, folded from its own log; null until its first snapshot. */
export const run = signal<KnownRun | null>(null);
/** Why the run that is looked at cannot be shown. */
export const runProblem = signal<Problem | null>(null);
/** The overview's connection and the run's. */
export const connections = signal<readonly Connection[]>([]);

export const connectionLabel = computed(() => labelConnections(connections.value));

/** The server's time since which nothing may have arrived; null while everything is live. */
export const staleSince = signal<number | null>(null);

/** By address, else the active run, else the newest. */
export const shownSessionId = computed<string | null>(() => {
  if (address.value.page === "run") return address.value.sessionId;
  if (address.value.page === "unknown" || overview.value === null) return null;
  return overview.value.activeSessionId ?? overview.value.runs[0]?.sessionId ?? null;
});

/** The run that is looked at, while it waits for its turn: it has no log yet. */
export const shownQueued = computed<QueuedSync | null>(() => {
  const queued = overview.value?.queued ?? null;
  return queued !== null && queued.sessionId === shownSessionId.value ? queued : null;
});

/** A run that cannot be drawn must not take the button and the list of runs with it; its own part throws this again. */
const drawn = computed<{ readonly view: RunView | null; readonly failure?: unknown }>(() => {
  try {
    return { view: run.value === null ? null : viewRun(run.value) };
  } catch (failure) {
    return { view: null, failure };
  }
});

export const view = computed<RunView | null>(() => drawn.value.view);
export const viewFailure = computed<unknown>(() => drawn.value.failure);

/** The head of the run that is looked at: from its own log, before that from the overview. */
export const summary = computed<RunSummary | null>(() => {
  if (view.value !== null) return summarise(view.value);
  return overview.value?.runs.find((known) => known.sessionId === shownSessionId.value) ?? null;
});

export interface ActiveRun {
  readonly sessionId: string;
  readonly isCancelling: boolean;
  /** OPAL has accepted it. */
  readonly isAccepted: boolean;
  /** Which of its agents is at work, counted from 1. */
  readonly agentAtWork: number;
  /** 0 while nothing has been heard of it. */
  readonly expectedAgents: number;
}

/** The run that keeps others from starting. The run's own log is ahead of the overview, which hears of it later. */
export const activeRun = computed<ActiveRun | null>(() => {
  const shown = view.value;
  const heldBy = overview.value?.activeSessionId ?? null;
  if (shown !== null && (heldBy === null || heldBy === shown.sessionId)) {
    if (!shown.isOver) return describeActive(summarise(shown));
    if (heldBy === shown.sessionId) return null;
  }
  const held = overview.value?.runs.find((known) => known.sessionId === heldBy);
  if (held !== undefined) return held.isOver ? null : describeActive(held);
  // Granted, and not heard of since.
  if (heldBy === null) return null;
  return { sessionId: heldBy, isCancelling: false, isAccepted: false, agentAtWork: 1, expectedAgents: 0 };
});

function describeActive(run: RunSummary): ActiveRun {
  const { sessionId, expectedAgents } = run;
  return {
    sessionId,
    isCancelling: run.isCancelling || isCancelSent(sessionId),
    isAccepted: run.status === "running",
    agentAtWork: agentAtWork(run),
    expectedAgents,
  };
}

/** By its place in the chain where all agents were asked for; else as the one after those that have reported an end. */
export function agentAtWork({ workingAgents, progressPercent, expectedAgents }: RunSummary): number {
  const places = expectedAgents === AGENT_IDS.length ? workingAgents.map((id) => AGENT_IDS.indexOf(id) + 1) : [];
  if (places.length > 0) return Math.max(...places);
  const reportedEnds = Math.ceil((progressPercent * expectedAgents) / 100);
  return Math.min(reportedEnds + 1, expectedAgents);
}
