// Whether a call to OPAL may be made: the emergency switch, then the lease, then the circuit breaker. How calls came out
// arrives with the sessions' reports, each counted once, however often it is reported.
import {
  askPermit,
  type Breaker,
  type BreakerRules,
  breakerView,
  CLOSED,
  isRefusing,
  OPAL_BREAKER,
  recordOutcome,
} from "../platform/breaker.ts";
import { type Refusal, refuse } from "../platform/refusal.ts";
import type { Leave } from "../sync/object.ts";
import type { RunReport } from "../sync/report.ts";
import type { ControlJournal } from "./control-journal.ts";
import { ITSELF, type LogType } from "./log.ts";
import type { BreakerState, SwitchedOff } from "./overview.ts";

/** A permit is good for the call and this long more, so that a session that died gives it back, in ms. */
const PERMIT_MARGIN_MS = 5_000;
/** How soon a run asks again while triggering is switched off, in ms. */
const SWITCHED_OFF_RETRY_MS = 15_000;
const LEASE_LOST_RETRY_MS = 60_000;

/** Development runs everything faster, the breaker too. */
export function breakerRules(scale: number): BreakerRules {
  const { openMs, windowMs, ...rest } = OPAL_BREAKER;
  return { ...rest, openMs: Math.max(1, openMs * scale), windowMs: Math.max(1, windowMs * scale) };
}

interface CallToMake {
  readonly sessionId: string;
  readonly attempt: number;
  readonly callMs: number;
  /** The session that holds the lease now. */
  readonly holder: string | undefined;
}

/** Call inside a transaction. */
export function leaveToCall(control: ControlJournal, rules: BreakerRules, call: CallToMake, now: number): Leave {
  if (control.switchedOff()) {
    return { granted: false, because: "switched_off", retryAt: now + SWITCHED_OFF_RETRY_MS };
  }
  // Another run is active: this one's record of it is older, and two of them must not call.
  if (call.holder !== call.sessionId) {
    return { granted: false, because: "lease_lost", retryAt: now + LEASE_LOST_RETRY_MS };
  }
  const before = control.breaker();
  const permit = { id: permitId(call.sessionId, call.attempt), leaseMs: call.callMs + PERMIT_MARGIN_MS };
  const asked = askPermit(before, rules, permit, now);
  keepBreaker(control, before, asked.breaker, now);
  return asked.granted ? { granted: true } : { granted: false, because: asked.because, retryAt: asked.retryAt };
}

/** Call inside a transaction. Says whether there was a call among them that was not known yet. */
export function takeInCalls(control: ControlJournal, rules: BreakerRules, report: RunReport, now: number): boolean {
  const { sessionId, calls } = report;
  const known = calls.length === 0 ? [] : control.knownCalls(sessionId);
  const fresh = calls.filter(({ attempt }) => !known.includes(attempt));
  if (fresh.length === 0) return false;
  const before = control.breaker();
  let breaker = before;
  for (const { attempt, verdict: outcome, at } of fresh) {
    control.keepCall({ sessionId, attempt, verdict: outcome, at });
    control.count(`opal_calls_${outcome}`);
    breaker = recordOutcome(breaker, rules, { permitId: permitId(sessionId, attempt), outcome, at }, now);
  }
  keepBreaker(control, before, breaker, now);
  return true;
}

/** Call inside a transaction. */
export function resetBreaker(control: ControlJournal, actor: string, reason: string | null, now: number): void {
  const { state } = control.breaker();
  control.setBreaker(CLOSED);
  control.log("breaker_reset", actor, now, { from: state, reason });
}

/** Why no new run may start now; undefined when one may. */
export function whyNotStart(control: ControlJournal, now: number): Refusal | undefined {
  const off = control.switchedOff();
  if (off) return refuse("triggering_disabled", { detail: offDetail(off), members: offMembers(off) });
  const waitMs = isRefusing(control.breaker(), now);
  if (waitMs === undefined) return undefined;
  const retryAfterSeconds = Math.max(1, Math.ceil(waitMs / 1000));
  const members = { breaker: "open", retry_at: new Date(now + waitMs).toISOString() };
  return refuse("breaker_open", { retryAfterSeconds, members });
}

export function breakerState(control: ControlJournal, rules: BreakerRules, now: number): BreakerState {
  const { state, since, failures, successes, retryAt } = breakerView(control.breaker(), rules, now);
  return { state, since, failures, successes, retryAt };
}

function keepBreaker(control: ControlJournal, before: Breaker, after: Breaker, now: number): void {
  if (after === before) return;
  control.setBreaker(after);
  if (after.state === before.state) return;
  const type: Readonly<Record<Breaker["state"], LogType>> = {
    open: "breaker_opened",
    half_open: "breaker_half_opened",
    closed: "breaker_closed",
  };
  control.log(type[after.state], ITSELF, now, { from: before.state });
  control.count(type[after.state]);
}

function permitId(sessionId: string, attempt: number): string {
  return `${sessionId}.${attempt}`;
}

function offDetail({ by, at, reason }: SwitchedOff): string {
  return `Triggering was switched off by ${by} on ${new Date(at).toISOString()}: ${reason}`;
}

function offMembers({ by, at, reason }: SwitchedOff) {
  return { disabled_by: by, disabled_at: new Date(at).toISOString(), reason };
}
