// The browser's address as a signal, and the only way to change it.
import { signal } from "@preact/signals";
import { parseAddress } from "./address.ts";
import { focusRun } from "./focus.ts";

export const address = signal(parseAddress(location.pathname));

export function startRouting(): void {
  addEventListener("popstate", () => {
    address.value = parseAddress(location.pathname);
  });
}

export function goTo(path: string): void {
  if (path === location.pathname) return;
  history.pushState(null, "", path);
  address.value = parseAddress(path);
}

/** Corrects the address without a step in the history. */
export function correctAddress(path: string): void {
  history.replaceState(null, "", path);
  address.value = parseAddress(path);
}

/** For links: a plain click stays in the page, every other one (new tab, new window) is the browser's. */
export function followLink(event: MouseEvent): void {
  const link = event.currentTarget;
  const isPlain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
  if (!isPlain || !(link instanceof HTMLAnchorElement)) return;
  event.preventDefault();
  goTo(link.pathname);
  scrollTo({ top: 0 });
  // Whoever reads or types goes on at the new part and not at the link.
  focusRun();
}
