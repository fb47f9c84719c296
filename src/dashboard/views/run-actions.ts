// What can be done about a run: cancel it while it goes on, run again what is missing once it is over.
import { html } from "htm/preact";
import type { VNode } from "preact";
import type { RunView } from "../../sync/run/view.ts";
import { askToCancel } from "../cancel.ts";
import { focusRun } from "../focus.ts";
import { icon } from "../icons.ts";
import { isStarting, startRun, type Wish } from "../start.ts";

export function cancelButton(sessionId: string, isUnderWay: boolean): VNode {
  return html`<button
    type="button" class="button danger-outline" data-testid="emergency-stop-button" disabled=${isUnderWay}
    onClick=${() => askToCancel(sessionId)}
  >
    ${isUnderWay ? "Cancelling…" : "Cancel run"}
  </button>`;
}

/** A run that a refused credential stopped has its own notice; one that was repeated is repeated by its latest attempt. */
export function retryButtons(view: RunView): VNode | null {
  if (!view.isRetriable || view.isResumable || view.retriedAs.length > 0) return null;
  const { sessionId, completedAgents, attachedResults, carriedOver } = view;
  const hasResults = completedAgents + attachedResults + carriedOver.length > 0;
  return html`
    ${hasResults && retryButton({ what: "retry", sessionId, isFailedOnly: true }, "Retry failed agents")}
    ${retryButton({ what: "retry", sessionId, isFailedOnly: false }, "Retry all")}
  `;
}

function retryButton(wish: Wish, label: string): VNode {
  const retry = () => {
    startRun(wish);
    focusRun();
  };
  return html`<button type="button" class="button" disabled=${isStarting.value} onClick=${retry}>
    ${icon("sync")} ${label}
  </button>`;
}
