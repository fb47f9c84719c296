// Signature headers, and what chance does to them. Each change is a pure function of the header's text and two numbers,
// so that a counterexample can be read and played again. Runs in Node and in the Worker alike.
import fc from "fast-check";

export type Scheme = "osa" | "standard" | "bare";

/**
 * X-OSA-Signature and X-OSA-Timestamp; webhook-signature, webhook-timestamp and webhook-id; or x-webhook-signature and
 * x-webhook-timestamp.
 */
export interface SignatureFields {
  readonly signature: string | null;
  readonly timestamp: string | null;
  readonly id: string | null;
}

type Change = (text: string, at: number, pick: number) => string | null;

const LETTERS = [
  ...["0", "1", "9", "a", "f", "g", "A", "F", "t", "v", "=", ",", ".", ";", ":", "-", "+", "/", "_", "'", '"', "\\"],
  ...[" ", "\t", "\n", "\r", "\0", "\u00a0", "\u200b", "\ufeff", "\uff11", "\u0661", "\u017f", "\u212a", "\ud800", "é"],
];
const SPACES = [" ", "  ", "\t", "\u00a0", "\u2003", "\ufeff", "\n", "\r\n ", "\v"];

const letter = (pick: number) => LETTERS[pick % LETTERS.length] ?? "";
const space = (pick: number) => SPACES[pick % SPACES.length] ?? "";
const place = (text: string, at: number) => (text.length === 0 ? 0 : at % text.length);

/** What stands between the items of either form. */
function separatorOf(text: string): string {
  return text.includes("=") && text.includes("t=") ? "," : " ";
}

function inItems(text: string, change: (items: string[]) => string[]): string {
  const separator = separatorOf(text);
  return change(text.split(separator)).join(separator);
}

function replaceFirst(text: string, pattern: RegExp, write: (found: string) => string): string {
  return text.replace(pattern, write);
}

const TIME = /[0-9]{9,}/;
const LONG_WORD = /[A-Za-z0-9+/]{20,}=*/;

const CHANGES = {
  "a bit": (text, at, pick) => {
    const index = place(text, at);
    const flipped = String.fromCharCode(text.charCodeAt(index) ^ (1 << (pick % 8)));
    return text === "" ? text : text.slice(0, index) + flipped + text.slice(index + 1);
  },
  "a letter": (text, at, pick) => text.slice(0, place(text, at)) + letter(pick) + text.slice(place(text, at) + 1),
  "a letter more": (text, at, pick) => text.slice(0, place(text, at)) + letter(pick) + text.slice(place(text, at)),
  "a letter less": (text, at) => text.slice(0, place(text, at)) + text.slice(place(text, at) + 1),
  "two letters swapped": (text, at) => {
    const index = place(text, at);
    return text.slice(0, index) + text.charAt(index + 1) + text.charAt(index) + text.slice(index + 2);
  },
  "its end cut": (text, at) => text.slice(0, place(text, at)),
  "its start cut": (text, at) => text.slice(place(text, at)),
  "white space": (text, at, pick) => text.slice(0, place(text, at)) + space(pick) + text.slice(place(text, at)),
  "white space around": (text, at, pick) => `${space(at)}${text}${space(pick)}`,
  "capital letters": (text) => text.toUpperCase(),
  "one other case": (text, at) => {
    const index = place(text, at);
    const found = text.charAt(index);
    const other = found === found.toUpperCase() ? found.toLowerCase() : found.toUpperCase();
    return text.slice(0, index) + other + text.slice(index + 1);
  },
  "an item again": (text, at, pick) =>
    inItems(text, (items) => items.toSpliced(pick % (items.length + 1), 0, items[at % items.length] ?? "")),
  "an item many times": (text, at, pick) =>
    inItems(text, (items) => [
      ...items,
      ...Array.from({ length: 1 + (pick % 8) }, () => items[at % items.length] ?? ""),
    ]),
  "an item less": (text, at) => inItems(text, (items) => items.toSpliced(at % items.length, 1)),
  "an empty item": (text, at) => inItems(text, (items) => items.toSpliced(at % (items.length + 1), 0, "")),
  "its items turned round": (text) => inItems(text, (items) => items.toReversed()),
  "two lines joined": (text) => `${text}, ${text}`,
  "another separator": (text, at, pick) =>
    text.replaceAll(separatorOf(text), `${letter(at)}${pick % 2 === 0 ? " " : ""}`),
  "another time": (text, at, pick) =>
    replaceFirst(text, TIME, (time) => String(Number(time) + (pick % 2 === 0 ? -1 : 1) * (1 + (at % 700)))),
  "a time written otherwise": (text, at) =>
    replaceFirst(text, TIME, (time) => {
      const ways = [`0${time}`, `+${time}`, `-${time}`, `${time}.0`, `${time}000`, `${time}e0`, ` ${time}`, `${time} `];
      const others = [
        `0x${Number(time).toString(16)}`,
        "0",
        "",
        "NaN",
        "Infinity",
        wide(time),
        `${time}n`,
        `"${time}"`,
      ];
      return [...ways, ...others][at % (ways.length + others.length)] ?? time;
    }),
  "a second time": (text, at, pick) =>
    `${pick % 2 === 0 ? "" : `${text},`}t=${1_700_000_000 + at}${pick % 2 === 0 ? `,${text}` : ""}`,
  "a digest written otherwise": (text, at) =>
    replaceFirst(text, LONG_WORD, (digest) => {
      const ways = [
        `0x${digest}`,
        `${digest}0`,
        digest.slice(1),
        digest.slice(0, -1),
        `${digest}=`,
        `${digest}${digest}`,
      ];
      const others = [digest.replaceAll("+", "-").replaceAll("/", "_"), digest.replaceAll("=", ""), wide(digest), ""];
      return [...ways, ...others][at % (ways.length + others.length)] ?? digest;
    }),
  "a digit of the digest": (text, at, pick) =>
    replaceFirst(text, LONG_WORD, (digest) => {
      const index = at % digest.length;
      return digest.slice(0, index) + (pick % 16).toString(16) + digest.slice(index + 1);
    }),
  "stray bits": (text) => replaceFirst(text, LONG_WORD, strayBits),
  "another digest": (text, at) => replaceFirst(text, LONG_WORD, (digest) => letter(at % 6).repeat(digest.length)),
  "another version": (text, at) => text.replaceAll("v1", ["v0", "v2", "V1", "v1a", "v", "v10", "v 1"][at % 7] ?? ""),
  "far too long": (text, at) => `${text},pad=${"x".repeat(900 + (at % 300))}`,
  "not there": () => null,
  empty: () => "",
} as const satisfies Record<string, Change>;

export type ChangeName = keyof typeof CHANGES;
const OF_GOOD_FORM: readonly ChangeName[] = ["a digit of the digest", "another digest", "another time", "stray bits"];
const CHANGE_NAMES = Object.keys(CHANGES).filter((name): name is ChangeName => Object.hasOwn(CHANGES, name));

export interface Mutation {
  readonly field: keyof SignatureFields;
  readonly change: ChangeName;
  readonly at: number;
  readonly pick: number;
}

export const mutation: fc.Arbitrary<Mutation> = fc.record({
  field: fc.constantFrom("signature", "signature", "signature", "timestamp", "id"),
  // What keeps the form gets further into the check, so it comes more often.
  change: fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom(...CHANGE_NAMES) },
    { weight: 2, arbitrary: fc.constantFrom(...OF_GOOD_FORM) },
  ),
  at: fc.nat(1_999),
  pick: fc.nat(1_999),
});

export function mutate(fields: SignatureFields, { field, change, at, pick }: Mutation): SignatureFields {
  return { ...fields, [field]: CHANGES[change](fields[field] ?? "", at, pick) };
}

/** What a sender may write as well without meaning anything else. */
const HARMLESS = {
  osa: {
    "items turned round": (fields) => onSignature(fields, (text) => text.split(",").toReversed().join(",")),
    "spaces around items": (fields) => onSignature(fields, (text) => ` ${text.split(",").join(" ,  ")} `),
    "a key nobody knows": (fields) => onSignature(fields, (text) => `${text},nonce=7f`),
    "a wrong digest before": (fields) => onSignature(fields, (text) => `v1=${"0".repeat(64)},${text}`),
    "a wrong digest behind": (fields) => onSignature(fields, (text) => `${text},v1=${"f".repeat(64)}`),
    "the time again": (fields) => ({ ...fields, timestamp: /t=([0-9]+)/.exec(fields.signature ?? "")?.[1] ?? null }),
  },
  standard: {
    "a version nobody knows": (fields) => onSignature(fields, (text) => `v1a,MzE= ${text} v2,what`),
    "a wrong digest before": (fields) => onSignature(fields, (text) => `v1,${"A".repeat(43)}= ${text}`),
    "a wrong digest behind": (fields) => onSignature(fields, (text) => `${text} v1,AAAA`),
    "as it is": (fields) => fields,
  },
  bare: { "as it is": (fields) => fields },
} as const satisfies Record<Scheme, Record<string, (fields: SignatureFields) => SignatureFields>>;

export type HarmlessChange = number;

/** Two at most, so that no header has more than five digests. */
export const harmless: fc.Arbitrary<readonly HarmlessChange[]> = fc.array(fc.nat(99), { maxLength: 2 });

export function writeOtherwise(scheme: Scheme, fields: SignatureFields, which: HarmlessChange): SignatureFields {
  const ways: readonly ((fields: SignatureFields) => SignatureFields)[] = Object.values(HARMLESS[scheme]);
  return ways[which % ways.length]?.(fields) ?? fields;
}

function onSignature(fields: SignatureFields, write: (text: string) => string): SignatureFields {
  return { ...fields, signature: write(fields.signature ?? "") };
}

/** Base64 that a careless reader takes for the same bytes: its last letter has bits that stand for nothing. */
function strayBits(digest: string): string {
  return digest.replace(/[A-Za-z0-9+/](?==+$)/, (last) => String.fromCharCode(last.charCodeAt(0) + 1));
}

/** The same letters as another script writes them. */
function wide(text: string): string {
  return text.replaceAll(/[!-~]/g, (found) => String.fromCharCode(found.charCodeAt(0) + 0xfee0));
}
