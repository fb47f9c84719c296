// Where the focus goes when what had it is about to leave the page: to the heading of the run that is looked at.

/** Once what has just changed is drawn. */
export function focusRun(): void {
  requestAnimationFrame(() => document.querySelector<HTMLElement>("#run-heading")?.focus({ preventScroll: true }));
}
