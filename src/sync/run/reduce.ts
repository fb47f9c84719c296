// state + event > state. Total: it never refuses and never throws, so that any log can be replayed.
import * as agents from "./agents.ts";
import type { EventOf, RunEvent } from "./events.ts";
import { nextMarks } from "./marks.ts";
import type { ResultReference } from "./request.ts";
import {
  type Agent,
  type AttachedResult,
  type Attempt,
  type EndedRun,
  isActive,
  isCallWanted,
  isEnded,
  type KnownRun,
  NO_RUN,
  type Rerun,
  type Run,
} from "./state.ts";

export function fold(events: Iterable<RunEvent>, from: Run = NO_RUN): Run {
  let run = from;
  for (const event of events) run = reduce(run, event);
  return run;
}

export function reduce(run: Run, event: RunEvent): Run {
  if (run.status === "absent") return begin(event);
  const next = agents.settleReruns(apply(run, event), event.at);
  const postponed = isCallWanted(next) ? next.postponed : null;
  return { ...next, postponed, seq: event.seq, updatedAt: event.at, marks: nextMarks(run, event) };
}

function begin(event: RunEvent): Run {
  if (event.type !== "requested" && event.type !== "adopted") return NO_RUN;
  const { type: _type, seq, at, version: _version, rule: _rule, causedBy: _causedBy, ...facts } = event;
  const base = {
    seq,
    requestedAt: at,
    updatedAt: at,
    attempts: [],
    postponed: null,
    doubleStarts: 0,
    agents: Object.fromEntries(event.workflow.agents.map(({ id }) => [id, { state: "waiting" } satisfies Agent])),
    reruns: [],
    reportedEnds: [],
    phase: 0,
    unrequested: [],
    deliveries: { processed: 0, late: 0, ignored: 0, quarantined: 0 },
    lastDeliveryAt: null,
    escalations: [],
    credential: null,
    cancelRequestedAt: null,
    marks: { accepted: null, attempt: null, wait: null, delivery: null, closing: null, cancel: null, agents: {} },
  } as const;
  if (!("remoteId" in facts)) return { ...base, request: facts, status: "requested", origin: "ours", remoteIds: [] };
  const { remoteId, ...request } = facts;
  const running = { status: "running", origin: "foreign", acceptedAt: at, closingSince: null } as const;
  return { ...base, ...running, request, remoteIds: [remoteId], marks: { ...base.marks, accepted: seq } };
}

function apply(run: KnownRun, event: RunEvent): KnownRun {
  switch (event.type) {
    case "requested":
    case "adopted":
      return run;
    case "attempt_postponed":
      return { ...run, postponed: { until: event.until, because: event.because } };
    case "wait_ended":
      return { ...run, postponed: null };
    case "attempt_started":
      return {
        ...run,
        postponed: null,
        attempts: [
          ...run.attempts,
          { state: "calling", attempt: event.attempt, rerun: event.rerun, startedAt: event.at },
        ],
      };
    case "attempt_failed":
      return closeAttempt(run, event.attempt, (open) => ({
        ...open,
        state: "failed",
        endedAt: event.at,
        failure: event.failure,
        httpStatus: event.httpStatus,
        retryAt: event.retryAt,
      }));
    case "attempt_accepted":
      return attemptAccepted(run, event);
    case "accepted_by_delivery":
      return accepted(run, event.rerun, event.at);
    case "remote_bound":
      return remoteBound(run, event);
    case "double_started":
      return { ...run, doubleStarts: run.doubleStarts + 1 };
    case "delivery_recorded":
      return {
        ...run,
        deliveries: { ...run.deliveries, [event.verdict]: run.deliveries[event.verdict] + 1 },
        lastDeliveryAt: Math.max(run.lastDeliveryAt ?? 0, event.at),
      };
    case "agent_started":
      return agents.started(run, event.agentId, event.at);
    case "agent_completed":
      return closing(agents.completed(run, event), event);
    case "agent_failed":
    case "result_quarantined":
      return closing(agents.failed(run, event), event);
    case "agent_timed_out":
      return agents.timedOut(run, event);
    case "agent_gave_no_result":
      return agents.gaveNoResult(run, event);
    case "fallback_used":
      return agents.fallbackUsed(run, event);
    case "rerun_requested":
      return agents.rerunRequested(run, event);
    case "rerun_closing":
      return withRerun(run, event.rerun, (known) => ({ ...known, closingSince: known.closingSince ?? event.at }));
    case "rerun_over":
      return agents.rerunOver(run, event.rerun);
    case "escalated": {
      const { because, agentId, count, at } = event;
      return { ...run, escalations: [...run.escalations, { because, agentId, count, at }] };
    }
    case "credential_refused": {
      const { credential, fingerprint, httpStatus, agentId, at } = event;
      return { ...run, credential: { credential, fingerprint, httpStatus, agentId, at } };
    }
    case "unrequested_result":
      return { ...run, unrequested: withLatest(run.unrequested, event) };
    case "result_attached":
      return isEnded(run)
        ? { ...run, attached: withLatest(run.attached, event), attachedCount: run.attachedCount + 1 }
        : run;
    case "workflow_over":
      return run.status === "running" ? { ...run, closingSince: run.closingSince ?? event.at } : run;
    case "cancel_requested":
      return isActive(run) ? { ...run, cancelRequestedAt: run.cancelRequestedAt ?? event.at } : run;
    case "ended":
      return isActive(run) ? ended(run, event) : run;
    case "retried":
      return isEnded(run) ? { ...run, retriedAs: [...run.retriedAs, retriedAs(event)] } : run;
    case "reprocessed": {
      const { was, verdict } = event;
      const without = { ...run.deliveries, [was]: Math.max(0, run.deliveries[was] - 1) };
      return { ...run, deliveries: { ...without, [verdict]: without[verdict] + 1 } };
    }
    case "agent_corrected":
      return agents.corrected(run, event);
    default:
      return unknown(run, event);
  }
}

/** The log keeps every one of these results; the state only the last of each agent, so that it cannot grow for ever. */
function withLatest(
  known: readonly AttachedResult[],
  { agentId, result, at }: { agentId: AttachedResult["agentId"]; result: ResultReference; at: number },
): readonly AttachedResult[] {
  return [...known.filter((other) => other.agentId !== agentId), { agentId, result, at }];
}

/** Keeps the list of cases complete; an event type that this code does not know is refused where the log is read. */
function unknown(run: KnownRun, _event: never): KnownRun {
  return run;
}

type OpenAttempt = Extract<Attempt, { state: "calling" }>;

function closeAttempt(run: KnownRun, number: number, close: (open: OpenAttempt) => Attempt): KnownRun {
  return {
    ...run,
    attempts: run.attempts.map((attempt) =>
      attempt.state === "calling" && attempt.attempt === number ? close(attempt) : attempt,
    ),
  };
}

function attemptAccepted(run: KnownRun, event: EventOf<"attempt_accepted"> & { at: number }): KnownRun {
  const { attempt: number, at: endedAt, httpStatus } = event;
  const open = run.attempts.find((attempt) => attempt.attempt === number && attempt.state === "calling");
  const closed = closeAttempt(run, number, (known) => ({ ...known, state: "accepted", endedAt, httpStatus }));
  return open === undefined ? closed : accepted(closed, open.rerun, endedAt);
}

function accepted(run: KnownRun, rerun: number | null, at: number): KnownRun {
  if (rerun !== null) {
    return withRerun(run, rerun, (known) => ({ ...known, acceptedAt: known.acceptedAt ?? at }));
  }
  return run.status === "requested" ? { ...run, status: "running", acceptedAt: at, closingSince: null } : run;
}

function remoteBound(run: KnownRun, { remoteId, rerun }: EventOf<"remote_bound">): KnownRun {
  if (run.remoteIds.includes(remoteId)) return run;
  const bound = { ...run, remoteIds: [...run.remoteIds, remoteId] };
  return rerun === null ? bound : withRerun(bound, rerun, (known) => ({ ...known, remoteId }));
}

function withRerun(run: KnownRun, number: number, change: (rerun: Rerun) => Rerun): KnownRun {
  return { ...run, reruns: run.reruns.map((rerun) => (rerun.rerun === number ? change(rerun) : rerun)) };
}

function retriedAs({ bySessionId, attempt, how, actor, at }: EventOf<"retried"> & { at: number }) {
  return { sessionId: bySessionId, attempt, how, actor, at };
}

function ended(run: Exclude<KnownRun, EndedRun>, event: EventOf<"ended"> & { at: number }): EndedRun {
  const { cancelRequestedAt: _cancel, status, ...rest } = run;
  const acceptedAt = run.status === "running" ? run.acceptedAt : null;
  const { closingSince: _closing, ...base } = { closingSince: null, ...rest };
  return {
    ...base,
    status: event.status,
    acceptedAt,
    postponed: null,
    agents: agents.withoutReruns(run),
    endedAt: event.at,
    reason: event.reason,
    attached: [],
    attachedCount: 0,
    retriedAs: [],
  };
}

/** In a chain, the last agent's report says that the workflow is over. */
function closing(run: KnownRun, event: { agentId: AttachedResult["agentId"]; at: number }): KnownRun {
  const { order, agents: planned } = run.request.workflow;
  const isLast = order === "sequence" && planned.at(-1)?.id === event.agentId;
  return run.status === "running" && isLast ? { ...run, closingSince: run.closingSince ?? event.at } : run;
}
