// Reading JSON from bytes that anybody may have sent.

/** Deeper documents are refused before they are parsed: walking them would exhaust the stack. */
const MAX_DEPTH = 64;

/** More objects and lists than this would take more memory than an isolate has, however short they are written. */
const MAX_CONTAINERS = 250_000;

export type ParsedJson =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly code: "unreadable_body" | "payload_too_large"; readonly why: string };

export function parseJsonBytes(bytes: Uint8Array): ParsedJson {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: false }).decode(bytes);
  } catch {
    return unreadable("the body is not valid UTF-8");
  }
  if (text.trim() === "") return unreadable("the body is empty");
  const { deepest, containers } = measure(text);
  if (deepest > MAX_DEPTH) return unreadable(`the body is nested deeper than ${MAX_DEPTH} levels`);
  if (containers > MAX_CONTAINERS) {
    return { ok: false, code: "payload_too_large", why: `the body has more than ${MAX_CONTAINERS} objects and lists` };
  }
  try {
    return { ok: true, value: JSON.parse(text) };
  } catch {
    return unreadable("the body is not valid JSON");
  }
}

function unreadable(why: string): ParsedJson {
  return { ok: false, code: "unreadable_body", why };
}

/** Nesting and number of the brackets outside strings; stops counting once there is too much of either. */
function measure(text: string): { deepest: number; containers: number } {
  let depth = 0;
  let deepest = 0;
  let containers = 0;
  let isInString = false;
  for (let index = 0; index < text.length && deepest <= MAX_DEPTH && containers <= MAX_CONTAINERS; index++) {
    const character = text.charCodeAt(index);
    if (isInString) {
      if (character === BACKSLASH) index++;
      else if (character === QUOTE) isInString = false;
    } else if (character === QUOTE) isInString = true;
    else if (character === BRACKET || character === BRACE) {
      containers++;
      deepest = Math.max(deepest, ++depth);
    } else if (character === BRACKET_END || character === BRACE_END) depth--;
  }
  return { deepest, containers };
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const BRACKET = 0x5b;
const BRACKET_END = 0x5d;
const BRACE = 0x7b;
const BRACE_END = 0x7d;
