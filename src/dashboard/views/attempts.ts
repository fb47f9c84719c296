// Every call to OPAL that was made for a run, kept for whoever asks why it took so long.
import { html } from "htm/preact";
import type { Attempt } from "../../sync/run/state.ts";
import { describeFailure, type RunView } from "../../sync/run/view.ts";
import { duration, timeOfDay } from "../format.ts";
import { serverNow } from "../server-time.ts";

export function AttemptList({ view: { attempts } }: { readonly view: RunView }) {
  if (attempts.length === 0) return null;
  return html`<details class="panel attempts">
    <summary>Calls to OPAL <span class="muted">(${attempts.length})</span></summary>
    <ol>
      ${attempts.map(
        (attempt) => html`<li key=${attempt.attempt}>
          <span class="tabular muted">${timeOfDay(attempt.startedAt, serverNow.value)}</span>
          <span>Attempt ${attempt.attempt}: ${outcomeOf(attempt)}</span>
        </li>`,
      )}
    </ol>
  </details>`;
}

function outcomeOf(attempt: Attempt): string {
  switch (attempt.state) {
    case "calling":
      return "under way";
    case "accepted":
      return `accepted (HTTP ${attempt.httpStatus}) after ${duration(attempt.endedAt - attempt.startedAt)}`;
    case "failed":
      return `${describeFailure(attempt.failure, attempt.httpStatus)}, after ${duration(attempt.endedAt - attempt.startedAt)}`;
  }
}
