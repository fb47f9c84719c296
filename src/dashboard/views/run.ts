// The run that is looked at, from the first press of the button to its end, or what there is instead of one.
import { html } from "htm/preact";
import { h } from "preact";
import type { RunSummary } from "../../sync/report.ts";
import type { RunView } from "../../sync/run/view.ts";
import { homeAddress } from "../address.ts";
import { focusRun } from "../focus.ts";
import { icon } from "../icons.ts";
import { address, followLink } from "../location.ts";
import { chosenScope, isNewSync, start, startSync, syncButton } from "../start.ts";
import { overview, runProblem, shownQueued, shownSessionId, summary, view, viewFailure } from "../state.ts";
import { AgentTable } from "./agents.ts";
import { AttemptList } from "./attempts.ts";
import { Boundary } from "./boundary.ts";
import { CarriedOver } from "./lineage.ts";
import { problemBox } from "./problem.ts";
import { type Meanwhile, RunHead } from "./run-head.ts";

const STARTING: Meanwhile = { word: "Starting", message: "Asking for a run…" };
const LOADING: Meanwhile = { word: "Loading", message: "Loading the run…" };

export function RunPart() {
  if (viewFailure.value !== undefined) throw viewFailure.value;
  if (isNewSync(start.value)) return runParts(null, null, STARTING);
  if (address.value.page === "unknown") return nothingHere();
  if (shownQueued.value !== null) return waiting();
  if (runProblem.value !== null) {
    return html`<section class="panel empty">
      <h1 id="run-heading" tabindex="-1">This run cannot be shown</h1>
      ${problemBox(runProblem.value)}${homeLink()}
    </section>`;
  }
  if (overview.value !== null && shownSessionId.value === null) return firstUse();
  return runParts(summary.value, view.value, LOADING);
}

/** One shape before and after the run arrives: nothing jumps, and the focus stays where it is. */
function runParts(shown: RunSummary | null, known: RunView | null, meanwhile: Meanwhile) {
  return html`
    ${h(Boundary, { part: "The head of the run" }, h(RunHead, { shown, view: known, meanwhile }))}
    ${h(Boundary, { part: "The list of agents" }, h(AgentTable, { view: known, key: shown?.sessionId }))}
    ${known !== null && h(Boundary, { part: "The results carried over" }, h(CarriedOver, { view: known }))}
    ${known !== null && h(Boundary, { part: "The list of calls" }, h(AttemptList, { view: known }))}
  `;
}

function firstUse() {
  const isReady = syncButton.value.state === "ready";
  return html`<section class="panel empty">
    <h1 id="run-heading" tabindex="-1">No sync has run yet</h1>
    <p>
      Press <strong>Start force sync</strong>. OPAL then runs its strategy workflow: nine agents, one after the other, in six to
      twelve minutes. Their progress and results appear here as they arrive.
    </p>
    ${
      isReady &&
      html`<button type="button" class="button primary" onClick=${startFirst}>
        ${icon("sync")} Start the first sync
      </button>`
    }
  </section>`;
}

function startFirst(): void {
  startSync(chosenScope.value);
  focusRun();
}

function waiting() {
  return html`<section class="panel empty">
    <h1 id="run-heading" tabindex="-1">This run waits for its turn</h1>
    <p>It has not begun. Its agents appear here as soon as it does.</p>
    ${homeLink()}
  </section>`;
}

function nothingHere() {
  return html`<section class="panel empty">
    <h1 id="run-heading" tabindex="-1">There is no page at this address</h1>
    ${homeLink()}
  </section>`;
}

function homeLink() {
  return html`<a class="button" href=${homeAddress()} onClick=${followLink}>Show the current run</a>`;
}
