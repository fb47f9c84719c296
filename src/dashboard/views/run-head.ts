// The head of a run: how it is, how far, since when, by whom, and what can be done about it.
import { html } from "htm/preact";
import type { VNode } from "preact";
import type { RunSummary } from "../../sync/report.ts";
import type { RunView } from "../../sync/run/view.ts";
import { askToCancel, cancel, confirmCancel, dismissCancel, isCancelSent } from "../cancel.ts";
import { focusRun } from "../focus.ts";
import { isoUtc, relative, timeOfDay } from "../format.ts";
import { icon } from "../icons.ts";
import { address } from "../location.ts";
import { notesOf } from "../notes.ts";
import { serverNow } from "../server-time.ts";
import { start, startSync, syncButton } from "../start.ts";
import { runWord, scopeName } from "../words.ts";
import { runFacts } from "./facts.ts";
import { problemBox } from "./problem.ts";
import { emptyProgress, runProgress } from "./progress.ts";

/** What goes on while there is no run to show yet. */
export interface Meanwhile {
  readonly word: string;
  readonly message: string;
}

interface RunHeadProps {
  /** Null while there is no run to show yet; the head then has the same shape. */
  readonly shown: RunSummary | null;
  /** Null until the run's own log has arrived. */
  readonly view: RunView | null;
  readonly meanwhile: Meanwhile;
}

export function RunHead({ shown, view, meanwhile }: RunHeadProps) {
  return shown === null ? placeholder(meanwhile) : head(shown, view);
}

function head(shown: RunSummary, view: RunView | null) {
  const { word, tone, icon: name } = runWord(shown, isCancelling(shown, view));
  const startedAt = html`<time datetime=${isoUtc(shown.requestedAt)} title=${isoUtc(shown.requestedAt)}>
    ${timeOfDay(shown.requestedAt, serverNow.value)} (${relative(shown.requestedAt, serverNow.value)})
  </time>`;
  return frame({
    eyebrow: shown.isOver ? (address.value.page === "now" ? "Last run" : "Run") : "Current run",
    heading: scopeName(shown.scope),
    meta: html`started ${startedAt} by <span class="who">${shown.actor}</span>`,
    status: html`<span class="status tone-${tone}" data-testid="run-status" data-status=${shown.status}>${icon(name)}${word}</span>`,
    message: html`<p class="run-message" data-testid=${outcomeTestId(shown)}>${shown.message}</p>`,
    action: headAction(shown, view),
    progress: runProgress(shown, view),
    facts: runFacts(shown, view, serverNow.value),
    below: [cancelProblem(shown), view === null ? null : noteList(view)],
  });
}

function placeholder({ word, message }: Meanwhile) {
  return frame({
    eyebrow: "Run",
    heading: "Force sync",
    meta: "—",
    status: html`<span class="status tone-active">${icon("spinner")}${word}</span>`,
    message: html`<p class="run-message">${message}</p>`,
    action: null,
    progress: emptyProgress(),
    facts: runFacts(null, null, 0),
    below: [],
  });
}

interface Frame {
  readonly eyebrow: string;
  readonly heading: string;
  readonly meta: VNode | string;
  readonly status: VNode;
  readonly message: VNode;
  readonly action: VNode | null;
  readonly progress: VNode;
  readonly facts: VNode;
  readonly below: readonly (VNode | null)[];
}

function frame({ eyebrow, heading, meta, status, message, action, progress, facts, below }: Frame) {
  return html`<section class="panel run-head" aria-labelledby="run-heading">
    <div class="run-title">
      <div>
        <p class="eyebrow">${eyebrow}</p>
        <h1 id="run-heading" tabindex="-1">${heading}</h1>
        <p class="muted run-meta">${meta}</p>
      </div>
      <div class="run-state">${status}<div class="run-action">${action}</div></div>
    </div>
    ${message} ${progress} ${facts} ${below}
  </section>`;
}

function isCancelling(shown: RunSummary, view: RunView | null): boolean {
  return (view ?? shown).isCancelling || isCancelSent(shown.sessionId);
}

/** The message of a run that is over is its outcome. A start that failed meanwhile is the newer error. */
function outcomeTestId({ status }: RunSummary): string | undefined {
  if (status === "completed" || status === "partially_completed") return "force-sync-completed";
  const hasFailed = status === "failed" || status === "timed_out";
  return hasFailed && start.value.state !== "failed" ? "force-sync-error" : undefined;
}

function headAction(shown: RunSummary, view: RunView | null): VNode | null {
  if (!shown.isOver) {
    const isUnderWay = isCancelling(shown, view);
    return html`<button
      type="button" class="button danger-outline" data-testid="emergency-stop-button" disabled=${isUnderWay}
      onClick=${() => askToCancel(shown.sessionId)}
    >
      ${isUnderWay ? "Cancelling…" : "Cancel run"}
    </button>`;
  }
  const { scope } = shown;
  if (shown.status === "completed" || !isStartable(scope) || syncButton.value.state !== "ready") return null;
  const again = () => {
    startSync(scope);
    focusRun();
  };
  return html`<button type="button" class="button" onClick=${again}>${icon("sync")} Run again</button>`;
}

/** A foreign run has a scope that nobody here can ask for. */
function isStartable(scope: string): scope is "quick" | "full" {
  return scope === "quick" || scope === "full";
}

function cancelProblem({ sessionId }: RunSummary): VNode | null {
  const { value } = cancel;
  if (value.state !== "failed" || value.sessionId !== sessionId) return null;
  return problemBox(value.problem, [
    { label: "Try again", act: () => void confirmCancel(sessionId) },
    { label: "Dismiss", act: dismissCancel },
  ]);
}

function noteList(view: RunView): VNode | null {
  const notes = notesOf(view);
  if (notes.length === 0) return null;
  return html`<ul class="notes">
    ${notes.map(
      ({ id, tone, text }) => html`<li key=${id} class="note tone-${tone}" data-note=${id}>
        ${icon(tone === "quiet" ? "info" : "warning")}<span>${text}</span>
      </li>`,
    )}
  </ul>`;
}
