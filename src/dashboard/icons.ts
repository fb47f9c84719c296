// Small line icons, drawn in the colour of the text around them. Decoration: the words beside them say the same.
import { h, type VNode } from "preact";

const PATHS = {
  waiting: ["M8 2.5a5.5 5.5 0 1 1 0 11 5.5 5.5 0 0 1 0-11Z"],
  spinner: ["M8 2.5a5.5 5.5 0 1 0 5.5 5.5"],
  check: ["M8 2.5a5.5 5.5 0 1 1 0 11 5.5 5.5 0 0 1 0-11Z", "m5.5 8.2 1.8 1.8 3.3-3.7"],
  cross: ["M8 2.5a5.5 5.5 0 1 1 0 11 5.5 5.5 0 0 1 0-11Z", "m6.1 6.1 3.8 3.8m0-3.8L6.1 9.9"],
  clock: ["M8 2.5a5.5 5.5 0 1 1 0 11 5.5 5.5 0 0 1 0-11Z", "M8 5v3.2l2 1.3"],
  stopped: ["M8 2.5a5.5 5.5 0 1 1 0 11 5.5 5.5 0 0 1 0-11Z", "M6.2 6.2h3.6v3.6H6.2Z"],
  skipped: ["M8 2.5a5.5 5.5 0 1 1 0 11 5.5 5.5 0 0 1 0-11Z", "M5.8 8h4.4"],
  partial: ["M8 2.5a5.5 5.5 0 1 1 0 11 5.5 5.5 0 0 1 0-11Z", "M8 5.2v3.3", "M8 10.6v.1"],
  info: ["M8 2.5a5.5 5.5 0 1 1 0 11 5.5 5.5 0 0 1 0-11Z", "M8 7.5v3.2", "M8 5.3v.1"],
  warning: ["M8 2.7 14 13H2Z", "M8 6.6v3", "M8 11.3v.1"],
  copy: ["M6 6h7v7H6Z", "M10 6V3H3v7h3"],
  chevron: ["m6 4 4 4-4 4"],
  sync: ["M13 6.5A5.4 5.4 0 0 0 3.4 5.2M3 9.5a5.4 5.4 0 0 0 9.6 1.3", "M3.2 2.6v2.8H6", "M12.8 13.4v-2.8H10"],
  power: ["M8 2.5v5", "M5.2 4.4a5 5 0 1 0 5.6 0"],
  help: ["M6 6.2a2 2 0 1 1 2.9 1.8c-.6.3-.9.7-.9 1.3", "M8 11.6v.1"],
} as const;

export type IconName = keyof typeof PATHS;

export function icon(name: IconName): VNode {
  return h(
    "svg",
    { class: `icon icon-${name}`, viewBox: "0 0 16 16", "aria-hidden": "true", focusable: "false" },
    PATHS[name].map((d) => h("path", { d })),
  );
}
