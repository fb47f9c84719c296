// The numbers of a run, always the same ones in the same places: phase, time, agents, calls to OPAL, OPAL's side, id.
import { html } from "htm/preact";
import { h, type VNode } from "preact";
import type { RunSummary } from "../../sync/report.ts";
import type { RunView } from "../../sync/run/view.ts";
import { callWords } from "../calls.ts";
import { duration, runningClock, timeOfDay } from "../format.ts";
import { OPAL_WORDS } from "../words.ts";
import { CopyButton } from "./copy-button.ts";

interface Fact {
  readonly name: string;
  readonly value: VNode | string;
  readonly more?: VNode | string | undefined;
}

const UNKNOWN = "–";

/** All nulls give the empty places. */
export function runFacts(shown: RunSummary | null, view: RunView | null, now: number) {
  const facts: readonly Fact[] = [
    { name: "Phase", value: shown === null || shown.phase === 0 ? UNKNOWN : `Phase ${shown.phase} of 3` },
    timeFact(shown, view, now),
    agentsFact(shown),
    { name: "Call to OPAL", ...(view === null ? { value: UNKNOWN } : callWords(view, now)) },
    { name: "At OPAL", ...(view === null ? { value: UNKNOWN } : opalFact(view, now)) },
    correlationFact(shown),
  ];
  return html`<dl class="facts">
    ${facts.map(
      ({ name, value, more }) => html`<div class="fact">
        <dt>${name}</dt>
        <dd class="fact-value tabular">${value}</dd>
        ${more !== undefined && html`<dd class="fact-more tabular">${more}</dd>`}
      </div>`,
    )}
  </dl>`;
}

function agentsFact(shown: RunSummary | null): Fact {
  if (shown === null) return { name: "Agents", value: UNKNOWN };
  return { name: "Agents", value: `${shown.completedAgents} of ${shown.expectedAgents}`, more: "completed" };
}

function timeFact(shown: RunSummary | null, view: RunView | null, now: number): Fact {
  if (shown === null) return { name: "Elapsed", value: UNKNOWN };
  if (shown.endedAt !== null) {
    return {
      name: "Duration",
      value: duration(shown.endedAt - shown.requestedAt),
      more: `ended ${timeOfDay(shown.endedAt, now)}`,
    };
  }
  const deadlineAt = view?.deadlineAt ?? null;
  return {
    name: "Elapsed",
    value: runningClock(now - shown.requestedAt),
    more: deadlineAt === null ? undefined : `ends by ${timeOfDay(deadlineAt, now)}`,
  };
}

function opalFact(view: RunView, now: number): Omit<Fact, "name"> {
  if (view.acceptedAt === null) {
    return { value: view.isOver ? "Not started" : OPAL_WORDS.requested, more: "not accepted" };
  }
  return { value: OPAL_WORDS[view.status], more: `accepted ${timeOfDay(view.acceptedAt, now)}` };
}

function correlationFact(shown: RunSummary | null): Fact {
  if (shown === null) return { name: "Correlation id", value: UNKNOWN };
  const { correlationId } = shown;
  return {
    name: "Correlation id",
    value: html`<span class="correlation">
      <code title=${correlationId}>${correlationId}</code>
      ${h(CopyButton, { text: correlationId, label: "Copy correlation id" })}
    </span>`,
  };
}
