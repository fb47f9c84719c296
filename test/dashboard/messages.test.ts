// Reading what a socket sends.
import { expect, test } from "vitest";
import { readMessage } from "../../src/dashboard/messages.ts";

test("a message of the protocol is read", () => {
  const change = { type: "change", epoch: "a", seq: 3, now: 1, change: { any: "thing" } };
  expect(readMessage(JSON.stringify(change))).toEqual(change);
  expect(readMessage('{"type":"resync","now":1}')).toEqual({ type: "resync", now: 1 });
});

test.each([
  ["no text", new ArrayBuffer(2)],
  ["no JSON", "{"],
  ["null", "null"],
  ["a number", "7"],
  ["another type", '{"type":"hello","now":1}'],
  ["no server time", '{"type":"snapshot","epoch":"a","seq":1,"state":{}}'],
  ["no epoch", '{"type":"snapshot","seq":1,"now":1,"state":{}}'],
  ["a sequence number that is none", '{"type":"change","epoch":"a","seq":1.5,"now":1,"change":{}}'],
])("%s is no message", (_what, text) => {
  expect(readMessage(text)).toBeUndefined();
});
