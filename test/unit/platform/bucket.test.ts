import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Bucket, takeToken } from "../../../src/platform/bucket.ts";

const RULES = { perSecond: 10, burst: 3 };

/** How many of the requests at these times (ms) are given a token. */
function given(times: readonly number[], rules = RULES): boolean[] {
  let bucket: Bucket | undefined;
  return times.map((at) => {
    const asked = takeToken(bucket, rules, at);
    bucket = asked.bucket;
    return asked.isGiven;
  });
}

describe("a bucket", () => {
  test("is full at first, and gives no more than that at once", () => {
    expect(given([0, 0, 0, 0, 0])).toEqual([true, true, true, false, false]);
  });

  test("fills again by and by, and refusing costs nothing", () => {
    expect(given([0, 0, 0, 0, 99, 100, 101, 200])).toEqual([true, true, true, false, false, true, false, true]);
  });

  test("never holds more than its burst, however long nobody asks", () => {
    expect(given([0, 1_000_000, 1_000_000, 1_000_000, 1_000_000])).toEqual([true, true, true, true, false]);
  });

  test("bears a clock that goes back", () => {
    expect(given([1_000, 0, 0, 0])).toEqual([true, true, true, false]);
  });

  test("gives no more over any time than its burst and what flows in", () => {
    const steps = fc.array(fc.integer({ min: 0, max: 500 }), { maxLength: 200 });
    fc.assert(
      fc.property(steps, (waits) => {
        let at = 0;
        const times = waits.map((wait) => {
          at += wait;
          return at;
        });
        const count = given(times).filter((is) => is).length;
        expect(count).toBeLessThanOrEqual(RULES.burst + (at / 1000) * RULES.perSecond + 1e-6);
      }),
    );
  });
});
