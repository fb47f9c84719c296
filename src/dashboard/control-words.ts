// What decides whether a run may start, in words: the button's, the banners' and the announcements'. Pure.
import type { BreakerState, Control, QueuedSync, SwitchedOff } from "../workspace/overview.ts";
import { runningClock, timeOfDay } from "./format.ts";
import { scopeName } from "./words.ts";

export type Block =
  | { readonly by: "switch"; readonly switchedOff: SwitchedOff }
  /** OPAL is tried again at `retryAt`. */
  | { readonly by: "breaker"; readonly retryAt: number };

/** Why no run may start now. A breaker whose time is up, or that is trying OPAL again, refuses no start. */
export function blockOf({ switchedOff, breaker }: Control, now: number): Block | null {
  if (switchedOff !== null) return { by: "switch", switchedOff };
  const { state, retryAt } = breaker;
  return state === "open" && retryAt !== null && now < retryAt ? { by: "breaker", retryAt } : null;
}

export interface BlockWords {
  readonly what: string;
  readonly why: string;
}

export function blockWords(block: Block, now: number): BlockWords {
  if (block.by === "breaker") {
    return { what: "Blocked: OPAL is not answering", why: `tried again in ${countdown(block.retryAt, now)}` };
  }
  return { what: "Blocked: triggering is switched off", why: switchWords(block.switchedOff, now) };
}

/** Who, when and why. */
export function switchWords({ by, at, reason }: SwitchedOff, now: number): string {
  return `by ${by}, ${timeOfDay(at, now)}: ${reason}`;
}

/** Null while OPAL answers. */
export function breakerWords({ state, failures, retryAt }: BreakerState, now: number): string | null {
  switch (state) {
    case "closed":
      return null;
    case "half_open":
      return "OPAL is being tried again, one call at a time.";
    case "open": {
      if (retryAt === null || retryAt <= now) return "OPAL was not answering. The next call tries it again.";
      const calls = failures > 1 ? `The last ${failures} calls failed` : "The last call failed";
      return `OPAL is not answering. ${calls}; it is tried again in ${countdown(retryAt, now)}. No run can start until then.`;
    }
  }
}

export function queuedWords({ actor, scope }: QueuedSync): string {
  return `${scopeName(scope)}, asked for by ${actor}, waits for its turn.`;
}

/** What a screen reader is told when it changes; nothing while all is as usual. No countdowns. */
export function controlNews({ switchedOff, breaker, queued }: Control): readonly string[] {
  return [
    ...(switchedOff === null ? [] : [`Triggering is switched off by ${switchedOff.by}: ${switchedOff.reason}`]),
    ...(breaker.state === "open" ? ["OPAL is not answering."] : []),
    ...(queued === null ? [] : [queuedWords(queued)]),
  ];
}

/** Rounded up, so that it ends with 0:01 and not with 0:00. */
export function countdown(until: number, now: number): string {
  return runningClock(until - now + 999);
}
