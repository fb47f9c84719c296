// Waiting that can be ended from outside, so that stopping a run or the whole simulator leaves no timer behind.

import { setMaxListeners } from "node:events";
import { setTimeout as wait } from "node:timers/promises";

/** Hundreds of waits may hang on one signal; Node would take more than ten for a leak. */
export function createStop(): AbortController {
  const stop = new AbortController();
  setMaxListeners(0, stop.signal);
  return stop;
}

/** Rejects with the abort error when the signal ends the wait early. */
export async function rest(ms: number, signal: AbortSignal): Promise<void> {
  await wait(ms, undefined, { signal });
}

/** Runs a job and swallows only its being stopped; any other error is a bug and surfaces. */
export async function untilStopped(signal: AbortSignal, job: () => Promise<void>): Promise<void> {
  try {
    await job();
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}
