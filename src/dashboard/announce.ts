// What a screen reader is told: changes of state at once, anything that merely goes on at most every ten seconds.
import { signal } from "@preact/signals";
import { now } from "../platform/clock.ts";

const QUIET_MS = 10_000;

/** The text of the page's one polite live region. */
export const announcement = signal("");

let quietUntil = 0;

export function announceChange(text: string): void {
  announcement.value = text;
  quietUntil = now() + QUIET_MS;
}

/** Left out when something was said just before; the next one will say the same with a newer number. */
export function announceProgress(text: string): void {
  if (now() >= quietUntil) announceChange(text);
}
