// Free text as an expression of the search index. What was typed is only ever text: every word is quoted.

const MAX_CHARACTERS = 200;
const MAX_WORDS = 10;
/** What the index cuts words out of; anything else separates them. */
const SEARCHABLE = /[\p{L}\p{N}]/u;

export type Search = { readonly ok: true; readonly expression: string } | { readonly ok: false; readonly why: string };

/** A shorter beginning has so many continuations that looking them up takes longer than anybody wants to wait. */
const MIN_BEGINNING = 3;

/**
 * All words must be there, each as it is written. The last one may be the beginning of a longer one when it ends with
 * three letters or digits.
 */
export function readSearch(text: string): Search {
  if (text.length > MAX_CHARACTERS) return wrong(`must have at most ${MAX_CHARACTERS} characters`);
  if (text.includes("\0")) return wrong("must be text");
  const words = text.split(/\s+/u).filter((word) => SEARCHABLE.test(word));
  if (words.length === 0) return wrong("must have a letter or digit");
  if (words.length > MAX_WORDS) return wrong(`must have at most ${MAX_WORDS} words`);
  const quoted = words.map((word) => `"${word.replaceAll('"', '""')}"`).join(" AND ");
  const ending = /[\p{L}\p{N}]*$/u.exec(words.at(-1) ?? "")?.[0] ?? "";
  return { ok: true, expression: ending.length < MIN_BEGINNING ? quoted : `${quoted}*` };
}

function wrong(why: string): Search {
  return { ok: false, why };
}
