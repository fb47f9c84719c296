// Reproducible chance: the same seeds always draw the same values, so a seed in a bug report replays the run.

export interface Draw {
  /** In [0, 1). */
  fraction(): number;
  /** Whole number, both ends included. */
  integer(min: number, max: number): number;
  decimal(min: number, max: number, digits: number): number;
  chance(probability: number): boolean;
  /** Throws for an empty list. */
  pick<T>(list: readonly T[]): T;
  /** Between `min` and `max` different entries, in the order of the list. */
  some<T>(list: readonly T[], min: number, max?: number): T[];
  shuffle<T>(list: readonly T[]): T[];
}

/** Every use has seeds of its own (`drawFrom(seed, agentId, "duration")`), so that no draw shifts another one. */
export function drawFrom(...seeds: readonly (string | number)[]): Draw {
  const fraction = mulberry32(fnv1a(seeds.join("/")));
  const integer = (min: number, max: number) => min + Math.floor(fraction() * (max - min + 1));

  function shuffle<T>(list: readonly T[]): T[] {
    const keyed = list.map((value) => ({ value, key: fraction() }));
    return keyed.sort((a, b) => a.key - b.key).map((entry) => entry.value);
  }

  return {
    fraction,
    integer,
    decimal: (min, max, digits) => Number((min + fraction() * (max - min)).toFixed(digits)),
    chance: (probability) => fraction() < probability,
    pick(list) {
      const [chosen] = list.slice(integer(0, list.length - 1));
      if (chosen === undefined) throw new RangeError("nothing to pick from");
      return chosen;
    },
    some(list, min, max = min) {
      const chosen = new Set(shuffle(list.map((_, index) => index)).slice(0, integer(min, max)));
      return list.filter((_, index) => chosen.has(index));
    },
    shuffle,
  };
}

/** 32-bit FNV-1a: turns any text into a seed. */
function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(text)) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}

/** Tommy Ettinger's mulberry32 (public domain): small, and good enough for prose and jitter. */
function mulberry32(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
