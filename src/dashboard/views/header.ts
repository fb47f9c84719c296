// The bar at the top: product, connection, who is signed in, and the button that everything is about.
import { html } from "htm/preact";
import { h } from "preact";
import { homeAddress } from "../address.ts";
import type { ConnectionLabel } from "../connection.ts";
import { isSwitchDialogOpen } from "../control.ts";
import { focusBanner } from "../focus.ts";
import { nudgeConnections } from "../follow.ts";
import { icon } from "../icons.ts";
import { openHelp } from "../keys.ts";
import { followLink } from "../location.ts";
import { serverNow, toOurClock } from "../server-time.ts";
import { signOut } from "../session.ts";
import { connectionLabel, overview } from "../state.ts";
import { CONNECTION_WORDS } from "../words.ts";
import { Boundary } from "./boundary.ts";
import { brandMark } from "./brand.ts";
import { SyncControl } from "./sync-control.ts";

export function Header({ name }: { readonly name: string }) {
  return html`<header class="bar">
    <a class="brand" href=${homeAddress()} onClick=${followLink}>${brandMark()} <span class="brand-name">OSA Edge</span></a>
    ${h(Connection, null)}
    <div class="bar-user">
      <span class="bar-name muted" title=${name}>${name}</span>
      ${h(EmergencySwitch, null)}
      <button type="button" class="button plain" aria-label="Keyboard help" onClick=${openHelp}>
        ${icon("help")}
      </button>
      <button type="button" class="button plain" onClick=${() => void signOut()}>Sign out</button>
    </div>
    ${h(Boundary, { part: "The Force sync button" }, h(SyncControl, null))}
  </header>`;
}

/** Whoever may not use it is told so by the server. Switching on again is offered where it says that all is off. */
function EmergencySwitch() {
  if (overview.value === null) return null;
  const isOff = overview.value.switchedOff !== null;
  const label = isOff ? "Triggering is switched off" : "Switch off all triggering";
  return html`<button
    type="button" class="button plain emergency-switch" data-testid="emergency-switch" data-state=${isOff ? "off" : "on"}
    aria-label=${label} title=${label} onClick=${isOff ? focusBanner : openSwitchDialog}
  >
    ${icon("power")}<span class="bar-word">${isOff ? "Switched off" : "Switch off"}</span>
  </button>`;
}

function openSwitchDialog(): void {
  isSwitchDialogOpen.value = true;
}

/** Not a live region itself: a countdown would be read out every second. */
function Connection() {
  const { word, retryAt } = connectionLabel.value;
  const { word: text, tone } = CONNECTION_WORDS[word];
  return html`<div class="connection" data-testid="polling-indicator" data-state=${word}>
    <span class="connection-text tone-${tone}">
      <span class="dot"></span>${text}<span class="countdown tabular">${retryAt !== null && h(Countdown, { word, retryAt })}</span>
    </span>
    ${
      word === "offline" &&
      html`<button type="button" class="button small-button" onClick=${nudgeConnections}>Reconnect now</button>`
    }
  </div>`;
}

/** `retryAt` is in our own clock's time. */
function Countdown({ word, retryAt }: ConnectionLabel) {
  const seconds = Math.max(1, Math.ceil(((retryAt ?? 0) - toOurClock(serverNow.value)) / 1000));
  return word === "offline" ? `, next try in ${seconds} s` : `\u00a0in ${seconds} s`;
}
