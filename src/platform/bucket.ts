// A token bucket as plain numbers: how much may come at once, and how much in the long run.

export interface BucketRules {
  readonly perSecond: number;
  readonly burst: number;
}

export interface Bucket {
  readonly tokens: number;
  /** When this was so, in ms since the epoch. */
  readonly at: number;
}

/** The bucket after one was asked for at `now`; it was given only when the bucket held a whole one. */
export function takeToken(
  bucket: Bucket | undefined,
  { perSecond, burst }: BucketRules,
  now: number,
): { readonly isGiven: boolean; readonly bucket: Bucket } {
  const passed = bucket === undefined ? 0 : Math.max(0, now - bucket.at) / 1000;
  const tokens = Math.min(burst, (bucket?.tokens ?? burst) + passed * perSecond);
  const isGiven = tokens >= 1;
  return { isGiven, bucket: { tokens: isGiven ? tokens - 1 : tokens, at: now } };
}
