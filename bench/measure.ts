// What a part of the benchmark is and what it answers.
import type { Load } from "./load/load.ts";
import type { RunningWorker } from "./stack.ts";

export interface Target {
  readonly is: "at least" | "at most";
  readonly value: number;
}

export interface Measure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  readonly target?: Target;
  /** How the figure came about, where its name does not say it. */
  readonly note?: string;
}

export interface Bench {
  readonly product: RunningWorker;
  readonly floor: RunningWorker;
  readonly load: Load;
  readonly seed: number;
  /** Less of everything: to see that it works, not how fast. */
  readonly isQuick: boolean;
  readonly say: (line: string) => void;
}

export interface PartOutcome {
  readonly measures: readonly Measure[];
  /** The raw figures behind them, kept in the file only. */
  readonly details?: unknown;
}

export interface Part {
  readonly name: string;
  readonly about: string;
  readonly measure: (bench: Bench) => Promise<PartOutcome>;
}

export const atLeast = (value: number): Target => ({ is: "at least", value });
export const atMost = (value: number): Target => ({ is: "at most", value });
