// Cancelling is the one thing here that cannot be taken back, so it is asked for once more.
import { html } from "htm/preact";
import { h } from "preact";
import { useRef } from "preact/hooks";
import { cancel, confirmCancel, dismissCancel } from "../cancel.ts";
import { focusRun } from "../focus.ts";
import { Dialog } from "./dialog.ts";

export function CancelDialog() {
  const { value } = cancel;
  const isConfirmed = useRef(false);
  const confirm = () => {
    if (value.state !== "asking") return;
    isConfirmed.current = true;
    void confirmCancel(value.sessionId);
  };
  const closed = () => {
    if (cancel.peek().state === "asking") dismissCancel();
    // The button that opened the dialog is about to go away; the run's heading stays.
    if (isConfirmed.current) focusRun();
    isConfirmed.current = false;
  };
  return h(
    Dialog,
    { isOpen: value.state === "asking", titleId: "cancel-title", onClose: closed },
    html`<h2 id="cancel-title">Cancel this run?</h2>
      <p>
        The run ends at once and OPAL is not called again for it. Agents that are at work there may go on; what they still
        send is kept and marked as late. Results that have arrived stay.
      </p>
      <div class="dialog-actions">
        <button type="button" class="button" autofocus onClick=${dismissCancel}>Keep it running</button>
        <button type="button" class="button danger" data-testid="confirm-cancel" onClick=${confirm}>Cancel the run</button>
      </div>`,
  );
}
