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

/** Waits that are shown of a policy that never gives up. */
const PREVIEW_WAITS = 10;

/**
 * The numbers of standard, aggressive and conservative are our own choice; those of opal and the three presets after it
 * were given.
 */
export const RETRY_POLICIES = {
  /** When nothing is known about the other side. */
  standard: { attempts: 3, baseMs: 1_000, maxMs: 30_000, factor: 2 },
  /** Soon and often, for calls that are cheap to repeat. */
  aggressive: { attempts: 5, baseMs: 500, maxMs: 15_000, factor: 1.5 },
  /** Once more after a long pause, for a side that must be spared. */
  conservative: { attempts: 2, baseMs: 5_000, maxMs: 60_000, factor: 3 },
  /** Starting the workflow at OPAL. */
  opal: { attempts: 4, baseMs: 2_000, maxMs: 30_000, factor: 2 },
  opal_integration: { attempts: 3, baseMs: 1_000, maxMs: 10_000, factor: 2 },
  database_operations: { attempts: 2, baseMs: 500, maxMs: 2_000, factor: 2 },
  webhook_processing: { attempts: 3, baseMs: 2_000, maxMs: 30_000, factor: 3 },
  /** Delivering outbox messages inside the platform; gives up never, the caller only uses the delays. */
  outbox: { attempts: Number.POSITIVE_INFINITY, baseMs: 250, maxMs: 30_000, factor: 2 },
} as const satisfies Record<string, RetryPolicy>;

export type RetryPreset = keyof typeof RETRY_POLICIES;

/**
 * Wait after failed attempt number `attempt` (1 is the first), in milliseconds: exponential with full jitter
 * (`jitter` in [0, 1)), never longer than the policy's cap. A Retry-After only ever lengthens it.
 */
export function backoffMs(policy: RetryPolicy, attempt: number, jitter: number, retryAfterMs = 0): number {
  return Math.max(Math.round(ceilingMs(policy, attempt) * jitter), Math.min(retryAfterMs, RETRY_AFTER_CAP_MS));
}

/**
 * The longest wait of our own choice after each failed attempt but the last, in milliseconds; the first ten of a policy
 * that never gives up. A Retry-After may lengthen any of them.
 */
export function previewSchedule(policy: RetryPolicy): { attempt: number; waitAtMostMs: number }[] {
  const waits = Number.isFinite(policy.attempts) ? policy.attempts - 1 : PREVIEW_WAITS;
  return Array.from({ length: waits }, (_, index) => ({
    attempt: index + 1,
    waitAtMostMs: Math.round(ceilingMs(policy, index + 1)),
  }));
}

function ceilingMs(policy: RetryPolicy, attempt: number): number {
  return Math.min(policy.maxMs, policy.baseMs * policy.factor ** Math.min(attempt - 1, 50));
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
