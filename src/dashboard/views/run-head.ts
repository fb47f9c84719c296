// The head of a run: how it is, how far, since when, by whom, and what can be done about it.
import { html } from "htm/preact";
import type { VNode } from "preact";
import type { RunSummary } from "../../sync/report.ts";
import type { RunView } from "../../sync/run/view.ts";
import { cancel, confirmCancel, dismissCancel, isCancelSent } from "../cancel.ts";
import { isoUtc, relative, timeOfDay } from "../format.ts";
import { icon } from "../icons.ts";
import { address } from "../location.ts";
import { notesOf } from "../notes.ts";
import { serverNow } from "../server-time.ts";
import { start } from "../start.ts";
import { runWord, scopeName } from "../words.ts";
import { runFacts } from "./facts.ts";
import { lineageLine } from "./lineage.ts";
import { problemBox } from "./problem.ts";
import { emptyProgress, runProgress } from "./progress.ts";
import { cancelButton, retryButtons } from "./run-actions.ts";
import { runNotices } from "./run-notices.ts";

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
    lineage: view === null ? null : lineageLine(view),
    status: html`<span class="status tone-${tone}" data-testid="run-status" data-status=${shown.status}>${icon(name)}${word}</span>`,
    message: html`<p class="run-message" data-testid=${outcomeTestId(shown)}>${shown.message}</p>`,
    action: headAction(shown, view),
    progress: runProgress(shown, view),
    facts: runFacts(shown, view, serverNow.value),
    notices: [cancelProblem(shown), view === null ? null : runNotices(view)],
    notes: view === null ? null : noteList(view),
  });
}

function placeholder({ word, message }: Meanwhile) {
  return frame({
    eyebrow: "Run",
    heading: "Force sync",
    meta: "—",
    lineage: null,
    status: html`<span class="status tone-active">${icon("spinner")}${word}</span>`,
    message: html`<p class="run-message">${message}</p>`,
    action: null,
    progress: emptyProgress(),
    facts: runFacts(null, null, 0),
    notices: [],
    notes: null,
  });
}

interface Frame {
  readonly eyebrow: string;
  readonly heading: string;
  readonly meta: VNode | string;
  readonly lineage: VNode | null;
  readonly status: VNode;
  readonly message: VNode;
  readonly action: VNode | null;
  readonly progress: VNode;
  readonly facts: VNode;
  readonly notices: readonly (VNode | null)[];
  readonly notes: VNode | null;
}

function frame(parts: Frame) {
  const { eyebrow, heading, meta, lineage, status, message, action, notices, progress, facts, notes } = parts;
  return html`<section class="panel run-head" aria-labelledby="run-heading">
    <div class="run-title">
      <div>
        <p class="eyebrow">${eyebrow}</p>
        <h1 id="run-heading" tabindex="-1">${heading}</h1>
        <p class="muted run-meta">${meta}</p>
        ${lineage}
      </div>
      <div class="run-state">${status}<div class="run-action">${action}</div></div>
    </div>
    ${message} ${notices} ${progress} ${facts} ${notes}
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
  if (!shown.isOver) return cancelButton(shown.sessionId, isCancelling(shown, view));
  return view === null ? null : retryButtons(view);
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
