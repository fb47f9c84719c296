// A run's rule as data: given what happened, when this comes at that time, then these events follow.
// Times are seconds after the run was requested; events and commands are the log's own.
import { expect } from "vitest";
import type { AgentId } from "../../../src/opal/agents.ts";
import { runIds } from "../../../src/platform/ids.ts";
import { planRun } from "../../../src/sync/plan.ts";
import type { Command, Delivery, Report } from "../../../src/sync/run/commands.ts";
import { deadlines, nextWakeUp } from "../../../src/sync/run/deadlines.ts";
import { decide } from "../../../src/sync/run/decide.ts";
import {
  type EndReason,
  type EndStatus,
  type EventBody,
  type FailureClass,
  type ResultReference,
  type RunEvent,
  type RunRequest,
  runEvent,
  type Verdict,
} from "../../../src/sync/run/events.ts";
import { fold } from "../../../src/sync/run/reduce.ts";
import type { KnownRun, Run } from "../../../src/sync/run/state.ts";

/** When the run was requested. */
const T0 = Date.UTC(2026, 0, 5, 9, 0, 0);

/** Seconds after the request as milliseconds since the epoch. */
export function at(seconds: number): number {
  return T0 + Math.round(seconds * 1000);
}

export const minutes = (count: number) => count * 60;

/** One thing that happened, and when. */
export type Past = readonly [seconds: number, body: EventBody];
/** An expected event: its type, or as many of its fields as matter. */
type Expected = EventBody["type"] | ({ readonly type: EventBody["type"] } & Readonly<Record<string, unknown>>);

export function given(...past: readonly Past[]) {
  const log = past.map(
    ([seconds, body], index): RunEvent => runEvent.parse({ ...body, seq: index + 1, at: at(seconds), version: 1 }),
  );
  const before = fold(log);
  return {
    when: (command: Command) => ({ at: (seconds: number) => new Outcome(log, before, command, at(seconds)) }),
    /** The run as these events leave it. */
    run: () => known(before),
    deadlines: () => deadlines(before),
    /** Seconds after the request at which the run moves by itself; undefined when it waits for nothing. */
    nextWakeUp: () => {
      const next = nextWakeUp(before);
      return next === undefined ? undefined : (next - T0) / 1000;
    },
  };
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

  thenRefused(code: string): void {
    expect(this.decision).toMatchObject({ ok: false, code });
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

export const PLAN: RunRequest = planRun(
  { scope: "quick", client: { name: "Acme", industry: "Retail" }, actor: "operator@osa.localhost" },
  runIds(T0, "abcde"),
  { workspace: "default", order: "sequence", deadlineScale: 1, callMs: 45_000 },
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

export function result(change: Partial<ResultReference> = {}): ResultReference {
  return {
    ...{ bodyId: "whd_1.result", bytes: 2, sha256: "aa", family: "shared", confidence: 0.9 },
    ...{ insights: 3, recommendations: 2, reportedAt: null, ...change },
  };
}

// What happened

export const requested = (request = PLAN): EventBody => ({ type: "requested", ...request });
export const adopted = (remoteId: string): EventBody => ({ type: "adopted", ...PLAN, remoteId });
export const called = (attempt: number): EventBody => ({ type: "attempt_started", attempt });
export const accepted = (attempt: number): EventBody => ({ type: "attempt_accepted", attempt, httpStatus: 200 });
export const bound = (remoteId: string): EventBody => ({ type: "remote_bound", remoteId, boundBy: "answer" });

/** A failed call, and when the next one is due (in seconds after the request); null when there will be none. */
export function callFell(
  attempt: number,
  failure: FailureClass,
  retryAt: number | null,
  httpStatus: number | null = null,
): EventBody {
  return { type: "attempt_failed", attempt, failure, httpStatus, retryAt: retryAt === null ? null : at(retryAt) };
}

export const agentStarted = (agentId: AgentId): EventBody => ({ type: "agent_started", agentId, deliveryId: "whd_1" });

export function agentCompleted(agentId: AgentId, change: Partial<ResultReference> = {}): EventBody {
  return { type: "agent_completed", agentId, deliveryId: "whd_1", result: result(change) };
}

export function agentFailed(agentId: AgentId, change: Partial<ResultReference> = {}): EventBody {
  const none = { family: "none", confidence: null, insights: 0, recommendations: 0 } as const;
  const reason = "reported_failure";
  return { type: "agent_failed", agentId, deliveryId: "whd_1", reason, result: result({ ...none, ...change }) };
}

export function agentTimedOut(agentId: AgentId, limitMs: number): EventBody {
  return { type: "agent_timed_out", agentId, limitMs };
}

/** Any delivery: a sign that OPAL is there. */
export function heard(verdict: Verdict = "processed"): EventBody {
  const { correlated: _correlated, ...fields } = delivery();
  return { type: "delivery_recorded", ...fields, verdict, reason: null };
}

export const ended = (status: EndStatus, reason: EndReason): EventBody => ({ type: "ended", status, reason });

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

type AgentOutcome = Extract<Report, { about: "agent" }>["outcome"];

export function says(agentId: AgentId, outcome: AgentOutcome, change: Partial<ResultReference> = {}): Report {
  return { about: "agent", agentId, outcome, result: result(change) };
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

export function callFailed(failure: FailureClass, change: { retryAfterMs?: number; jitter?: number } = {}): Command {
  return { type: "call_failed", failure, httpStatus: null, retryAfterMs: 0, jitter: 0.5, ...change };
}

export function callAnswered(remoteId: string | null = null): Command {
  return { type: "call_answered", httpStatus: 200, remoteId };
}
