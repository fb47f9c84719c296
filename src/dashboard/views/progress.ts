// How far the run is: one segment per agent in the order of the chain, and the percentage that the run itself derives.
import { html } from "htm/preact";
import { AGENT_IDS } from "../../opal/agents.ts";
import type { RunSummary } from "../../sync/report.ts";
import type { RunView } from "../../sync/run/view.ts";

export function runProgress(shown: RunSummary, view: RunView | null) {
  const states =
    view?.agents.map((agent) => agent.state) ?? Array.from({ length: shown.expectedAgents }, () => "waiting");
  const text = `${shown.progressPercent}%, ${shown.completedAgents} of ${shown.expectedAgents} agents completed`;
  return progressBar(shown.progressPercent, text, states);
}

export function emptyProgress() {
  return progressBar(
    0,
    "Not started",
    AGENT_IDS.map(() => "waiting"),
  );
}

function progressBar(percent: number, text: string, states: readonly string[]) {
  return html`<div
    class="progress" role="progressbar" data-testid="progress-indicator" aria-label="Progress of the run"
    aria-valuemin="0" aria-valuemax="100" aria-valuenow=${percent} aria-valuetext=${text}
  >
    <div class="segments">${states.map((state) => html`<span class="segment segment-${state}"></span>`)}</div>
    <span class="progress-percent tabular">${percent}%</span>
  </div>`;
}
