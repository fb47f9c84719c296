// What became of the last press of the button, when it was not simply a new run.
import { html } from "htm/preact";
import { runAddress } from "../address.ts";
import { focusRun } from "../focus.ts";
import { icon } from "../icons.ts";
import { address, followLink } from "../location.ts";
import { dismissStart, start, syncButton, tryAgain } from "../start.ts";
import { activeRun, shownSessionId } from "../state.ts";
import { problemBox } from "./problem.ts";

export function StartNotice() {
  const { value } = start;
  if (value.state === "failed") {
    // Meanwhile a run may be active, perhaps this very one; then there is nothing to try again.
    const again = syncButton.value.state === "ready" ? [{ label: "Try again", act: goAgain }] : [];
    return problemBox(value.problem, [...again, { label: "Dismiss", act: dismissStart }], "force-sync-error");
  }
  const active = activeRun.value;
  if (value.state === "joined" && value.sessionId === shownSessionId.value && value.sessionId === active?.sessionId) {
    return html`<div class="notice" role="status">
      ${icon("info")}
      <p>A force sync was already running, so no second one was started. This is the one that runs.</p>
      <button type="button" class="button" onClick=${dismissStart}>Dismiss</button>
    </div>`;
  }
  if (address.value.page !== "run" || active === null || active.sessionId === shownSessionId.value) return null;
  return html`<div class="notice">
    ${icon("sync")}
    <p>Another run is active at the moment.</p>
    <a class="button" href=${runAddress(active.sessionId)} onClick=${followLink}>Show the active run</a>
  </div>`;
}

function goAgain(): void {
  tryAgain();
  focusRun();
}
