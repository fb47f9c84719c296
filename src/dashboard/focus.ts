// Where the focus goes when what had it is about to leave the page, once what has just changed is drawn.

/** What says that nothing can be started, and why. */
export const BANNER_ID = "blocked";

/** To the heading of the run that is looked at. */
export function focusRun(): void {
  focusOn("#run-heading", { preventScroll: true });
}

export function focusBanner(): void {
  focusOn(`#${BANNER_ID}`);
}

function focusOn(selector: string, options?: FocusOptions): void {
  requestAnimationFrame(() => document.querySelector<HTMLElement>(selector)?.focus(options));
}
