// A replay in the API's words: what was read differently, what that leads to, and whether everything agrees.

import type { RunCheck } from "../operations/run-check.ts";
import { iso } from "../platform/iso.ts";
import type { RunEvent } from "../sync/run/events.ts";
import type { KnownRun } from "../sync/run/state.ts";
import { viewRun } from "../sync/run/view.ts";
import type { Examination } from "./replay.ts";

/** Differences in one answer; the consistency command lists all of them. */
const DIFFERENCES_SHOWN = 100;

export interface Replayed {
  readonly examination: Examination;
  readonly isDryRun: boolean;
  readonly before: KnownRun;
  readonly after: KnownRun;
  /** That were written, or would be. */
  readonly events: readonly RunEvent[];
  readonly isStateFold: boolean;
  /** Undefined when D1 did not answer. */
  readonly check: RunCheck | undefined;
}

export function replayAnswer({ examination, isDryRun, before, after, events, isStateFold, check }: Replayed) {
  const { sessionId, workflowId } = before.request;
  const verdicts = new Map(
    events.flatMap((event) => (event.type === "reprocessed" ? [[event.deliveryId, event.verdict]] : [])),
  );
  return {
    success: true as const,
    dry_run: isDryRun,
    session_id: sessionId,
    workflow_id: workflowId,
    examined: examination.examined,
    unchanged: examination.unchanged,
    skipped: examination.skipped,
    not_comparable: examination.notComparable,
    unreadable: examination.unreadable.map(({ stored, why }) => ({
      offset: stored.offset,
      delivery_id: stored.deliveryId,
      received_at: iso(stored.receivedAt),
      reason: why,
    })),
    changed: examination.changed.map(({ stored, reading }) => ({
      offset: stored.offset,
      delivery_id: stored.deliveryId,
      received_at: iso(stored.receivedAt),
      was: { verdict: stored.verdict, reading: stored.reading },
      now: { verdict: verdicts.get(stored.deliveryId) ?? null, reading },
    })),
    events: events.map(eventFacts),
    state: { before: stateOf(before), after: stateOf(after), matches_log: isStateFold },
    read_model: readModelAnswer(check),
    next_offset: examination.nextOffset,
  };
}

function readModelAnswer(check: RunCheck | undefined) {
  if (check === undefined) return { checked: false as const, reason: "The read model does not answer." };
  const { rows, differences } = check;
  return { checked: true as const, rows, differences: differences.slice(0, DIFFERENCES_SHOWN) };
}

function stateOf(run: KnownRun) {
  const { status, agents } = viewRun(run);
  return { status, agents: Object.fromEntries(agents.map(({ id, state }) => [id, state])) };
}

/** What happened to whom; the log itself says it all. */
function eventFacts(event: RunEvent) {
  const { seq, type, rule } = event;
  return {
    ...{ seq, type, rule },
    ...("agentId" in event && event.agentId ? { agent_id: event.agentId } : {}),
    ...("deliveryId" in event ? { delivery_id: event.deliveryId } : {}),
    ...(event.type === "reprocessed" ? { verdict: event.verdict } : {}),
    ...(event.type === "agent_corrected" ? { outcome: event.outcome } : {}),
    ...(event.type === "ended" ? { status: event.status } : {}),
  };
}
