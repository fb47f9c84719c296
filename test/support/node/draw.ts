// Chance that can be repeated: the same seed draws the same numbers (mulberry32).

/** The development key of .dev.vars.example, which the stacks of the tests run with. */
export const CHAOS_KEY = "development-api-key-operator-rights-only";

export interface Draw {
  /** A whole number from `low` to `high`, both included. */
  readonly between: (low: number, high: number) => number;
}

export function drawFrom(seed: number): Draw {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  return { between: (low, high) => low + Math.floor(next() * (high - low + 1)) };
}
