import { describe, expect, test } from "vitest";
import { together } from "../../../src/platform/together.ts";

/** Doubles numbers, and notes which came together. */
function doubling(fails: (items: readonly number[]) => boolean = () => false) {
  const batches: number[][] = [];
  const double = together(async (items: readonly number[]) => {
    batches.push([...items]);
    if (fails(items)) throw new Error(`not ${items}`);
    return items.map((item) => item * 2);
  });
  return { batches, double };
}

describe("items of one moment", () => {
  test("are worked on together, in their order, and each gets its own outcome", async () => {
    const { batches, double } = doubling();
    expect(await Promise.all([1, 2, 3].map(double))).toEqual([2, 4, 6]);
    expect(batches).toEqual([[1, 2, 3]]);
  });

  test("do not wait for those of the next", async () => {
    const { batches, double } = doubling();
    await double(1);
    await double(2);
    expect(batches).toEqual([[1], [2]]);
  });

  test("are tried one by one when they fail together, so that one spoils it for no other", async () => {
    const { batches, double } = doubling((items) => items.includes(2));
    const outcomes = await Promise.allSettled([1, 2, 3].map(double));
    expect(outcomes).toMatchObject([
      { status: "fulfilled", value: 2 },
      { status: "rejected", reason: { message: "not 2" } },
      { status: "fulfilled", value: 6 },
    ]);
    expect(batches).toEqual([[1, 2, 3], [1], [2], [3]]);
  });

  test("without an outcome are refused rather than left waiting", async () => {
    const none = together(async () => []);
    await expect(none(1)).rejects.toThrow("no outcome");
  });
});
