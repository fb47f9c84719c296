// Single-key shortcuts: one table that binds them and that the help sheet is made from, so that the two cannot differ.
import { signal } from "@preact/signals";
import { askToCancel } from "./cancel.ts";
import { focusRun } from "./focus.ts";
import { session } from "./session.ts";
import { activeRun, shownSessionId } from "./state.ts";

interface Shortcut {
  readonly key: string;
  readonly what: string;
  readonly press: () => void;
}

export const isHelpOpen = signal(false);

export function openHelp(): void {
  isHelpOpen.value = true;
}

export const SHORTCUTS: readonly Shortcut[] = [
  { key: "s", what: "Go to the Force sync button", press: focusSyncButton },
  { key: "c", what: "Cancel the run that is shown (asks first)", press: askToCancelShown },
  { key: "?", what: "Show this help", press: openHelp },
];

const STORED_AS = "osa.shortcuts";

/** WCAG 2.1.4: whoever dictates to the browser must be able to switch single keys off. */
export const areShortcutsOn = signal(readStored() !== "off");

export function setShortcuts(isOn: boolean): void {
  areShortcutsOn.value = isOn;
  try {
    localStorage.setItem(STORED_AS, isOn ? "on" : "off");
  } catch {
    // A browser that stores nothing still has the choice for this visit.
  }
}

export function startShortcuts(): void {
  addEventListener("keydown", (event) => {
    if (!areShortcutsOn.value || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    // Without a page there is nothing to reach.
    if (session.value.state !== "signed_in") return;
    if (isTyping(event.target) || document.querySelector("dialog[open]") !== null) return;
    const shortcut = SHORTCUTS.find((candidate) => candidate.key === event.key.toLowerCase());
    if (shortcut === undefined) return;
    event.preventDefault();
    shortcut.press();
  });
}

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && target.closest("input, textarea, select, [contenteditable]") !== null;
}

/** While a run is active the button cannot take the focus; the run itself is then what matters. */
function focusSyncButton(): void {
  const button = document.querySelector<HTMLButtonElement>("#force-sync");
  if (button !== null && !button.disabled) button.focus();
  else focusRun();
}

function askToCancelShown(): void {
  const active = activeRun.value;
  const isShown = active !== null && active.sessionId === shownSessionId.value;
  if (isShown && !active.isCancelling) askToCancel(active.sessionId);
}

function readStored(): string | null {
  try {
    return localStorage.getItem(STORED_AS);
  } catch {
    return null;
  }
}
