// What an agent found, as far as a row has room: its headline and up to three metrics, or that it is an earlier result.
import { html } from "htm/preact";
import { loadResult, type ResultSource, results } from "../results.ts";
import { serverNow } from "../server-time.ts";
import { cachedWords } from "../words.ts";

interface AgentResultProps {
  readonly source: ResultSource;
  /** When the agent ended; null while it has not. */
  readonly at: number | null;
}

export function AgentResult({ source, at }: AgentResultProps) {
  const { fallback } = source;
  if (fallback === null) return content(source, true);
  const words = cachedWords(fallback, at ?? serverNow.value);
  return html`<span class="headline cached" data-testid="cached" title=${words}>${words}</span>
    ${content(source, false)}`;
}

function content(source: ResultSource, hasMetrics: boolean) {
  const shown = results.value.get(source.resultId);
  if (shown === undefined || shown.state === "loading") {
    return html`<span class="line muted">Loading the result…</span>`;
  }
  if (shown.state === "failed") {
    return html`<span class="line">
      <span class="muted">Not loaded: ${shown.problem.title}</span>
      <button type="button" class="link-button" onClick=${() => void loadResult(source)}>Try again</button>
    </span>`;
  }
  const { headline, metrics } = shown.summary;
  return html`<span class="headline">${headline}</span>
    ${
      hasMetrics &&
      metrics.length > 0 &&
      html`<span class="metrics">
        ${metrics.map(({ label, value }) => html`<span class="metric"><b>${value}</b> <span class="metric-label">${label}</span></span>`)}
      </span>`
    }`;
}
