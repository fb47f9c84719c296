// The server's clock, estimated from messages that may be late but never early.
import { expect, test } from "vitest";
import { offsetOf } from "../../src/dashboard/server-time.ts";

test("the message that travelled fastest counts", () => {
  expect(offsetOf([4_700, 4_950, 3_100])).toBe(4_950);
});

test("without a message the clocks are taken to agree", () => {
  expect(offsetOf([])).toBe(0);
});
