// How a run hangs together with others: which attempt it is, which came before and after, and what it took over.
import { html } from "htm/preact";
import type { VNode } from "preact";
import { AGENTS } from "../../opal/agents.ts";
import type { CarriedResult, Lineage } from "../../sync/run/request.ts";
import type { RunView } from "../../sync/run/view.ts";
import { runAddress } from "../address.ts";
import { percent, timeOfDay } from "../format.ts";
import { followLink } from "../location.ts";
import { resultAddress } from "../results.ts";
import { serverNow } from "../server-time.ts";

export function runLink(sessionId: string, words: string): VNode {
  return html`<a href=${runAddress(sessionId)} onClick=${followLink}>${words}</a>`;
}

/** Null for a first attempt that nobody repeated. */
export function lineageLine({ lineage, retriedAs }: RunView): VNode | null {
  if (lineage === null && retriedAs.length === 0) return null;
  return html`<p class="muted" data-testid="lineage">
    ${lineage !== null && html`Attempt ${lineage.attempt}, ${before(lineage.how)} ${runLink(lineage.retryOf, `attempt ${lineage.attempt - 1}`)}. `}
    ${retriedAs.map(({ sessionId, attempt, how }) => html`${how === "retry" ? "Retried" : "Resumed"} as ${runLink(sessionId, `attempt ${attempt}`)}. `)}
  </p>`;
}

function before(how: "retry" | "resume"): string {
  return how === "retry" ? "a retry of" : "resumed from";
}

/** Good results of earlier attempts, which this run did not ask for again. */
export function CarriedOver({ view: { carriedOver, lineage } }: { readonly view: RunView }) {
  if (carriedOver.length === 0) return null;
  return html`<section class="panel carried" aria-labelledby="carried-heading" data-testid="carried-over">
    <h2 id="carried-heading">Results carried over <span class="muted">(${carriedOver.length})</span></h2>
    <p class="muted small">Good results of earlier attempts. This run did not ask for them again.</p>
    <ul>${carriedOver.map((carried) => carriedResult(carried, lineage))}</ul>
  </section>`;
}

function carriedResult({ agentId, sessionId, result, at }: CarriedResult, lineage: Lineage | null) {
  const isBefore = sessionId === lineage?.retryOf;
  return html`<li key=${agentId} data-agent=${agentId}>
    <span class="carried-name">${AGENTS[agentId].name}</span>
    <span class="tabular">${result.confidence === null ? "none given" : percent(result.confidence)}</span>
    <span class="muted tabular">${timeOfDay(at, serverNow.value)}</span>
    <span>from ${runLink(sessionId, isBefore ? `attempt ${lineage.attempt - 1}` : "an earlier attempt")}</span>
    <a href=${resultAddress(sessionId, agentId)} target="_blank" rel="noopener">
      Result as JSON<span class="visually-hidden">: ${AGENTS[agentId].name}</span>
    </a>
  </li>`;
}
