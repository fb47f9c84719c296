// The newest runs, each a link to its own page.
import { html } from "htm/preact";
import { useState } from "preact/hooks";
import type { RunSummary } from "../../sync/report.ts";
import { runAddress } from "../address.ts";
import { duration, isoUtc, relative, runningClock } from "../format.ts";
import { icon } from "../icons.ts";
import { followLink } from "../location.ts";
import { serverNow } from "../server-time.ts";
import { overview, shownSessionId } from "../state.ts";
import { runWord, scopeName } from "../words.ts";

/** More than this many are shown on request. */
const FIRST = 10;

export function RecentRuns() {
  const [isAll, setAll] = useState(false);
  const runs = overview.value?.runs;
  return html`<section class="panel recent" aria-labelledby="recent-heading">
    <h2 id="recent-heading">Recent runs</h2>
    ${listOrWords(runs, isAll)}
    ${
      runs !== undefined &&
      runs.length > FIRST &&
      html`<button type="button" class="button plain recent-more" aria-expanded=${isAll} onClick=${() => setAll(!isAll)}>
        ${isAll ? `Show the newest ${FIRST}` : `Show all ${runs.length}`}
      </button>`
    }
  </section>`;
}

function listOrWords(runs: readonly RunSummary[] | undefined, isAll: boolean) {
  if (runs === undefined) return html`<p class="muted recent-words">Loading…</p>`;
  if (runs.length === 0)
    return html`<p class="muted recent-words">None yet. Every run stays here with its outcome.</p>`;
  return html`<ol class="recent-list">${(isAll ? runs : runs.slice(0, FIRST)).map(recentRun)}</ol>`;
}

function recentRun(run: RunSummary) {
  const now = serverNow.value;
  const { word, tone, icon: name } = runWord(run, run.isCancelling);
  const isShown = run.sessionId === shownSessionId.value;
  const took = run.endedAt === null ? runningClock(now - run.requestedAt) : duration(run.endedAt - run.requestedAt);
  return html`<li key=${run.sessionId}>
    <a
      class="recent-run" data-testid="recent-run" data-status=${run.status} href=${runAddress(run.sessionId)}
      aria-current=${isShown ? "page" : undefined} onClick=${followLink}
    >
      <span class="recent-state tone-${tone}">${icon(name)}${word}</span>
      <time class="recent-when" datetime=${isoUtc(run.requestedAt)} title=${isoUtc(run.requestedAt)}>
        ${relative(run.requestedAt, now)}
      </time>
      <span class="recent-facts tabular">
        <span>${scopeName(run.scope)}</span>
        <span>${run.completedAgents} of ${run.expectedAgents} agents</span>
        ${run.attempt > 1 && html`<span>attempt ${run.attempt}</span>`}
        ${run.fallbacks > 0 && html`<span>${run.fallbacks} cached</span>`}
        <span>${took}</span>
      </span>
      <span class="recent-who">${run.actor}</span>
    </a>
  </li>`;
}
