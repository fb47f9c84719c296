// The last attempts to deliver something, accepted and rejected together, in the API's words. Pure.
import { eventAnswer } from "../events/answers.ts";
import { pressureAnswer } from "../events/ledger-answers.ts";
import type { ListedEvent } from "../events/list.ts";
import type { Counts } from "../events/stats-store.ts";
import type { Rejection, RejectionTotal } from "../inbox/rejection.ts";
import { iso } from "../platform/iso.ts";
import type { Pressure } from "../platform/pressure.ts";
import { REFUSALS } from "../platform/refusal.ts";

/** From these shares of failures on, in percent; our own choice. */
const DEGRADED_PERCENT = 10;
const UNHEALTHY_PERCENT = 50;
const FAILED = new Set(["rejected", "quarantined"]);

export type ShownRejection = Omit<Rejection, "headers">;

export interface Attempts {
  readonly accepted: readonly ListedEvent[];
  readonly rejected: readonly ShownRejection[];
}

export function attemptsAnswer({ accepted, rejected }: Attempts, limit: number) {
  const all = [
    ...accepted.map((event) => ({ at: event.received_at, answer: acceptedAnswer(event) })),
    ...rejected.map((rejection) => ({ at: rejection.at, answer: rejectedAnswer(rejection) })),
  ];
  return all
    .toSorted((one, other) => other.at - one.at)
    .slice(0, limit)
    .map(({ answer }) => answer);
}

function acceptedAnswer(event: ListedEvent) {
  const isFailed = FAILED.has(event.verdict);
  return {
    accepted: true as const,
    ...eventAnswer(event),
    error_message: event.error ?? (isFailed ? event.reason : null),
  };
}

function rejectedAnswer(rejection: ShownRejection) {
  const known = isRefusalCode(rejection.code) ? REFUSALS[rejection.code] : undefined;
  return {
    accepted: false as const,
    rejection_id: rejection.id,
    received_at: iso(rejection.at),
    source: rejection.source,
    status: "rejected" as const,
    code: rejection.code,
    reason: rejection.reason,
    error_message: known?.title ?? rejection.code,
    http_status: known?.status ?? null,
    request_id: rejection.requestId,
    path: rejection.path,
    skew_seconds: rejection.skewSeconds,
    bytes: rejection.bytes,
    sha256: rejection.sha256,
  };
}

function isRefusalCode(code: string): code is keyof typeof REFUSALS {
  return Object.hasOwn(REFUSALS, code);
}

/** Of the last hour; null throughout when nothing came, and when nobody can tell. */
export function systemHealth(counts: Counts | undefined) {
  const counted = counts?.counted ?? [];
  const total = counted.reduce((sum, { count }) => sum + count, 0);
  if (total === 0) return { webhook_status: null, recent_failure_rate: null, avg_processing_time: null };
  const failed = counted.filter(({ outcome }) => FAILED.has(outcome)).reduce((sum, { count }) => sum + count, 0);
  const sumMs = counted.reduce((sum, row) => sum + row.sumMs, 0);
  const percent = (failed / total) * 100;
  return {
    webhook_status: percent >= UNHEALTHY_PERCENT ? "unhealthy" : percent >= DEGRADED_PERCENT ? "degraded" : "healthy",
    recent_failure_rate: rounded(percent),
    avg_processing_time: rounded(sumMs / total),
  };
}

export interface OwnedPressure {
  /** A session, an inbox or the workspace. */
  readonly owner: string;
  /** Undefined when it did not say. */
  readonly pressure: readonly Pressure[] | undefined;
}

/** Only who has something to say, and who did not answer. */
export function pressuresAnswer(owners: readonly OwnedPressure[]) {
  return owners
    .filter(({ pressure }) => pressure === undefined || pressure.length > 0)
    .map(({ owner, pressure }) => ({
      owner,
      answered: pressure !== undefined,
      outbox: (pressure ?? []).map(pressureAnswer),
    }));
}

export function rejectionsAnswer(totals: readonly RejectionTotal[] | undefined) {
  if (totals === undefined) return null;
  return {
    at_least: totals.reduce((sum, { atLeast }) => sum + atLeast, 0),
    by_reason: totals.map(({ source, code, reason, atLeast }) => ({ source, code, reason, at_least: atLeast })),
  };
}

function rounded(value: number): number {
  return Math.round(value * 100) / 100;
}
