// state + event > state. Total: it never refuses and never throws, so that any log can be replayed.
import type { AgentId } from "../../opal/agents.ts";
import type { EventBody, ResultReference, RunEvent } from "./events.ts";
import {
  type Agent,
  type AttachedResult,
  type Attempt,
  type EndedRun,
  isActive,
  isEnded,
  type KnownRun,
  NO_RUN,
  type Run,
} from "./state.ts";

export function fold(events: Iterable<RunEvent>, from: Run = NO_RUN): Run {
  let run = from;
  for (const event of events) run = reduce(run, event);
  return run;
}

export function reduce(run: Run, event: RunEvent): Run {
  if (run.status === "absent") return begin(event);
  return { ...apply(run, event), seq: event.seq, updatedAt: event.at };
}

function begin(event: RunEvent): Run {
  if (event.type !== "requested" && event.type !== "adopted") return NO_RUN;
  const { workspace, sessionId, correlationId, workflowId, scope, client, actor, workflow, limits } = event;
  const base = {
    seq: event.seq,
    request: { workspace, sessionId, correlationId, workflowId, scope, client, actor, workflow, limits },
    requestedAt: event.at,
    updatedAt: event.at,
    attempts: [],
    doubleStarts: 0,
    agents: Object.fromEntries(workflow.agents.map((agent) => [agent.id, { state: "waiting" } satisfies Agent])),
    reportedEnds: [],
    phase: 0,
    unrequested: [],
    deliveries: { processed: 0, late: 0, ignored: 0, quarantined: 0 },
    lastDeliveryAt: null,
    cancelRequestedAt: null,
  } as const;
  return event.type === "requested"
    ? { ...base, status: "requested", origin: "ours", remoteIds: [] }
    : {
        ...base,
        status: "running",
        origin: "foreign",
        remoteIds: [event.remoteId],
        acceptedAt: event.at,
        closingSince: null,
      };
}

function apply(run: KnownRun, event: RunEvent): KnownRun {
  switch (event.type) {
    case "requested":
    case "adopted":
      return run;
    case "attempt_started":
      return { ...run, attempts: [...run.attempts, { state: "calling", attempt: event.attempt, startedAt: event.at }] };
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
      return accepted(
        closeAttempt(run, event.attempt, (open) => ({
          ...open,
          state: "accepted",
          endedAt: event.at,
          httpStatus: event.httpStatus,
        })),
        event.at,
      );
    case "accepted_by_delivery":
      return accepted(run, event.at);
    case "remote_bound":
      return run.remoteIds.includes(event.remoteId) ? run : { ...run, remoteIds: [...run.remoteIds, event.remoteId] };
    case "double_started":
      return { ...run, doubleStarts: run.doubleStarts + 1 };
    case "delivery_recorded":
      return {
        ...run,
        deliveries: { ...run.deliveries, [event.verdict]: run.deliveries[event.verdict] + 1 },
        lastDeliveryAt: Math.max(run.lastDeliveryAt ?? 0, event.at),
      };
    case "agent_started":
      return withSignOfLife(
        withAgent(run, event.agentId, (agent) => started(agent, event.at)),
        event.agentId,
      );
    case "agent_completed":
      return closing(
        reportedEnd(
          withAgent(run, event.agentId, (agent) => completed(agent, event)),
          event.agentId,
        ),
        event,
      );
    case "agent_failed":
      return closing(
        reportedEnd(
          withAgent(run, event.agentId, (agent) => failed(agent, event)),
          event.agentId,
        ),
        event,
      );
    case "agent_timed_out":
      return withAgent(run, event.agentId, (agent) => timedOut(agent, event));
    case "agent_gave_no_result":
      return withAgent(run, event.agentId, (agent) =>
        agent.state === "waiting" || agent.state === "running"
          ? { state: "failed", startedAt: startOf(agent), endedAt: event.at, reason: "no_result", result: null }
          : agent,
      );
    case "unrequested_result":
      return {
        ...run,
        unrequested: withLatest(run.unrequested, event),
      };
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
    default:
      return unknown(run, event);
  }
}

/** The log keeps every one of these results; the state only the last of each agent, so that it cannot grow for ever. */
function withLatest(
  known: readonly AttachedResult[],
  { agentId, result, at }: { agentId: AgentId; result: ResultReference; at: number },
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

function accepted(run: KnownRun, at: number): KnownRun {
  return run.status === "requested" ? { ...run, status: "running", acceptedAt: at, closingSince: null } : run;
}

function ended(
  run: Exclude<KnownRun, EndedRun>,
  event: Extract<EventBody, { type: "ended" }> & { at: number },
): EndedRun {
  const { cancelRequestedAt: _cancel, status, ...rest } = run;
  const acceptedAt = run.status === "running" ? run.acceptedAt : null;
  const { closingSince: _closing, ...base } = { closingSince: null, ...rest };
  return {
    ...base,
    status: event.status,
    acceptedAt,
    endedAt: event.at,
    reason: event.reason,
    attached: [],
    attachedCount: 0,
  };
}

function withAgent(run: KnownRun, id: AgentId, change: (agent: Agent) => Agent): KnownRun {
  const agent = run.agents[id];
  return agent === undefined ? run : { ...run, agents: { ...run.agents, [id]: change(agent) } };
}

function startOf(agent: Agent): number | null {
  return agent.state === "waiting" ? null : agent.startedAt;
}

function started(agent: Agent, at: number): Agent {
  switch (agent.state) {
    case "waiting":
      return { state: "running", startedAt: at };
    case "running":
      return agent;
    default:
      return { ...agent, startedAt: agent.startedAt ?? Math.min(at, agent.endedAt) };
  }
}

function completed(agent: Agent, event: { at: number; result: ResultReference }): Agent {
  if (agent.state === "completed") {
    return isNewer(event.result, agent.result) ? { ...agent, result: event.result } : agent;
  }
  const late = agent.state === "timed_out" || (agent.state === "failed" && agent.reason === "no_result");
  return { state: "completed", startedAt: startOf(agent), endedAt: event.at, result: event.result, late };
}

function failed(
  agent: Agent,
  event: { at: number; reason: "reported_failure" | "reported_timeout"; result: ResultReference },
): Agent {
  if (agent.state === "completed") return agent;
  if (agent.state === "failed" && agent.result !== null) {
    return isNewer(event.result, agent.result) ? { ...agent, reason: event.reason, result: event.result } : agent;
  }
  return { state: "failed", startedAt: startOf(agent), endedAt: event.at, reason: event.reason, result: event.result };
}

function timedOut(agent: Agent, event: { at: number; limitMs: number }): Agent {
  return agent.state === "waiting" || agent.state === "running"
    ? { state: "timed_out", startedAt: startOf(agent), endedAt: event.at, limitMs: event.limitMs }
    : agent;
}

/**
 * Of two results of one agent the sender's newer one counts, in whatever order they arrive; but a report without any
 * result never replaces one.
 */
function isNewer(candidate: ResultReference, known: ResultReference): boolean {
  if ((candidate.family === "none") !== (known.family === "none")) return known.family === "none";
  const difference = (candidate.reportedAt ?? 0) - (known.reportedAt ?? 0);
  return difference === 0 ? candidate.sha256 > known.sha256 : difference > 0;
}

function withSignOfLife(run: KnownRun, id: AgentId): KnownRun {
  const planned = run.request.workflow.agents.find((agent) => agent.id === id);
  return planned === undefined || planned.phase <= run.phase ? run : { ...run, phase: planned.phase };
}

function reportedEnd(run: KnownRun, id: AgentId): KnownRun {
  const alive = withSignOfLife(run, id);
  return alive.agents[id] === undefined || alive.reportedEnds.includes(id)
    ? alive
    : { ...alive, reportedEnds: [...alive.reportedEnds, id] };
}

/** In a chain, the last agent's report says that the workflow is over. */
function closing(run: KnownRun, event: { agentId: AgentId; at: number }): KnownRun {
  const { order, agents } = run.request.workflow;
  const isLast = order === "sequence" && agents.at(-1)?.id === event.agentId;
  return run.status === "running" && isLast ? { ...run, closingSince: run.closingSince ?? event.at } : run;
}
