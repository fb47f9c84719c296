// Copies a text and says so, for the eye and for the ear.
import { html } from "htm/preact";
import { useEffect, useState } from "preact/hooks";
import { announceChange } from "../announce.ts";
import { icon } from "../icons.ts";

const SAID_MS = 2_000;

interface CopyButtonProps {
  readonly text: string;
  /** What the button does, for those who do not see its icon. */
  readonly label: string;
}

export function CopyButton({ text, label }: CopyButtonProps) {
  const [said, setSaid] = useState<string | null>(null);
  useEffect(() => {
    if (said === null) return undefined;
    const timer = setTimeout(() => setSaid(null), SAID_MS);
    return () => clearTimeout(timer);
  }, [said]);
  const say = (words: string) => {
    setSaid(words);
    announceChange(words);
  };
  const copy = () => {
    // Without a secure context there is no clipboard at all, whatever the types say.
    Promise.resolve()
      .then(() => navigator.clipboard.writeText(text))
      .then(
        () => say("Copied"),
        () => say("Not copied: the browser does not allow it"),
      );
  };
  return html`<span class="copy">
    <button type="button" class="button plain icon-button" aria-label=${label} title=${label} onClick=${copy}>
      ${icon(said === "Copied" ? "check" : "copy")}
    </button>
    <span class="copy-said" aria-hidden="true">${said !== null && said !== "Copied" ? said : ""}</span>
  </span>`;
}
