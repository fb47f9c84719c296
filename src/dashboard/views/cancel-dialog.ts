// Cancelling is the one thing here that cannot be taken back, so it is asked for once more.
import { html } from "htm/preact";
import { h } from "preact";
import { cancel, confirmCancel, dismissCancel } from "../cancel.ts";
import { Dialog } from "./dialog.ts";

export function CancelDialog() {
  const { value } = cancel;
  const confirm = () => {
    if (value.state !== "asking") return;
    void confirmCancel(value.sessionId);
    // The button that opened the dialog is about to go away; the run's heading stays.
    requestAnimationFrame(() => document.querySelector<HTMLElement>("#run-heading")?.focus());
  };
  const dismiss = () => {
    if (cancel.peek().state === "asking") dismissCancel();
  };
  return h(
    Dialog,
    { isOpen: value.state === "asking", titleId: "cancel-title", onClose: dismiss },
    html`<h2 id="cancel-title">Cancel this run?</h2>
      <p>
        The run ends at once and OPAL is not called again for it. Agents that are at work there may go on; what they still
        send is kept and marked as late. Results that have arrived stay.
      </p>
      <div class="dialog-actions">
        <button type="button" class="button" autofocus onClick=${dismiss}>Keep it running</button>
        <button type="button" class="button danger" data-testid="confirm-cancel" onClick=${confirm}>Cancel the run</button>
      </div>`,
  );
}
