// What people have to know or do about a run before anything else: a refused credential, and what was escalated.
import { html } from "htm/preact";
import { h, type VNode } from "preact";
import { useState } from "preact/hooks";
import type { RefusedCredential } from "../../sync/run/state.ts";
import type { RunView } from "../../sync/run/view.ts";
import { focusRun } from "../focus.ts";
import { icon } from "../icons.ts";
import { isStarting, startRun } from "../start.ts";
import { escalationWords } from "../words.ts";

export function runNotices(view: RunView): VNode {
  const { credential, sessionId } = view;
  return html`
    ${credential !== null && h(CredentialNotice, { credential, view, key: sessionId })}
    ${escalations(view)}
  `;
}

/** The notice about the credential says the same as its escalation. */
function escalations(view: RunView): VNode | null {
  const open = view.escalations.filter(({ because }) => because !== "credential_refused");
  if (open.length === 0) return null;
  return html`<div class="notice warn" data-testid="escalations">
    ${icon("warning")}
    <div class="notice-text">
      <p><strong>Somebody has to look at this.</strong></p>
      ${open.map((escalation) => html`<p>${escalationWords(escalation)}</p>`)}
    </div>
  </div>`;
}

interface CredentialNoticeProps {
  readonly credential: RefusedCredential;
  readonly view: RunView;
}

function CredentialNotice({ credential, view }: CredentialNoticeProps) {
  const [isConfirmed, setConfirmed] = useState(false);
  const canResume = view.isResumable && view.retriedAs.length === 0;
  const status = credential.httpStatus === null ? "" : ` (HTTP ${credential.httpStatus})`;
  const resume = () => {
    startRun({ what: "resume", sessionId: view.sessionId, isCredentialConfirmed: isConfirmed });
    focusRun();
  };
  return html`<div class="notice bad" data-testid="credential-notice">
    ${icon("warning")}
    <p>
      <strong>A credential was refused${status}: <code>${credential.credential}</code>.</strong>${" "}
      ${canResume ? "Make it valid, then resume: what is missing runs as a new, linked run." : whatNow(view)}
    </p>
    ${
      canResume &&
      html`<div class="notice-actions">
        ${credential.fingerprint !== null && confirmation(isConfirmed, setConfirmed)}
        <button type="button" class="button" data-testid="resume" disabled=${isStarting.value} onClick=${resume}>
          ${icon("sync")} Resume
        </button>
      </div>`
    }
  </div>`;
}

function whatNow(view: RunView): string {
  if (!view.isOver) return "It is not used again for this run.";
  return view.retriedAs.length > 0 ? "The run was resumed." : "";
}

/** One that we hold is known to be another once it is changed here; whether OPAL accepts it again is not. */
function confirmation(isConfirmed: boolean, setConfirmed: (isConfirmed: boolean) => void): VNode {
  const toggle = (event: Event) => {
    if (event.currentTarget instanceof HTMLInputElement) setConfirmed(event.currentTarget.checked);
  };
  return html`<label class="check">
    <input type="checkbox" checked=${isConfirmed} onChange=${toggle} />
    <span>It was made valid at OPAL</span>
  </label>`;
}
