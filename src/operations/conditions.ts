// What is wrong right now, as a list that people can act on. Pure.
import { iso } from "../platform/iso.ts";
import type { Control } from "../workspace/overview.ts";

export type Health = "healthy" | "degraded" | "unhealthy";

export interface Condition {
  readonly code:
    | "breaker_open"
    | "breaker_half_open"
    | "switched_off"
    | "failures_in_a_row"
    | "run_escalated"
    | "deliveries_waiting";
  readonly health: Exclude<Health, "healthy">;
  /** In ms since the epoch; null where nobody wrote it down. */
  readonly since: number | null;
  readonly message: string;
}

export interface ConditionFacts {
  readonly control: Pick<Control, "breaker" | "switchedOff">;
  /** Runs that ended badly since the last one that did not. */
  readonly failuresInARow: number;
  /** Recent runs that called for people. */
  readonly escalatedRuns: readonly string[];
  readonly held: { readonly total: number; readonly oldestSince: number | null };
}

const MANY_FAILURES = 3;
/** A delivery usually finds its run within seconds. */
const HELD_TOO_LONG_MS = 5 * 60_000;

export function conditionsOf(facts: ConditionFacts, now: number): Condition[] {
  return [
    ...breakerConditions(facts.control.breaker),
    ...switchConditions(facts.control.switchedOff),
    ...failureConditions(facts.failuresInARow),
    ...escalationConditions(facts.escalatedRuns),
    ...heldConditions(facts.held, now),
  ];
}

/** As bad as the worst of them. */
export function healthOf(conditions: readonly Condition[]): Health {
  if (conditions.some(({ health }) => health === "unhealthy")) return "unhealthy";
  return conditions.length > 0 ? "degraded" : "healthy";
}

function breakerConditions({ state, since, retryAt }: Control["breaker"]): Condition[] {
  if (state === "closed") return [];
  if (state === "half_open") {
    const message = "The circuit breaker lets single calls through to try whether OPAL answers again.";
    return [{ code: "breaker_half_open", health: "degraded", since, message }];
  }
  const next = retryAt === null ? "the next call tries it again" : `it is tried again at ${iso(retryAt)}`;
  const message = `The last calls to OPAL failed, so none is made; ${next}.`;
  return [{ code: "breaker_open", health: "unhealthy", since, message }];
}

function switchConditions(off: Control["switchedOff"]): Condition[] {
  if (off === null) return [];
  const message = `${off.by} switched all triggering off: ${off.reason}`;
  return [{ code: "switched_off", health: "degraded", since: off.at, message }];
}

function failureConditions(failures: number): Condition[] {
  if (failures < MANY_FAILURES) return [];
  const health = failures > MANY_FAILURES ? "unhealthy" : "degraded";
  const message = `The last ${failures} runs ended without a result.`;
  return [{ code: "failures_in_a_row", health, since: null, message }];
}

function escalationConditions(sessionIds: readonly string[]): Condition[] {
  if (sessionIds.length === 0) return [];
  const message = `Somebody has to look at ${sessionIds.join(", ")}; the status of each says why.`;
  return [{ code: "run_escalated", health: "degraded", since: null, message }];
}

function heldConditions({ total, oldestSince }: ConditionFacts["held"], now: number): Condition[] {
  if (oldestSince === null || now - oldestSince <= HELD_TOO_LONG_MS) return [];
  const many = total === 1 ? "One delivery waits" : `${total} deliveries wait`;
  const message = `${many} for a run that nobody knows, the oldest since ${iso(oldestSince)}.`;
  return [{ code: "deliveries_waiting", health: "degraded", since: oldestSince, message }];
}
