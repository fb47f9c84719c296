// What keeps runs from starting, or lets one wait, and what can be done about it.
import { html } from "htm/preact";
import type { BreakerState, QueuedSync, SwitchedOff } from "../../workspace/overview.ts";
import { BREAKER, resetBreaker, SWITCH, switchOn, withdraw, withdrawal } from "../control.ts";
import { breakerWords, queuedWords, switchWords } from "../control-words.ts";
import { BANNER_ID, focusRun } from "../focus.ts";
import { timeOfDay } from "../format.ts";
import { icon } from "../icons.ts";
import { serverNow } from "../server-time.ts";
import { overview } from "../state.ts";
import { actButton, actProblem } from "./act.ts";

export function ControlBanners() {
  if (overview.value === null) return null;
  const { switchedOff, breaker, queued } = overview.value;
  return html`
    ${switchedOff !== null && switchBanner(switchedOff)}
    ${breakerBanner(breaker, switchedOff === null)}
    ${queued !== null && queueBanner(queued, switchedOff !== null)}
  `;
}

function switchBanner(switchedOff: SwitchedOff) {
  return html`<div class="notice bad" id=${BANNER_ID} tabindex="-1" data-testid="switch-banner">
    ${icon("power")}
    <p><strong>Triggering is switched off</strong> ${switchWords(switchedOff, serverNow.value)}</p>
    ${actButton({ name: SWITCH, label: "Switch on", busy: "Switching on…", act: () => void switchOn().then(focusIfDone) })}
    ${actProblem(SWITCH)}
  </div>`;
}

function breakerBanner(breaker: BreakerState, isFirst: boolean) {
  const words = breakerWords(breaker, serverNow.value);
  if (words === null) return null;
  const reset = () => void resetBreaker().then(focusIfDone);
  return html`<div class="notice warn" id=${isFirst ? BANNER_ID : undefined} tabindex="-1" data-testid="breaker-banner">
    ${icon("warning")}
    <p class="tabular">${words}</p>
    ${actButton({ name: BREAKER, label: "Reset", hint: "Try OPAL again at once", busy: "Resetting…", act: reset })}
    ${actProblem(BREAKER)}
  </div>`;
}

function queueBanner(queued: QueuedSync, isSwitchedOff: boolean) {
  const { sessionId, expiresAt } = queued;
  const name = withdrawal(sessionId);
  const until = isSwitchedOff
    ? "It starts by itself when triggering is switched on and no run is under way"
    : "It starts by itself when the run under way has ended";
  return html`<div class="notice" data-testid="queue-banner">
    ${icon("clock")}
    <p>
      ${queuedWords(queued)} ${until}; if that takes until ${timeOfDay(expiresAt, serverNow.value)}, it is withdrawn.
    </p>
    ${actButton({ name, label: "Withdraw", busy: "Withdrawing…", act: () => void withdraw(sessionId).then(focusIfDone) })}
    ${actProblem(name)}
  </div>`;
}

/** The button goes away with its banner; the run's heading stays. */
function focusIfDone(isDone: boolean): void {
  if (isDone) focusRun();
}
