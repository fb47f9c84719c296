// The server's clock as far as this browser can know it. Every elapsed time and countdown is drawn from it.
import { signal } from "@preact/signals";
import { now } from "../platform/clock.ts";

const SAMPLES = 8;
const TICK_MS = 1_000;
/** Timers may fire a little early; a tick just after the full second never shows the same second twice. */
const TICK_MARGIN_MS = 15;

/**
 * The difference between the server's clock and ours, in ms, from the newest samples. A message can only arrive late,
 * so the largest difference is the one that travelled fastest and is closest to the truth.
 */
export function offsetOf(samples: readonly number[]): number {
  return samples.length === 0 ? 0 : Math.max(...samples);
}

let samples: readonly number[] = [];

/** The server's time in ms since the epoch; moves once a second while the page is looked at. */
export const serverNow = signal(now());

/** The server's time at this moment, for whoever cannot wait for a tick. */
export function serverTime(): number {
  return now() + offsetOf(samples);
}

export function observeServerTime(sentAt: number): void {
  samples = [...samples, sentAt - now()].slice(-SAMPLES);
}

/** Our clock at the moment the server's clock shows `time`. */
export function toOurClock(time: number): number {
  return time - offsetOf(samples);
}

/** Starts the ticking. A hidden page draws nothing. */
export function startTicking(): void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const tick = () => {
    serverNow.value = serverTime();
    clearTimeout(timer);
    if (document.hidden) return;
    timer = setTimeout(tick, TICK_MS - (serverNow.value % TICK_MS) + TICK_MARGIN_MS);
  };
  document.addEventListener("visibilitychange", tick);
  tick();
}
