// The Force sync button with its states in words, and the choice of scope beside it.
import { html } from "htm/preact";
import { blockWords } from "../control-words.ts";
import { focusBanner, focusRun } from "../focus.ts";
import { icon } from "../icons.ts";
import { serverNow } from "../server-time.ts";
import { chosenScope, type Scope, type SyncButton, startSync, syncButton } from "../start.ts";
import { syncButtonWords } from "../words.ts";

const CHOICES: readonly { readonly scope: Scope; readonly label: string; readonly hint: string }[] = [
  { scope: "quick", label: "Quick", hint: "6–8 min" },
  { scope: "full", label: "Full", hint: "8–12 min" },
];

export function SyncControl() {
  const button = syncButton.value;
  const isReady = button.state === "ready";
  return html`<div class="sync-control" data-state=${button.state}>
    <fieldset class="scope" disabled=${!isReady}>
      <legend class="visually-hidden">Scope of the sync</legend>
      ${CHOICES.map(
        ({ scope, label, hint }) => html`<label class="scope-choice">
          <input
            type="radio" name="scope" value=${scope} checked=${chosenScope.value === scope}
            onChange=${() => choose(scope)}
          />
          <span>${label} <span class="scope-hint">${hint}</span></span>
        </label>`,
      )}
    </fieldset>
    ${syncButtonElement(button)}
  </div>`;
}

/** One that is blocked stays in reach of the keyboard: it says why, and leads to where more is said. */
function syncButtonElement(button: SyncButton) {
  const isBlocked = button.state === "blocked";
  return html`<button
    type="button" id="force-sync" class="button primary sync-button" data-testid="force-sync-button"
    data-state=${button.state} disabled=${!isBlocked && button.state !== "ready"}
    aria-disabled=${isBlocked ? "true" : undefined} onClick=${isBlocked ? focusBanner : press}
  >
    ${content(button)}
  </button>`;
}

/** A button that is disabled loses the focus. */
function press(): void {
  startSync(chosenScope.value);
  focusRun();
}

function choose(scope: Scope): void {
  chosenScope.value = scope;
}

function content(button: SyncButton) {
  if (button.state === "ready") return html`${icon("sync")}<span>${syncButtonWords(button)}</span>`;
  if (button.state !== "blocked") {
    return html`<span class="sync-busy" data-testid="force-sync-loading">
      ${icon("spinner")}${syncButtonWords(button)}
    </span>`;
  }
  const { what, why } = blockWords(button.block, serverNow.value);
  return html`<span class="sync-blocked" data-testid="force-sync-blocked" title=${why}>
    <span class="sync-what">${icon("warning")}<span>${what}</span></span>
    <span class="visually-hidden">, </span><span class="sync-why tabular">${why}</span>
  </span>`;
}
