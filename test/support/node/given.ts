// A run's rule as data: given what happened, when this comes at that time, then these events follow.
// Times are seconds after the run was requested; events and commands are the log's own.
import { expect } from "vitest";
import type { z } from "zod";
import type { AgentId } from "../../../src/opal/agents.ts";
import { runIds } from "../../../src/platform/ids.ts";
import { FOREIGN_SYNC, NO_HERITAGE, planRun, type SyncCommand } from "../../../src/sync/plan.ts";
import type { Command, CredentialName, Delivery, Report, Reprocessing } from "../../../src/sync/run/commands.ts";
import { deadlines, nextWakeUp } from "../../../src/sync/run/deadlines.ts";
import { decide } from "../../../src/sync/run/decide.ts";
import {
  type EndReason,
  type EndStatus,
  type EventBody,
  type EventOf,
  type FailureClass,
  type PostponedBecause,
  type RunEvent,
  runEvent,
  type Verdict,
} from "../../../src/sync/run/events.ts";
import { fold } from "../../../src/sync/run/reduce.ts";
import type { AgentPast, ResultReference, RunRequest } from "../../../src/sync/run/request.ts";
import type { KnownRun, Run } from "../../../src/sync/run/state.ts";

/** When the run was requested. */
const T0 = Date.UTC(2026, 0, 5, 9, 0, 0);

/** Seconds after the request as milliseconds since the epoch. */
export function at(seconds: number): number {
  return T0 + Math.round(seconds * 1000);
}

export const minutes = (count: number) => count * 60;

type Without<Whole, Names extends PropertyKey> = Whole extends unknown ? Omit<Whole, Names> : never;
/** An event as logs of any age hold it: what has a default may be missing. */
export type PastBody = Without<z.input<typeof runEvent>, "seq" | "at" | "version" | "rule" | "causedBy">;
/** One thing that happened, and when. */
export type Past = readonly [seconds: number, body: PastBody];
/** One thing that came, and when. */
export type Coming = readonly [seconds: number, command: Command];
/** An expected event: its type, or as many of its fields as matter. */
type Expected = EventBody["type"] | ({ readonly type: EventBody["type"] } & Readonly<Record<string, unknown>>);

export function given(...past: readonly Past[]): Given {
  return new Given(
    past.map(([seconds, body], index) => runEvent.parse({ ...body, seq: index + 1, at: at(seconds), version: 2 })),
  );
}

export class Given {
  readonly log: readonly RunEvent[];
  readonly #run: Run;

  constructor(log: readonly RunEvent[]) {
    this.log = log;
    this.#run = fold(log);
  }

  /** And then these came, each decided by the rules. */
  and(...coming: readonly Coming[]): Given {
    let log = this.log;
    for (const [seconds, command] of coming) {
      const { decision } = new Outcome(log, fold(log), command, at(seconds));
      if (!decision.ok) throw new Error(`refused: ${decision.code}`);
      log = [...log, ...decision.events];
    }
    return new Given(log);
  }

  when(command: Command) {
    return { at: (seconds: number) => new Outcome(this.log, this.#run, command, at(seconds)) };
  }

  /** The run as all this leaves it. */
  run(): KnownRun {
    return known(this.#run);
  }

  deadlines() {
    return deadlines(this.#run);
  }

  /** Seconds after the request at which the run moves by itself; undefined when it waits for nothing. */
  nextWakeUp(): number | undefined {
    const next = nextWakeUp(this.#run);
    return next === undefined ? undefined : (next - T0) / 1000;
  }
}

class Outcome {
  readonly decision: ReturnType<typeof decide>;

  constructor(log: readonly RunEvent[], before: Run, command: Command, now: number) {
    this.decision = decide(before, command, now);
    if (!this.decision.ok) return;
    const { events, run } = this.decision;
    // What holds for every decision: its events can be written, read back, and lead to the run that it returned.
    const readBack = events.map((event) => runEvent.parse(JSON.parse(JSON.stringify(event))));
    expect(readBack).toEqual(events);
    expect(fold([...log, ...readBack])).toEqual(run);
    // And each of them says by which rule it was decided, and because of which earlier event.
    for (const { seq, rule, causedBy } of events) {
      expect(rule).not.toBe("unrecorded");
      if (causedBy !== null) expect(causedBy).toBeLessThan(seq);
    }
  }

  /** Exactly these events follow, in this order. */
  // biome-ignore lint/suspicious/noThenProperty: given, when, then; nobody awaits an outcome.
  then(expected: readonly Expected[]): KnownRun {
    const wanted = expected.map((event) =>
      expect.objectContaining(typeof event === "string" ? { type: event } : event),
    );
    expect(this.decision.ok ? this.decision.events : this.decision).toEqual(wanted);
    return this.run();
  }

  thenRefused(code: string, rest: Readonly<Record<string, unknown>> = {}): void {
    expect(this.decision).toMatchObject({ ok: false, code, ...rest });
  }

  /** The types of the events that follow, in order. */
  types(): readonly EventBody["type"][] {
    return this.decision.ok ? this.decision.events.map((event) => event.type) : [];
  }

  run(): KnownRun {
    if (!this.decision.ok) throw new Error(`refused: ${this.decision.code}`);
    return known(this.decision.run);
  }
}

function known(run: Run): KnownRun {
  if (run.status === "absent") throw new Error("there is no run");
  return run;
}

// Facts

/** All agents, with their own limits; nothing that a caller may choose is chosen. */
export const SYNC: SyncCommand = {
  ...FOREIGN_SYNC,
  scope: "quick",
  client: { name: "Acme", industry: "Retail" },
  actor: "operator@osa.localhost",
  source: "force_sync",
};

export const PLAN: RunRequest = planRun(
  SYNC,
  runIds(T0, "abcde"),
  { workspace: "default", order: "sequence", deadlineScale: 1, callMs: 45_000 },
  NO_HERITAGE,
);

/** The same agents, all at once. */
export const PARALLEL: RunRequest = { ...PLAN, workflow: { ...PLAN.workflow, order: "parallel" } };

/** A run that asks for these agents only. */
export function only(...agents: readonly AgentId[]): RunRequest {
  return {
    ...PLAN,
    workflow: { ...PLAN.workflow, agents: PLAN.workflow.agents.filter(({ id }) => agents.includes(id)) },
  };
}

/** What an earlier run handed over for this agent, so many hours before this run was requested. */
export function hadResult(agentId: AgentId, hoursAgo: number, change: Partial<ResultReference> = {}): AgentPast {
  const lastValid = {
    sessionId: "sync-1767600000000-zzzzz",
    result: result({ bodyId: "whd_0.result", ...change }),
    at: T0 - hoursAgo * 3_600_000,
  };
  return { agentId, lastValid, timeoutsInARow: 0 };
}

/** The request, with what earlier runs say about agents. */
export function knowing(request: RunRequest, ...agentPasts: readonly AgentPast[]): RunRequest {
  return { ...request, agentPasts: [...agentPasts] };
}

export function result(change: Partial<ResultReference> = {}): ResultReference {
  return {
    ...{ bodyId: "whd_1.result", bytes: 2, sha256: "aa", family: "shared", confidence: 0.9 },
    ...{ insights: 3, recommendations: 2, reportedAt: null, ...change },
  };
}

// What happened

export const requested = (request = PLAN): PastBody => ({ type: "requested", ...request });
export const adopted = (remoteId: string, request = PLAN): PastBody => ({ type: "adopted", ...request, remoteId });
/** A call for the start of the workflow, or for a re-run of agents. */
export const called = (attempt: number, rerun: number | null = null): PastBody => ({
  type: "attempt_started",
  attempt,
  rerun,
});
export const accepted = (attempt: number): PastBody => ({ type: "attempt_accepted", attempt, httpStatus: 200 });
export const provedAccepted = (rerun: number | null = null): PastBody => ({
  type: "accepted_by_delivery",
  deliveryId: "whd_1",
  rerun,
});
export const bound = (remoteId: string, rerun: number | null = null): PastBody => ({
  type: "remote_bound",
  remoteId,
  boundBy: "answer",
  rerun,
});
/** The call that was due has to wait until so many seconds after the request. */
export const postponed = (until: number, because: PostponedBecause = "breaker_open"): PastBody => ({
  type: "attempt_postponed",
  until: at(until),
  because,
});

/** A failed call, and when the next one is due (in seconds after the request); null when there will be none. */
export function callFell(
  attempt: number,
  failure: FailureClass,
  retryAt: number | null,
  httpStatus: number | null = null,
): PastBody {
  return { type: "attempt_failed", attempt, failure, httpStatus, retryAt: retryAt === null ? null : at(retryAt) };
}

export const agentStarted = (agentId: AgentId): PastBody => ({ type: "agent_started", agentId, deliveryId: "whd_1" });

export function agentCompleted(agentId: AgentId, change: Partial<ResultReference> = {}): PastBody {
  return { type: "agent_completed", agentId, deliveryId: "whd_1", result: result(change) };
}

export function agentFailed(agentId: AgentId, change: Partial<ResultReference> = {}): PastBody {
  const none = { family: "none", confidence: null, insights: 0, recommendations: 0 } as const;
  const reason = "reported_failure";
  return { type: "agent_failed", agentId, deliveryId: "whd_1", reason, result: result({ ...none, ...change }) };
}

export function agentTimedOut(agentId: AgentId, limitMs: number): PastBody {
  return { type: "agent_timed_out", agentId, limitMs };
}

/** A result of a shape nobody knows. */
export function quarantined(agentId: AgentId, change: Partial<ResultReference> = {}): PastBody {
  const reference = result({ family: "unrecognised", confidence: null, ...change });
  return { type: "result_quarantined", agentId, deliveryId: "whd_1", result: reference };
}

export function fallbackUsed(agentId: AgentId, change: Partial<ResultReference> = {}): PastBody {
  const fromSessionId = "sync-1767600000000-zzzzz";
  const reference = result({ bodyId: "whd_0.result", ...change });
  return { type: "fallback_used", agentId, method: "cached_data", fromSessionId, result: reference, resultAt: T0 - 1 };
}

/** A re-run; automatic and after a time-out when nothing else is said. */
export function rerunRequested(
  rerun: number,
  agents: readonly AgentId[],
  because: EventOf<"rerun_requested">["because"] = "agent_timed_out",
): PastBody {
  const isAskedFor = because === "asked_for";
  const isReduced = because === "agent_timed_out";
  const actor = isAskedFor ? "operator" : null;
  return { type: "rerun_requested", rerun, agents: [...agents], because, actor, isReduced };
}

export function credentialRefused(httpStatus: number | null = 401, agentId: AgentId | null = null): PastBody {
  const { name, fingerprint } = CREDENTIAL;
  return { type: "credential_refused", credential: name, fingerprint, httpStatus, agentId };
}

/** Any delivery: a sign that OPAL is there. */
export function heard(verdict: Verdict = "processed"): PastBody {
  const { correlated: _correlated, ...fields } = delivery();
  return { type: "delivery_recorded", ...fields, verdict, reason: null };
}

export const cancelAsked = (actor = "operator"): PastBody => ({ type: "cancel_requested", actor });
export const workflowOver = (outcome: EventOf<"workflow_over">["outcome"] = "completed"): PastBody => ({
  type: "workflow_over",
  outcome,
});
export const ended = (status: EndStatus, reason: EndReason): PastBody => ({ type: "ended", status, reason });

/** Accepted at second 0. */
export function running(request = PLAN): Past[] {
  return [
    [0, requested(request)],
    [0, called(1)],
    [0, accepted(1)],
  ];
}

// What comes

export function delivery(change: Partial<Delivery> = {}): Delivery {
  return {
    ...{ deliveryId: "whd_1", remoteId: null, correlated: true, source: "opal", eventType: "execution.success" },
    ...{ bytes: 2, sha256: "bb", receivedAt: T0, secret: "current", ...change },
  };
}

export const deliver = (...reports: readonly Report[]): Command => ({ type: "deliver", delivery: delivery(), reports });

/** A delivery that carries OPAL's workflow id. */
export function deliverFrom(remoteId: string, correlated: boolean, ...reports: readonly Report[]): Command {
  return { type: "deliver", delivery: delivery({ remoteId, correlated }), reports };
}

type AgentReport = Extract<Report, { about: "agent" }>;

export function says(
  agentId: AgentId,
  outcome: AgentReport["outcome"],
  change: Partial<ResultReference> = {},
): AgentReport {
  return { about: "agent", agentId, outcome, isCredentialRefused: false, result: result(change) };
}

/** That it is done, with something of a shape nobody knows. */
export function saysOddly(agentId: AgentId, change: Partial<ResultReference> = {}): AgentReport {
  return says(agentId, "completed", { family: "unrecognised", confidence: null, ...change });
}

/** That a credential was refused to it. */
export function saysRefused(agentId: AgentId): AgentReport {
  const none = { family: "none", confidence: null, insights: 0, recommendations: 0 } as const;
  return { ...says(agentId, "failed", none), isCredentialRefused: true };
}

export function workflowSays(outcome: Extract<Report, { about: "workflow" }>["outcome"]): Report {
  return { about: "workflow", outcome };
}

export const means = (verdict: "ignored" | "quarantined", reason: string): Report => ({
  about: "nothing",
  verdict,
  reason,
});

/** Time passes; no call is being made by this instance. */
export const WAKE: Command = { type: "wake", callInFlight: false, jitter: 0.5 };
export const WAKE_DURING_CALL: Command = { type: "wake", callInFlight: true, jitter: 0.5 };
export const CANCEL: Command = { type: "cancel", actor: "operator", callInFlight: false, jitter: 0.5 };
export const CANCEL_DURING_CALL: Command = { type: "cancel", actor: "operator", callInFlight: true, jitter: 0.5 };
export const BEGIN_ATTEMPT: Command = { type: "begin_attempt" };

export const START: Extract<Command, { type: "start" }> = { type: "start", request: PLAN, withdrawnBy: null };

/** The one that calls to OPAL are made with. */
export const CREDENTIAL: CredentialName = { name: "OPAL_STRATEGY_WORKFLOW_AUTH_KEY", fingerprint: "0123456789abcdef" };

type CallFailed = Extract<Command, { type: "call_failed" }>;

export function callFailed(failure: FailureClass, change: Partial<CallFailed> = {}): CallFailed {
  const outcome = { httpStatus: null, retryAfterMs: 0, credential: CREDENTIAL, jitter: 0.5 };
  return { type: "call_failed", failure, ...outcome, ...change };
}

export function callAnswered(remoteId: string | null = null): Command {
  return { type: "call_answered", httpStatus: 200, remoteId };
}

/** No leave to call until so many seconds after the request. */
export function postpone(until: number, because: PostponedBecause = "breaker_open"): Command {
  return { type: "postpone", until: at(until), because };
}

export function rerunAgents(...agents: readonly AgentId[]): Command {
  return { type: "rerun", agents, actor: "operator" };
}

export const RERUN_ALL: Command = { type: "rerun", agents: null, actor: "operator" };

/** The stored delivery is read again and says this now. */
export function readAgain(change: Partial<Reprocessing>, ...reports: readonly Report[]): Command {
  const stored = { deliveryId: "whd_1", remoteId: null, was: "processed", ...change } as const;
  return { type: "reprocess", deliveries: [{ ...stored, reports }], actor: "operator" };
}
