// The button of a named act, and what went wrong with it, in the same place.
import { html } from "htm/preact";
import { acts, forgetAct, isUnderWay } from "../acts.ts";
import { problemBox } from "./problem.ts";

interface ActButton {
  readonly name: string;
  readonly label: string;
  /** What it says while its request is under way. */
  readonly busy: string;
  /** More than the label has room for. */
  readonly hint?: string;
  readonly act: () => void;
}

/** While it is under way it keeps the focus, and a second press does nothing. */
export function actButton({ name, label, busy, hint, act }: ActButton) {
  const isBusy = isUnderWay(name);
  return html`<button
    type="button" class="button" title=${hint} aria-disabled=${isBusy ? "true" : undefined} onClick=${act}
  >${isBusy ? busy : label}</button>`;
}

export function actProblem(name: string) {
  const act = acts.value.get(name);
  if (act?.state !== "failed") return null;
  return problemBox(act.problem, [
    { label: "Try again", act: act.again },
    { label: "Dismiss", act: () => forgetAct(name) },
  ]);
}
