// What a screen reader is told: changes of state at once, anything that merely goes on at most every ten seconds.
import { signal } from "@preact/signals";
import { now } from "../platform/clock.ts";

const QUIET_MS = 10_000;
/** Many steps at one moment, as after a reconnect, are one piece of news. */
const GATHER_MS = 500;

/** The text of the page's one polite live region. */
export const announcement = signal("");

let quietUntil = 0;
let waiting: ReturnType<typeof setTimeout> | undefined;

/** What was waiting to be said is older than this, and is left out. */
export function announceChange(text: string): void {
  clearTimeout(waiting);
  announcement.value = text;
  quietUntil = now() + QUIET_MS;
}

/** Said once it has been quiet for long enough, unless something newer comes first. */
export function announceProgress(text: string): void {
  clearTimeout(waiting);
  waiting = setTimeout(() => announceChange(text), Math.max(GATHER_MS, quietUntil - now()));
}
