// The crash test's oracle for calls to OPAL: each belongs to an attempt in a log, one effect for one key, none after a
// cancel. Pure.
import type { Call, Facts, LoggedEvent, Session, Workflow } from "./chaos-facts.ts";
import type { Finding } from "./chaos-oracle.ts";
import { bodiesOf, isAcknowledged } from "./chaos-webhooks.ts";

/** What was already on its way when the cancel was confirmed arrives within this time, in ms. */
const ON_ITS_WAY_MS = 250;
const ATTEMPTS_ALLOWED = 4;

/** The re-run that an idempotency key of ours asks for; null for the start, undefined for a key that is not ours. */
function purposeOf(key: string | null, sessionId: string): number | null | undefined {
  if (key === sessionId) return null;
  const rerun = key?.startsWith(`${sessionId}.rerun-`) ? Number(key.slice(sessionId.length + 7)) : Number.NaN;
  return Number.isInteger(rerun) ? rerun : undefined;
}

function attemptsOf({ events }: Session, purpose: number | null): LoggedEvent[] {
  return events.filter(({ type, rerun }) => type === "attempt_started" && (rerun ?? null) === purpose);
}

/** A run that OPAL was called for without an attempt in its log would be a call that nobody remembers. */
export function callsAreAttempts({ calls, sessions }: Facts): Finding[] {
  const known = new Map(sessions.map((session) => [session.sessionId, session]));
  return [...Map.groupBy(calls, ({ idempotencyKey }) => idempotencyKey)].flatMap(([key, group]) => {
    const sessionId = group[0]?.sessionId ?? "";
    const session = known.get(sessionId);
    if (session === undefined) return [finding(sessionId, `OPAL was called with ${key}, which belongs to no run`)];
    const purpose = purposeOf(key, sessionId);
    if (purpose === undefined) return [finding(sessionId, `OPAL was called with ${key}`)];
    const attempts = attemptsOf(session, purpose).length;
    if (attempts > ATTEMPTS_ALLOWED) return [finding(sessionId, `${attempts} attempts for ${key}`)];
    return group.length > attempts
      ? [finding(sessionId, `${group.length} calls with ${key} and ${attempts} attempts in the log`)]
      : [];
  });
}

/** Each attempt has its outcome before the next one begins, and none begins before it is due. */
export function attemptsFollowEachOther({ sessions }: Facts): Finding[] {
  return sessions.flatMap(({ sessionId, events }) => {
    const findings: Finding[] = [];
    let open: number | undefined;
    const dueAt = new Map<number | null, number>();
    const purposes = new Map<number | undefined, number | null>();
    for (const { type, attempt, rerun, retryAt, at } of events) {
      if (type === "attempt_started") {
        const purpose = rerun ?? null;
        if (open !== undefined) findings.push(finding(sessionId, `attempts ${open} and ${attempt} are both open`));
        if (at < (dueAt.get(purpose) ?? 0)) findings.push(finding(sessionId, `attempt ${attempt} was made too early`));
        open = attempt;
        purposes.set(attempt, purpose);
      }
      if ((type === "attempt_failed" || type === "attempt_accepted") && attempt === open) open = undefined;
      if (type === "attempt_failed" && retryAt) dueAt.set(purposes.get(attempt) ?? null, retryAt);
    }
    const isOver = events.some(({ type }) => type === "ended");
    return isOver && open !== undefined
      ? [...findings, finding(sessionId, `attempt ${open} was never closed`)]
      : findings;
  });
}

/** Workflows beyond the one that an idempotency key may start at an OPAL that honours it. */
export function duplicatedEffects({ workflows }: Facts): number {
  const honoured = workflows.filter(({ foreign, faults }) => !foreign && !faults.ignoreIdempotencyKey);
  return honoured.length - new Set(honoured.map(({ idempotencyKey }) => idempotencyKey)).size;
}

export function oneEffectForOneKey(facts: Facts): Finding[] {
  const count = duplicatedEffects(facts);
  const twice = count > 0 ? [finding("OPAL", `${count} workflows beyond one for each idempotency key`)] : [];
  const known = new Set(facts.sessions.map(({ sessionId }) => sessionId));
  const strangers = facts.workflows.filter(({ foreign, sessionId }) => !foreign && !known.has(sessionId ?? ""));
  return [...twice, ...strangers.map(({ workflowId }) => finding(workflowId, "was started for no run of ours"))];
}

export interface DoubleStarts {
  readonly made: number;
  readonly noticed: number;
}

/** Workflows too many, at an OPAL that does not honour keys, and how many of them the run has noticed. */
export function doubleStartsOf(session: Session, workflows: readonly Workflow[]): DoubleStarts {
  const own = workflows.filter(({ sessionId }) => sessionId === session.sessionId);
  const made = own.length - new Set(own.map(({ idempotencyKey }) => idempotencyKey)).size;
  return { made, noticed: session.status.double_starts };
}

/** What OPAL started twice is known as soon as both workflows have been heard of. */
export function doublesAreNoticed(facts: Facts): Finding[] {
  const heardOf = new Set(
    bodiesOf(facts)
      .filter(isAcknowledged)
      .map(({ workflow }) => workflow.workflowId),
  );
  return facts.sessions.flatMap((session) => {
    const { made, noticed } = doubleStartsOf(session, facts.workflows);
    const own = facts.workflows.filter(({ sessionId }) => sessionId === session.sessionId);
    const areAllHeardOf = own.every(({ workflowId, faults }) => heardOf.has(workflowId) && !faults.omitCorrelationId);
    const isWrong = noticed > made || (noticed < made && areAllHeardOf);
    return isWrong ? [finding(session.sessionId, `${made} double starts were made, ${noticed} are noticed`)] : [];
  });
}

/** Once a cancel is asked for no call begins, and once it is confirmed none arrives. */
export function cancelIsFinal({ sessions, calls, told }: Facts): Finding[] {
  const inLogs = sessions.flatMap(({ sessionId, events, status }) => {
    const asked = events.find(({ type }) => type === "cancel_requested");
    if (asked === undefined) return [];
    const begun = events.filter(({ type, seq }) => type === "attempt_started" && seq > asked.seq);
    const ended = events.find(({ type }) => type === "ended");
    return [
      ...begun.map(({ attempt }) => finding(sessionId, `attempt ${attempt} began after the cancel was asked for`)),
      ...lateCalls(calls, sessionId, ended?.at),
      ...(status.state === "cancelled" ? [] : [finding(sessionId, `was cancelled, and is ${status.state}`)]),
    ];
  });
  return [...inLogs, ...told.cancelled.flatMap(({ sessionId, at }) => lateCalls(calls, sessionId, at))];
}

function lateCalls(calls: readonly Call[], sessionId: string, confirmedAt = Number.POSITIVE_INFINITY): Finding[] {
  const late = calls.filter((call) => call.sessionId === sessionId && call.at > confirmedAt + ON_ITS_WAY_MS);
  return late.map(({ at }) => finding(sessionId, `OPAL was called ${at - confirmedAt} ms after the confirmed cancel`));
}

function finding(about: string, what: string): Finding {
  return { check: "calls", about, what };
}
