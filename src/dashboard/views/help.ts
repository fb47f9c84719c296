// The help sheet: the shortcuts from the table that binds them, and the switch that turns them off.
import { html } from "htm/preact";
import { h } from "preact";
import { areShortcutsOn, isHelpOpen, SHORTCUTS, setShortcuts } from "../keys.ts";
import { Dialog } from "./dialog.ts";

export function HelpSheet() {
  const close = () => {
    isHelpOpen.value = false;
  };
  const toggle = (event: Event) => {
    if (event.currentTarget instanceof HTMLInputElement) setShortcuts(event.currentTarget.checked);
  };
  return h(
    Dialog,
    { isOpen: isHelpOpen.value, titleId: "help-title", onClose: close },
    html`<h2 id="help-title">Keyboard</h2>
      <dl class="keys">
        ${SHORTCUTS.map(({ key, what }) => html`<div><dt><kbd>${key}</kbd></dt><dd>${what}</dd></div>`)}
        <div><dt><kbd>Esc</kbd></dt><dd>Close what is open</dd></div>
      </dl>
      <label class="check">
        <input type="checkbox" checked=${areShortcutsOn.value} onChange=${toggle} />
        <span>Single-key shortcuts</span>
      </label>
      <p class="muted small">They never act while you type in a field.</p>
      <div class="dialog-actions"><button type="button" class="button" autofocus onClick=${close}>Close</button></div>`,
  );
}
