// JSON from bytes that anybody may have sent.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseJsonBytes } from "../../../src/platform/json.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const parse = (text: string) => parseJsonBytes(bytes(text));
const nested = (levels: number, open = "[", close = "]") => open.repeat(levels) + close.repeat(levels);

const NOT_JSON = { ok: false, code: "unreadable_body", why: "the body is not valid JSON" };
const TOO_DEEP = { ok: false, code: "unreadable_body", why: "the body is nested deeper than 64 levels" };
const EMPTY = { ok: false, code: "unreadable_body", why: "the body is empty" };
const NOT_UTF8 = { ok: false, code: "unreadable_body", why: "the body is not valid UTF-8" };

test.each<[string, unknown]>([
  ['{"a":[1,"é",null,true]}', { a: [1, "é", null, true] }],
  [" \r\n\t[ ] \n", []],
  ['"text"', "text"],
  ["0", 0],
  ["null", null],
  ['"\\ud83d\\ude00"', "😀"],
])("%j is read", (text, value) => {
  expect(parse(text)).toEqual({ ok: true, value });
});

test("a byte order mark in front is no part of the document", () => {
  expect(parseJsonBytes(Uint8Array.of(0xef, 0xbb, 0xbf, ...bytes('{"a":1}')))).toEqual({ ok: true, value: { a: 1 } });
});

test.each([
  "{",
  '{"a":1}}',
  "{'a':1}",
  "{a:1}",
  "[1,]",
  "NaN",
  "undefined",
  '{"a":1} {"b":2}',
  "// none\n{}",
  '"\u0001"',
  "]",
])("%j is no JSON", (text) => {
  expect(parse(text)).toEqual(NOT_JSON);
});

test.each(["", " ", "\n\t\r "])("%j is empty", (text) => {
  expect(parse(text)).toEqual(EMPTY);
});

test.each<[string, number[]]>([
  ["a lone continuation byte", [0x22, 0x80, 0x22]],
  ["a byte that never occurs", [0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]],
  ["a letter cut short", [0x22, 0xc3, 0x22]],
  ["an overlong spelling", [0x22, 0xc0, 0xaf, 0x22]],
  ["half of a pair", [0x22, 0xed, 0xa0, 0x80, 0x22]],
  ["UTF-16", [0xff, 0xfe, 0x7b, 0x00, 0x7d, 0x00]],
])("%s is no UTF-8", (_what, given) => {
  expect(parseJsonBytes(Uint8Array.from(given))).toEqual(NOT_UTF8);
});

describe("depth", () => {
  test("of 64 levels is read, of 65 refused", () => {
    expect(parse(nested(64))).toMatchObject({ ok: true });
    expect(parse(nested(65))).toEqual(TOO_DEEP);
    expect(parse(nested(64, '{"a":', "}").replace('{"a":}', "{}"))).toMatchObject({ ok: true });
    expect(parse(nested(65, '{"a":', "}").replace('{"a":}', "{}"))).toEqual(TOO_DEEP);
  });

  test("counts lists and objects together", () => {
    expect(parse(nested(32, '[{"a":', "}]").replace('{"a":}', "{}"))).toMatchObject({ ok: true });
    expect(parse(`[${nested(32, '[{"a":', "}]").replace('{"a":}', "{}")}]`)).toEqual(TOO_DEEP);
  });

  test("is the deepest, not the number of brackets", () => {
    expect(parse(`[${Array(1_000).fill("[]").join(",")}]`)).toMatchObject({ ok: true });
  });

  test("of a million levels is refused before anything walks it", () => {
    const startedAt = performance.now();
    expect(parse(nested(1_000_000))).toEqual(TOO_DEEP);
    expect(parse(nested(1_000_000, '{"a":', "}"))).toEqual(TOO_DEEP);
    expect(performance.now() - startedAt).toBeLessThan(1_000);
  });

  test("does not count brackets in strings", () => {
    const value = { "[[[": `${"[{".repeat(100)}\\"${"[".repeat(100)}` };
    expect(parse(JSON.stringify(value))).toEqual({ ok: true, value });
  });

  test("is not hidden by an escaped quote or a backslash at the end of a string", () => {
    expect(parse(`["\\"",${nested(64)}]`)).toEqual(TOO_DEEP);
    expect(parse(`["\\\\",${nested(64)}]`)).toEqual(TOO_DEEP);
  });

  test("is not hidden by brackets that close too early", () => {
    expect(parse(`${"]".repeat(100)}${nested(100)}`)).toEqual(NOT_JSON);
  });
});

test("whatever JSON can say comes back as it was", () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 5 }), (value) => {
      const text = JSON.stringify(value);
      expect(parse(text)).toEqual({ ok: true, value: JSON.parse(text) });
    }),
  );
});

test("whatever bytes come, the answer is a value or a reason", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (given) => {
      expect(typeof parseJsonBytes(given).ok).toBe("boolean");
    }),
    { numRuns: 2_000 },
  );
});

test("a quarter of a million objects and lists are read, one more is too large", () => {
  const listOf = (containers: number) =>
    new TextEncoder().encode(
      `[${Array(containers - 1)
        .fill("{}")
        .join(",")}]`,
    );
  expect(parseJsonBytes(listOf(250_000)).ok).toBe(true);
  expect(parseJsonBytes(listOf(250_001))).toMatchObject({ ok: false, code: "payload_too_large" });
});
