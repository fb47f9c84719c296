// Switching all triggering off: with a reason, because whoever is refused will want to know why.
import { html } from "htm/preact";
import { h } from "preact";
import { acts, forgetAct, isUnderWay } from "../acts.ts";
import { isSwitchDialogOpen, SWITCH, switchOff } from "../control.ts";
import { Dialog } from "./dialog.ts";
import { problemBox } from "./problem.ts";

const SHORTEST_REASON = 3;
const LONGEST_REASON = 500;

export function SwitchDialog() {
  const act = acts.value.get(SWITCH);
  const isBusy = isUnderWay(SWITCH);
  return h(
    Dialog,
    { isOpen: isSwitchDialogOpen.value, titleId: "switch-title", onClose: close },
    html`<h2 id="switch-title">Switch off all triggering?</h2>
      <p>
        No run is started or retried, and OPAL is not called, until triggering is switched on again. What OPAL is working
        on goes on and is still shown.
      </p>
      <form onSubmit=${submit} method="post" action="#" class="dialog-form">
        <label class="field">
          <span>Reason, for everybody who wants to start a run</span>
          <textarea
            name="reason" rows="3" required autofocus minlength=${SHORTEST_REASON} maxlength=${LONGEST_REASON}
          ></textarea>
        </label>
        ${act?.state === "failed" && problemBox(act.problem)}
        <div class="dialog-actions">
          <button type="button" class="button" onClick=${close}>Keep it on</button>
          <button type="submit" class="button danger" data-testid="confirm-switch-off" aria-disabled=${isBusy ? "true" : undefined}>
            ${isBusy ? "Switching off…" : "Switch off"}
          </button>
        </div>
      </form>`,
  );
}

function close(): void {
  if (!isSwitchDialogOpen.value) return;
  isSwitchDialogOpen.value = false;
  if (!isUnderWay(SWITCH)) forgetAct(SWITCH);
}

async function submit(event: SubmitEvent): Promise<void> {
  event.preventDefault();
  const form = event.currentTarget;
  if (!(form instanceof HTMLFormElement)) return;
  const reason = String(new FormData(form).get("reason") ?? "").trim();
  const isDone = await switchOff(reason);
  // Closed meanwhile or not: what went wrong must not be overlooked.
  isSwitchDialogOpen.value = !isDone;
  if (isDone) form.reset();
}
