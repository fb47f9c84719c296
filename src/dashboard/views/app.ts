// The page: sign-in, or the bar, the run that is looked at, and the recent runs.
import { html } from "htm/preact";
import { h } from "preact";
import { announcement } from "../announce.ts";
import { timeOfDay } from "../format.ts";
import { serverNow } from "../server-time.ts";
import { checkSession, session, signOut, signOutProblem } from "../session.ts";
import { connectionLabel, shownSessionId, staleSince } from "../state.ts";
import { Boundary } from "./boundary.ts";
import { CancelDialog } from "./cancel-dialog.ts";
import { ControlBanners } from "./control-banners.ts";
import { Header } from "./header.ts";
import { HelpSheet } from "./help.ts";
import { problemBox } from "./problem.ts";
import { RecentRuns } from "./recent.ts";
import { RunPart } from "./run.ts";
import { SignIn } from "./sign-in.ts";
import { StartNotice } from "./start-notice.ts";
import { SwitchDialog } from "./switch-dialog.ts";

export function App() {
  const { value } = session;
  switch (value.state) {
    case "unknown":
      return html`<main class="lonely" id="main"><p class="muted">Loading…</p></main>`;
    case "unreachable":
      return html`<main class="lonely" id="main">
        ${problemBox(value.problem, [{ label: "Try again", act: () => void checkSession() }])}
      </main>`;
    case "signed_out":
      return h(SignIn, { wasSignedIn: value.wasSignedIn });
    case "signed_in":
      return h(Console, { name: value.name });
  }
}

function Console({ name }: { readonly name: string }) {
  return html`
    <a class="skip-link" href="#main">Skip to the run</a>
    ${h(Boundary, { part: "The top bar" }, h(Header, { name }))}
    ${h(Boundary, { part: "The state of the connection" }, h(StaleStrip, null))}
    <main id="main" class="page" tabindex="-1">
      ${signOutProblem.value !== null && problemBox(signOutProblem.value, [{ label: "Try again", act: () => void signOut() }])}
      ${h(Boundary, { part: "What keeps runs from starting" }, h(ControlBanners, null))}
      ${h(Boundary, { part: "The notice" }, h(StartNotice, null))}
      <div class="columns">
        <div class="column-run">${h(Boundary, { part: "The run", about: shownSessionId.value }, h(RunPart, null))}</div>
        <div class="column-recent">${h(Boundary, { part: "The list of runs" }, h(RecentRuns, null))}</div>
      </div>
    </main>
    ${h(Boundary, { part: "The question" }, h(CancelDialog, null))}
    ${h(Boundary, { part: "The emergency switch" }, h(SwitchDialog, null))}
    ${h(Boundary, { part: "The help" }, h(HelpSheet, null))}
    <div class="visually-hidden" role="status" aria-live="polite">${announcement}</div>
  `;
}

/** Old data must not pass for new. */
function StaleStrip() {
  if (connectionLabel.value.word !== "offline" || staleSince.value === null) return null;
  return html`<p class="stale-strip">
    Nothing has arrived since ${timeOfDay(staleSince.value, serverNow.value)}. What you see may be out of date; a running
    sync goes on without this page.
  </p>`;
}
