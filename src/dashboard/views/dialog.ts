// A native modal dialog that follows a piece of state. The browser keeps the focus inside and gives it back.

import { html } from "htm/preact";
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";

interface DialogProps {
  readonly isOpen: boolean;
  readonly titleId: string;
  readonly onClose: () => void;
  readonly children?: ComponentChildren;
}

export function Dialog({ isOpen, titleId, onClose, children }: DialogProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    if (isOpen && dialog.current?.open === false) dialog.current.showModal();
    if (!isOpen && dialog.current?.open === true) dialog.current.close();
  }, [isOpen]);
  return html`<dialog ref=${dialog} class="dialog" aria-labelledby=${titleId} onClose=${onClose}>${children}</dialog>`;
}
