/** Milliseconds since the epoch. The only place that reads the clock; everything else gets `now` as an argument. */
export function now(): number {
  return Date.now();
}
