// Every call to OPAL that was made for a run, kept for whoever asks why it took so long.
import { html } from "htm/preact";
import { AGENTS } from "../../opal/agents.ts";
import type { Attempt } from "../../sync/run/state.ts";
import { describeFailure, type RunView } from "../../sync/run/view.ts";
import { placeOf } from "../calls.ts";
import { duration, listOf, timeOfDay } from "../format.ts";
import { serverNow } from "../server-time.ts";

export function AttemptList({ view }: { readonly view: RunView }) {
  const { attempts } = view;
  if (attempts.length === 0) return null;
  return html`<details class="panel attempts">
    <summary>Calls to OPAL <span class="muted">(${attempts.length})</span></summary>
    <ol>
      ${attempts.map(
        (attempt) => html`<li key=${attempt.attempt}>
          <span class="tabular muted">${timeOfDay(attempt.startedAt, serverNow.value)}</span>
          <span>${purposeOf(view, attempt)} ${placeOf(attempts, attempt)}: ${outcomeOf(attempt)}</span>
        </li>`,
      )}
    </ol>
  </details>`;
}

/** Every purpose has its own count of attempts. */
function purposeOf({ reruns }: RunView, { rerun }: Attempt): string {
  if (rerun === null) return "Attempt";
  const agents = reruns.find((known) => known.rerun === rerun)?.agents ?? [];
  return `${listOf(agents.map((id) => AGENTS[id].name))} once more, attempt`;
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
