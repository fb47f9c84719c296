// What became of the last press of a button that starts something, when it was not simply a new run.
import { html } from "htm/preact";
import { runAddress } from "../address.ts";
import { focusRun } from "../focus.ts";
import { describeHolder, type Holder, refreshHolder } from "../holder.ts";
import { icon } from "../icons.ts";
import { address, followLink } from "../location.ts";
import { serverNow } from "../server-time.ts";
import { dismissStart, isStarting, mayTryAgain, start, startWhenEnded, tryAgain } from "../start.ts";
import { activeRun, overview, shownSessionId } from "../state.ts";
import { problemBox } from "./problem.ts";

export function StartNotice() {
  const { value } = start;
  if (value.state === "failed") {
    // Meanwhile a run may be active, perhaps this very one; then there is nothing to try again.
    const again = mayTryAgain(value) ? [{ label: "Try again", act: goAgain }] : [];
    return problemBox(value.problem, [...again, { label: "Dismiss", act: dismissStart }], "force-sync-error");
  }
  if (value.state === "busy") return busyNotice(value.holder);
  if (value.state === "queued") {
    return html`<div class="notice">
      ${icon("clock")}<p>It waits for its turn and starts by itself.</p>
    </div>`;
  }
  const active = activeRun.value;
  if (address.value.page !== "run" || active === null || active.sessionId === shownSessionId.value) return null;
  return html`<div class="notice">
    ${icon("sync")}
    <p>Another run is active at the moment.</p>
    <a class="button" href=${runAddress(active.sessionId)} onClick=${followLink}>Show the active run</a>
  </div>`;
}

function busyNotice(holder: Holder) {
  const { sessionId } = holder;
  const known = overview.value?.runs.find((run) => run.sessionId === sessionId);
  // It may have ended while the notice stood here.
  const isInTheWay = known === undefined || !known.isOver;
  const words = isInTheWay
    ? describeHolder(refreshHolder(holder, known), serverNow.value)
    : "It has ended meanwhile, so a run can be started again.";
  return html`<div class="notice" data-testid="busy-notice">
    ${icon("info")}
    <p><strong>Another run is in the way.</strong> ${words}</p>
    <div class="notice-actions">
      ${sessionId !== shownSessionId.value && html`<a class="button" href=${runAddress(sessionId)} onClick=${followLink}>Show that run</a>`}
      ${isInTheWay ? waitButton() : html`<button type="button" class="button" onClick=${goAgain}>Start now</button>`}
      <button type="button" class="button" onClick=${dismissStart}>Dismiss</button>
    </div>
  </div>`;
}

function waitButton() {
  const isBusy = isStarting.value;
  return html`<button type="button" class="button" aria-disabled=${isBusy ? "true" : undefined} onClick=${startWhenEnded}>
    ${isBusy ? "Asking…" : "Start when it has ended"}
  </button>`;
}

function goAgain(): void {
  tryAgain();
  focusRun();
}
