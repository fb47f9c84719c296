// The product's mark: nine agents, one sync.
import { html } from "htm/preact";

const DOTS = [0, 1, 2].flatMap((row) => [0, 1, 2].map((column) => ({ cx: 4 + column * 6, cy: 4 + row * 6 })));

export function brandMark() {
  return html`<svg class="brand-mark" viewBox="0 0 20 20" aria-hidden="true" focusable="false">
    ${DOTS.map(({ cx, cy }) => html`<circle cx=${cx} cy=${cy} r="2" opacity=${cx + cy > 20 ? 0.45 : 1} />`)}
  </svg>`;
}
