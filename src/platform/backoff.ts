// Retrying as data: how often, how long to wait, and that a server's Retry-After wins over our own guess.

export interface RetryPolicy {
  /** Calls in total, the first one included. */
  readonly attempts: number;
  readonly baseMs: number;
  readonly maxMs: number;
  readonly factor: number;
}

/** A server may ask for patience, but not for more than a whole run may last. */
const RETRY_AFTER_CAP_MS = 30 * 60_000;

export const RETRY_POLICIES = {
  /** Starting the workflow at OPAL. */
  opal: { attempts: 4, baseMs: 2_000, maxMs: 30_000, factor: 2 },
  /** Delivering outbox messages inside the platform; gives up never, the caller only uses the delays. */
  outbox: { attempts: Number.POSITIVE_INFINITY, baseMs: 250, maxMs: 30_000, factor: 2 },
} as const satisfies Record<string, RetryPolicy>;

/**
 * Wait after failed attempt number `attempt` (1 is the first), in milliseconds: exponential with full jitter
 * (`jitter` in [0, 1)), never longer than the policy's cap. A Retry-After only ever lengthens it.
 */
export function backoffMs(policy: RetryPolicy, attempt: number, jitter: number, retryAfterMs = 0): number {
  const ceiling = Math.min(policy.maxMs, policy.baseMs * policy.factor ** Math.min(attempt - 1, 50));
  return Math.max(Math.round(ceiling * jitter), Math.min(retryAfterMs, RETRY_AFTER_CAP_MS));
}

/** Retry-After (RFC 9110, 10.2.3) as milliseconds from now: seconds or a date; undefined when absent or unreadable. */
export function parseRetryAfter(header: string | null, nowMs: number): number | undefined {
  if (header === null) return undefined;
  const text = header.trim();
  if (/^\d{1,9}$/.test(text)) return Number(text) * 1000;
  // Every form of an HTTP date begins with a weekday; Date.parse alone reads "1.5" as a day in May.
  const date = /^[A-Z][a-z]{2,8},? /.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(date) ? undefined : Math.max(0, date - nowMs);
}
