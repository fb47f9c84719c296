// A circuit breaker as plain data: after repeated failures a destination is left alone for a while, then tried again
// by a few leased probes. Whoever owns the state stores it as JSON; every function here answers with the next state.
import { z } from "zod";

export interface BreakerRules {
  /** This many inside the window open it. */
  readonly failures: number;
  /** This many successful probes close it again. */
  readonly successes: number;
  /** How long everything is refused once it has opened. */
  readonly openMs: number;
  /** Older failures are forgotten. */
  readonly windowMs: number;
  /** Permits that may be out at once while it tries whether the destination is back; at least one always may. */
  readonly probes: number;
}

export const OPAL_BREAKER: BreakerRules = {
  failures: 3,
  successes: 2,
  openMs: 30_000,
  windowMs: 300_000,
  probes: 1,
};

/** Milliseconds since the epoch. */
const time = z.number();
const count = z.number().int().nonnegative();
const leasedPermit = z.object({ id: z.string(), expiresAt: time }).readonly();

export const breakerState = z.discriminatedUnion("state", [
  /** When each failure happened that may still count. */
  z.object({ state: z.literal("closed"), failures: z.array(time).readonly() }).readonly(),
  /** `failures` is how many opened it: those in the window, or the one of a probe. */
  z.object({ state: z.literal("open"), since: time, until: time, failures: count }).readonly(),
  z
    .object({
      state: z.literal("half_open"),
      since: time,
      successes: count,
      /** Expired ones may still be listed; they are not out. */
      permits: z.array(leasedPermit).readonly(),
    })
    .readonly(),
]);

export type Breaker = z.infer<typeof breakerState>;
type HalfOpen = Extract<Breaker, { state: "half_open" }>;

/** What a call says about its destination. Neutral says nothing: it was aborted, or our own configuration was wrong. */
export type CallVerdict = "success" | "failure" | "neutral";

export type Permission =
  | { readonly granted: true; readonly breaker: Breaker }
  | {
      readonly granted: false;
      readonly breaker: Breaker;
      readonly because: "breaker_open" | "breaker_probing";
      /** When to ask again, in ms since the epoch: later than the time of asking. */
      readonly retryAt: number;
    };

export const CLOSED: Breaker = { state: "closed", failures: [] };

/**
 * Whether one call may be made now. `permit.id` names the call: asking again with it while its permit is out is granted
 * without taking another, and its lease begins anew. A permit nobody returns is back after `leaseMs`.
 */
export function askPermit(
  breaker: Breaker,
  rules: BreakerRules,
  permit: { readonly id: string; readonly leaseMs: number },
  now: number,
): Permission {
  if (breaker.state === "closed") return { granted: true, breaker };
  if (breaker.state === "open" && now < breaker.until) {
    return { granted: false, breaker, because: "breaker_open", retryAt: breaker.until };
  }
  const trying: HalfOpen =
    breaker.state === "half_open" ? breaker : { state: "half_open", since: now, successes: 0, permits: [] };
  const out = permitsOut(trying, now);
  const held = out.find(({ id }) => id === permit.id);
  const full = held === undefined ? probingUntil(trying, rules, now) : undefined;
  if (full !== undefined) return { granted: false, breaker, because: "breaker_probing", retryAt: full };
  const others = out.filter(({ id }) => id !== permit.id);
  const expiresAt = Math.max(now + permit.leaseMs, held?.expiresAt ?? now);
  return { granted: true, breaker: { ...trying, permits: [...others, { id: permit.id, expiresAt }] } };
}

/**
 * The state after a call that ended at `call.at`, learned of at `now`. While half-open only the holder of a permit is
 * heard, while open nobody: a call from before the opening says nothing about the destination as it is now.
 */
export function recordOutcome(
  breaker: Breaker,
  rules: BreakerRules,
  call: { readonly permitId: string; readonly outcome: CallVerdict; readonly at: number },
  now: number,
): Breaker {
  switch (breaker.state) {
    case "open":
      return breaker;
    case "closed": {
      if (call.outcome !== "failure") return breaker;
      // A time ahead of ours would stay in the window for longer than the window.
      const failures = insideWindow([...breaker.failures, Math.min(call.at, now)], rules, now);
      return failures.length >= rules.failures ? opened(rules, failures.length, now) : { state: "closed", failures };
    }
    case "half_open": {
      const out = permitsOut(breaker, now);
      if (!out.some(({ id }) => id === call.permitId)) return breaker;
      if (call.outcome === "failure") return opened(rules, 1, now);
      const successes = breaker.successes + (call.outcome === "success" ? 1 : 0);
      if (call.outcome === "success" && successes >= rules.successes) return CLOSED;
      return { ...breaker, successes, permits: out.filter(({ id }) => id !== call.permitId) };
    }
  }
}

/** Gives back a permit whose call was never made. One that is not out, or none, changes nothing. */
export function returnPermit(breaker: Breaker, permitId: string): Breaker {
  if (breaker.state !== "half_open" || !breaker.permits.some(({ id }) => id === permitId)) return breaker;
  return { ...breaker, permits: breaker.permits.filter(({ id }) => id !== permitId) };
}

/**
 * The breaker for people. `failures` are those inside the window or, while open, those that opened it. `retryAt` is
 * null when a new call would be granted a permit now, although it may still be called open until somebody asks.
 */
export function breakerView(
  breaker: Breaker,
  rules: BreakerRules,
  now: number,
): {
  readonly state: Breaker["state"];
  readonly since: number | null;
  readonly failures: number;
  readonly successes: number;
  readonly retryAt: number | null;
  readonly permitsOut: number;
} {
  const nothing = { since: null, failures: 0, successes: 0, retryAt: null, permitsOut: 0 };
  switch (breaker.state) {
    case "closed":
      return { ...nothing, state: "closed", failures: insideWindow(breaker.failures, rules, now).length };
    case "open": {
      const { state, since, until, failures } = breaker;
      return { ...nothing, state, since, failures, retryAt: now < until ? until : null };
    }
    case "half_open": {
      const { state, since, successes } = breaker;
      const retryAt = probingUntil(breaker, rules, now) ?? null;
      return { ...nothing, state, since, successes, retryAt, permitsOut: permitsOut(breaker, now).length };
    }
  }
}

/** Milliseconds until a new run may start; undefined when it may now. Probing refuses calls, never a run. */
export function isRefusing(breaker: Breaker, now: number): number | undefined {
  return breaker.state === "open" && now < breaker.until ? breaker.until - now : undefined;
}

function opened(rules: BreakerRules, failures: number, now: number): Breaker {
  return { state: "open", since: now, until: now + rules.openMs, failures };
}

function insideWindow(failures: readonly number[], rules: BreakerRules, now: number): readonly number[] {
  return failures.filter((at) => now - at < rules.windowMs);
}

function permitsOut(breaker: HalfOpen, now: number): HalfOpen["permits"] {
  return breaker.permits.filter(({ expiresAt }) => now < expiresAt);
}

/** When the first permit comes back by itself, while no further one may go out; undefined while one may. */
function probingUntil(breaker: HalfOpen, rules: BreakerRules, now: number): number | undefined {
  const out = permitsOut(breaker, now);
  if (out.length < Math.max(1, rules.probes)) return undefined;
  return Math.min(...out.map(({ expiresAt }) => expiresAt));
}
