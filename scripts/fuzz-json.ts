// JSON as hostile or careless senders write it, as text: what a writer of objects could never write is in it too (keys
// twice, numbers beyond every range, half of a surrogate pair). Runs in Node and in the Worker alike.
import fc from "fast-check";

const NUMBERS = [
  ...["0", "-0", "1", "-1", "0.5", "1e0", "1E+2", "85", "100", "1e3", "9007199254740993", "18446744073709551616"],
  ...["1e308", "1e999", "-1e999", "1e-999", "123456789012345678901234567890", "0.1000000000000000055511151231257827"],
  ...["1767603600", "1767603600000", "1767603600000000", "-62135596800001", "253402300800000"],
];

const WORDS = [
  ...["", " ", "null", "true", "0", "NaN", "__proto__", "constructor", "toString", "hasOwnProperty", "UNREADABLE"],
  ...["completed", "failed", "started", "success", "timeout", "in_progress", "COMPLETED", "completed "],
  ...["content_review", "Content_Review", "cmp_organizer", "strategy_workflow", "get_opal", "nobody"],
  ...["2026-01-05T09:00:00Z", "2026-02-30T25:61:61Z", "yesterday", "wf-1", "wf-2", "../../etc/passwd", "%00"],
  ...["'; DROP TABLE events; --", "<script>alert(1)</script>", "\u0000", "\u2028", "é", "🙂", "x".repeat(300)],
];

/** Half a surrogate pair and others, as JSON may escape them. */
const ESCAPED = ['"\\ud800"', '"\\udfff\\ud800"', '"\\u0000"', '"\\u2028\\u2029"', '"\\\\"', '"\\ud83d\\ude42"'];

const scalar: fc.Arbitrary<string> = fc.oneof(
  fc.constantFrom("null", "true", "false", "{}", "[]", ...ESCAPED),
  fc.constantFrom(...NUMBERS),
  fc.constantFrom(...WORDS).map((word) => JSON.stringify(word)),
  fc.string({ unit: "binary", maxLength: 30 }).map((word) => JSON.stringify(word)),
  fc.jsonValue().map((value) => JSON.stringify(value)),
);

export interface Member {
  readonly key: string;
  /** JSON */
  readonly value: string;
}

const keys = fc.oneof(
  fc.constantFrom("__proto__", "constructor", "prototype", "a", "b", "length", "toJSON", "then"),
  fc.string({ unit: "binary", maxLength: 12 }),
);

const member: fc.Arbitrary<Member> = fc.record({ key: keys, value: scalar });

/** One JSON value of whatever kind, some levels deep. */
export const value: fc.Arbitrary<string> = fc.letrec<{ value: string }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    scalar,
    fc.array(tie("value"), { maxLength: 4 }).map((items) => `[${items.join(",")}]`),
    fc.array(fc.record({ key: keys, value: tie("value") }), { maxLength: 4 }).map(writeObject),
  ),
})).value;

export function writeObject(members: readonly Member[]): string {
  return `{${members.map(({ key, value }) => `${JSON.stringify(key)}:${value}`).join(",")}}`;
}

/** An object of these members, where each may be missing, odd or there twice, in any order, with strangers among them. */
export function oddObject(likely: Readonly<Record<string, fc.Arbitrary<string>>>): fc.Arbitrary<string> {
  const known = Object.entries(likely).map(([key, fitting]) =>
    fc.oneof(
      { weight: 6, arbitrary: fitting.map((value): Member[] => [{ key, value }]) },
      { weight: 2, arbitrary: fc.constant<Member[]>([]) },
      { weight: 2, arbitrary: value.map((odd): Member[] => [{ key, value: odd }]) },
      {
        weight: 1,
        arbitrary: fc.tuple(fitting, value).map(([first, last]) => [first, last].map((value) => ({ key, value }))),
      },
    ),
  );
  return fc.tuple(fc.tuple(...known), fc.array(member, { maxLength: 2 }), fc.nat()).map(([given, strangers, turn]) => {
    const members = [...given.flat(), ...strangers];
    const start = members.length === 0 ? 0 : turn % members.length;
    return writeObject([...members.slice(start), ...members.slice(0, start)]);
  });
}

/** Brackets within brackets, around the deepest that is read and far beyond. */
export const deep: fc.Arbitrary<string> = fc
  .tuple(fc.oneof(fc.integer({ min: 55, max: 75 }), fc.integer({ min: 1, max: 20_000 })), fc.boolean(), fc.boolean())
  .map(([levels, isObject, isClosed]) => {
    const [open, close] = isObject ? ['{"a":', "}"] : ["[", "]"];
    return `${open.repeat(levels)}1${isClosed ? close.repeat(levels) : ""}`;
  });
