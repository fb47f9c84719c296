// What an agent found, as far as a row has room: its headline and up to three metrics.
import { html } from "htm/preact";
import { loadResult, results } from "../results.ts";

interface AgentResultProps {
  readonly sessionId: string;
  readonly agentId: string;
  readonly resultId: string;
}

export function AgentResult({ sessionId, agentId, resultId }: AgentResultProps) {
  const shown = results.value.get(resultId);
  if (shown === undefined || shown.state === "loading")
    return html`<span class="line muted">Loading the result…</span>`;
  if (shown.state === "failed") {
    return html`<span class="line">
      <span class="muted">Not loaded: ${shown.problem.title}</span>
      <button type="button" class="link-button" onClick=${() => void loadResult(sessionId, agentId, resultId)}>
        Try again
      </button>
    </span>`;
  }
  const { headline, metrics } = shown.summary;
  return html`<span class="headline">${headline}</span>
    ${
      metrics.length > 0 &&
      html`<span class="metrics">
        ${metrics.map(({ label, value }) => html`<span class="metric"><b>${value}</b> <span class="metric-label">${label}</span></span>`)}
      </span>`
    }`;
}
