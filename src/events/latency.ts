// Durations counted in log-spaced steps, so that percentiles of any number of them come from a few numbers.

/** Each step is this much wider than the one before. */
const GROWTH = 1.1;

/** What is read back differs from what was counted by less than this share: half a step. */
export const LATENCY_ERROR = Math.sqrt(GROWTH) - 1;

/** The step a duration in ms falls into; 0 holds everything under one millisecond. */
export function latencyStep(ms: number): number {
  return ms < 1 ? 0 : 1 + Math.floor(Math.log(ms) / Math.log(GROWTH) + 1e-9);
}

/** The middle of a step, in ms. */
export function stepMs(step: number): number {
  return step === 0 ? 0 : GROWTH ** (step - 1) * Math.sqrt(GROWTH);
}

/** The duration in ms that the given share (0 to 1) of all durations does not exceed; null without any. */
export function percentile(
  steps: readonly { readonly step: number; readonly count: number }[],
  share: number,
): number | null {
  const total = steps.reduce((sum, { count }) => sum + count, 0);
  if (total === 0) return null;
  const rank = Math.max(1, Math.ceil(total * share));
  let seen = 0;
  for (const { step, count } of steps.toSorted((a, b) => a.step - b.step)) {
    seen += count;
    if (seen >= rank) return stepMs(step);
  }
  return null;
}
