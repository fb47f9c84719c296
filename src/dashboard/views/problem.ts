// What went wrong with a request: in words, with the id that finds it in the log, and what can be done.
import { html } from "htm/preact";
import type { Problem } from "../api.ts";
import { icon } from "../icons.ts";

export interface ProblemAction {
  readonly label: string;
  readonly act: () => void;
}

export function problemBox(problem: Problem, actions: readonly ProblemAction[] = [], testId?: string) {
  return html`<div class="problem" role="alert" data-testid=${testId}>
    ${icon("warning")}
    <div class="problem-text">
      <p class="problem-title">${problem.title}</p>
      <p>${problem.detail}</p>
      ${problem.fields.map((field) => html`<p>${field}</p>`)}
      ${problem.requestId !== null && html`<p class="muted small">Request <code>${problem.requestId}</code></p>`}
    </div>
    <div class="problem-actions">
      ${actions.map(({ label, act }) => html`<button type="button" class="button" onClick=${act}>${label}</button>`)}
    </div>
  </div>`;
}
