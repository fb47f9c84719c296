import fc from "fast-check";
import Stripe from "stripe";
import { expect, test } from "vitest";
import { checkSignature, sign } from "../../simulator/sign.ts";

const SECRET = "whsec_test";

test("a known signature is reproduced", () => {
  expect(sign(SECRET, Buffer.from('{"a":1}'), 1_700_000_000)).toBe(
    Stripe.webhooks.generateTestHeaderString({ payload: '{"a":1}', secret: SECRET, timestamp: 1_700_000_000 }),
  );
});

test("for any body and time, stripe and the simulator sign alike", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme" }), fc.integer({ min: 1, max: 9_999_999_999 }), (payload, timestamp) => {
      const theirs = Stripe.webhooks.generateTestHeaderString({ payload, secret: SECRET, timestamp });
      expect(sign(SECRET, Buffer.from(payload), timestamp)).toBe(theirs);
      expect(checkSignature(SECRET, Buffer.from(payload), theirs, timestamp)).toBe("valid");
    }),
  );
});

test.each([
  ["missing", undefined],
  ["malformed", `t=0,v1=${"a".repeat(64)}`],
  ["malformed", `v1=${"a".repeat(64)}`],
  ["mismatch", `t=1700000000,v1=${"a".repeat(64)}`],
  ["outside the time window", `t=1699999699,v1=${"a".repeat(64)}`],
  ["outside the time window", `t=1700000301,v1=${"a".repeat(64)}`],
] as const)("%s is what %s is called", (verdict, header) => {
  expect(checkSignature(SECRET, Buffer.from("{}"), header, 1_700_000_000)).toBe(verdict);
});
