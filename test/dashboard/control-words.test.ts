// What keeps a run from starting, in words.
import { describe, expect, test } from "vitest";
import { blockOf, blockWords, breakerWords, controlNews, queuedWords } from "../../src/dashboard/control-words.ts";
import { timeOfDay } from "../../src/dashboard/format.ts";
import { AS_USUAL, HALF_OPEN, openBreaker, QUEUED, SWITCHED_OFF, T0 } from "./overviews.ts";

describe("whether a run may start", () => {
  test("one may while all is as usual, and while another one only waits for its turn", () => {
    expect(blockOf(AS_USUAL, T0)).toBeNull();
    expect(blockOf({ ...AS_USUAL, queued: QUEUED }, T0)).toBeNull();
  });

  test("the switch goes before the breaker", () => {
    const both = { ...AS_USUAL, switchedOff: SWITCHED_OFF, breaker: openBreaker(T0 + 30_000) };
    expect(blockOf(both, T0)).toEqual({ by: "switch", switchedOff: SWITCHED_OFF });
  });

  test("an open breaker blocks until its time is up, and one that tries OPAL again does not", () => {
    const open = { ...AS_USUAL, breaker: openBreaker(T0 + 30_000) };
    expect(blockOf(open, T0 + 29_999)).toEqual({ by: "breaker", retryAt: T0 + 30_000 });
    expect(blockOf(open, T0 + 30_000)).toBeNull();
    expect(blockOf({ ...AS_USUAL, breaker: openBreaker(null) }, T0)).toBeNull();
    expect(blockOf({ ...AS_USUAL, breaker: HALF_OPEN }, T0)).toBeNull();
  });
});

describe("why none may", () => {
  test("switched off: who, when and why", () => {
    expect(blockWords({ by: "switch", switchedOff: SWITCHED_OFF }, T0)).toEqual({
      what: "Blocked: triggering is switched off",
      why: `by ada@osa.localhost, ${timeOfDay(T0, T0)}: OPAL is being moved`,
    });
  });

  test("OPAL is not answering: when it is tried again, counted down", () => {
    const block = { by: "breaker", retryAt: T0 + 21_000 } as const;
    expect(blockWords(block, T0)).toEqual({ what: "Blocked: OPAL is not answering", why: "tried again in 0:21" });
    expect(blockWords(block, T0 + 20_500).why).toBe("tried again in 0:01");
  });

  test("the breaker says what opened it, that its time is up, and that it is trying", () => {
    expect(breakerWords(AS_USUAL.breaker, T0)).toBeNull();
    expect(breakerWords(openBreaker(T0 + 21_000), T0)).toContain("The last 3 calls failed; it is tried again in 0:21");
    expect(breakerWords(openBreaker(T0 + 21_000, 1), T0)).toContain("The last call failed");
    expect(breakerWords(openBreaker(T0 + 21_000), T0 + 21_000)).toContain("The next call tries it again");
    expect(breakerWords(HALF_OPEN, T0)).toContain("being tried again");
  });
});

test("a run that waits for its turn says whose it is", () => {
  expect(queuedWords(QUEUED)).toBe("Quick sync, asked for by ada@osa.localhost, waits for its turn.");
});

test("what is told to a screen reader has no countdown in it, and is nothing while all is as usual", () => {
  expect(controlNews({ ...AS_USUAL, breaker: HALF_OPEN })).toEqual([]);
  const all = { switchedOff: SWITCHED_OFF, breaker: openBreaker(T0 + 21_000), queued: QUEUED };
  expect(controlNews(all)).toEqual([
    "Triggering is switched off by ada@osa.localhost: OPAL is being moved",
    "OPAL is not answering.",
    queuedWords(QUEUED),
  ]);
});
