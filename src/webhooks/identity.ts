// What tells one delivery from another, whoever sent it.
import { sha256Hex } from "../platform/hash.ts";

/** Times beyond the year 9999 are not times. */
const LATEST_MS = 253_402_300_799_999;

/** Hash of a length-prefixed tuple of the fields that are there, so that no two tuples can look alike. */
export async function hashTuple(fields: Readonly<Record<string, string | undefined>>): Promise<string> {
  const tuple = Object.entries(fields).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name.length}:${name}${value.length}:${value}`],
  );
  return sha256Hex(new TextEncoder().encode(tuple.join("")));
}

/** Words from outside that go into logs and columns: short and plain, or left out. */
export function safeWord(word: string | undefined): string {
  return word !== undefined && /^[A-Za-z0-9._-]{1,64}$/.test(word) ? word : "other";
}

/** ISO 8601, unix seconds or milliseconds, however it is spelled: the same instant is the same number. */
export function parseTime(given: string | number | undefined): number | undefined {
  if (given === undefined) return undefined;
  const numeric = typeof given === "number" ? given : /^\d{9,14}$/.test(given) ? Number(given) : undefined;
  // Date.parse alone would take any words with a number in them for a date.
  const isDate = /^\d{4}-\d{2}-\d{2}/.test(String(given));
  const ms =
    numeric === undefined
      ? isDate
        ? Date.parse(String(given))
        : Number.NaN
      : Math.round(numeric < 1e11 ? numeric * 1000 : numeric);
  return ms >= 0 && ms <= LATEST_MS ? ms : undefined;
}
