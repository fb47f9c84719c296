// The Force sync button with its states in words, and the choice of scope beside it.
import { html } from "htm/preact";
import { focusRun } from "../focus.ts";
import { icon } from "../icons.ts";
import { chosenScope, type Scope, type SyncButton, startSync, syncButton } from "../start.ts";

const CHOICES: readonly { readonly scope: Scope; readonly label: string; readonly hint: string }[] = [
  { scope: "quick", label: "Quick", hint: "6–8 min" },
  { scope: "full", label: "Full", hint: "8–12 min" },
];

export function SyncControl() {
  const button = syncButton.value;
  const isReady = button.state === "ready";
  // A button that is disabled loses the focus.
  const press = () => {
    startSync(chosenScope.value);
    focusRun();
  };
  return html`<div class="sync-control">
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
    <button
      type="button" id="force-sync" class="button primary sync-button" data-testid="force-sync-button"
      data-state=${button.state} disabled=${!isReady} onClick=${press}
    >
      ${isReady ? html`${icon("sync")}<span>Force sync</span>` : busy(button)}
    </button>
  </div>`;
}

function choose(scope: Scope): void {
  chosenScope.value = scope;
}

function busy(button: SyncButton) {
  return html`<span class="sync-busy" data-testid="force-sync-loading">${icon("spinner")}${busyText(button)}</span>`;
}

function busyText(button: SyncButton): string {
  switch (button.state) {
    case "ready":
      return "Force sync";
    case "starting":
      return "Starting…";
    case "cancelling":
      return "Cancelling…";
    case "running":
      return `Running: ${button.completedAgents} of ${button.expectedAgents} agents`;
  }
}
