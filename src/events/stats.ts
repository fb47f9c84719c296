// Counts of deliveries in the API's words. Every arrival is in exactly one of successful, failed and duplicate.
import { iso } from "../platform/iso.ts";
import { LATENCY_ERROR, percentile } from "./latency.ts";
import type { Counts } from "./stats-store.ts";
import type { StatsWindow } from "./stats-window.ts";

type Counted = Counts["counted"][number];

const HOUR_MS = 60 * 60_000;
const ERROR_TYPES_SHOWN = 10;
/** Senders choose the names of their events; the rarest of very many are summed up. */
const EVENT_TYPES_SHOWN = 100;

/** Taken in as it was meant to be. What is ignored is stored, and nothing more was to be done with it. */
const SUCCESSFUL = new Set(["processed", "late", "ignored"]);
const DUPLICATE = "duplicate";
const REJECTED = "rejected";

type ErrorClass = "authentication_failures" | "validation_errors" | "processing_errors" | "timeout_errors";

/** The refusals that a receiver knows, by what they are about. What is not here went wrong on our side. */
const ERROR_CLASSES: Readonly<Record<string, ErrorClass>> = {
  signature_invalid: "authentication_failures",
  authentication_failed: "authentication_failures",
  access_denied: "authentication_failures",
  validation_failed: "validation_errors",
  unreadable_body: "validation_errors",
  payload_too_large: "validation_errors",
  unsupported_media_type: "validation_errors",
  resource_not_found: "validation_errors",
  read_timeout: "timeout_errors",
};

export function statsAnswer(window: StatsWindow, { counted, steps }: Counts) {
  const { asked, start, end } = window;
  const all = tally(counted);
  const share = (of: number) => rounded(percentile(steps, of));
  return {
    success: true as const,
    time_period: {
      start: iso(start),
      end: iso(end),
      duration_hours: (end - start) / HOUR_MS,
      requested_start: iso(asked.start),
      requested_end: iso(asked.end),
      rounded: "outwards, to whole spans of 5 minutes; of one hour when they are older than two days",
    },
    processing_stats: {
      total_events_received: all.total,
      successful_processing: all.successful,
      failed_processing: all.failed,
      duplicate_events: all.duplicate,
      success_rate: all.successRate,
      by_outcome: Object.fromEntries(
        [...grouped(counted, ({ outcome }) => outcome)].map(([outcome, rows]) => [outcome, tally(rows).total]),
      ),
    },
    performance_metrics: {
      average_processing_time_ms: all.averageMs,
      median_processing_time_ms: share(0.5),
      p95_processing_time_ms: share(0.95),
      p99_processing_time_ms: share(0.99),
      percentile_error: Math.ceil(LATENCY_ERROR * 100) / 100,
    },
    error_analysis: errorAnswer(counted.filter(({ outcome }) => outcome === REJECTED)),
    event_breakdown: breakdown(counted),
  };
}

/** Rates are shares from 0 to 1; null where there is nothing to have a share of. */
function tally(rows: readonly Counted[]) {
  const count = (isMeant: (outcome: string) => boolean) =>
    rows.reduce((total, row) => total + (isMeant(row.outcome) ? row.count : 0), 0);
  const total = count(() => true);
  const successful = count((outcome) => SUCCESSFUL.has(outcome));
  const duplicate = count((outcome) => outcome === DUPLICATE);
  const sumMs = rows.reduce((sum, row) => sum + row.sumMs, 0);
  return {
    ...{ total, successful, duplicate, failed: total - successful - duplicate },
    successRate: total === 0 ? null : (successful + duplicate) / total,
    averageMs: total === 0 ? null : rounded(sumMs / total),
  };
}

function errorAnswer(rejected: readonly Counted[]) {
  const { total } = tally(rejected);
  const of = (meant: ErrorClass) =>
    tally(rejected.filter(({ reason }) => (ERROR_CLASSES[reason] ?? "processing_errors") === meant)).total;
  const types = [...grouped(rejected, ({ reason }) => reason)].map(([type, rows]) => ({
    error_type: type,
    count: tally(rows).total,
    percentage: (tally(rows).total / total) * 100,
  }));
  return {
    authentication_failures: of("authentication_failures"),
    validation_errors: of("validation_errors"),
    processing_errors: of("processing_errors"),
    timeout_errors: of("timeout_errors"),
    top_error_types: types.toSorted((one, other) => other.count - one.count).slice(0, ERROR_TYPES_SHOWN),
  };
}

/** By type of event, the most frequent first. What was refused before it was read has none. */
function breakdown(counted: readonly Counted[]) {
  const types = [...grouped(counted, ({ eventType }) => eventType || "unread")].toSorted(
    ([, one], [, other]) => tally(other).total - tally(one).total,
  );
  const rarest = types.slice(EVENT_TYPES_SHOWN).flatMap(([, rows]) => rows);
  const shown = [...types.slice(0, EVENT_TYPES_SHOWN), ...(rarest.length > 0 ? [["others", rarest] as const] : [])];
  return Object.fromEntries(
    shown.map(([type, rows]) => {
      const { total, successRate, averageMs } = tally(rows);
      return [type, { count: total, success_rate: successRate, average_processing_time_ms: averageMs }];
    }),
  );
}

function grouped(rows: readonly Counted[], keyOf: (row: Counted) => string): ReadonlyMap<string, readonly Counted[]> {
  return Map.groupBy(rows, keyOf);
}

/** To hundredths. */
function rounded(ms: number): number;
function rounded(ms: number | null): number | null;
function rounded(ms: number | null): number | null {
  return ms === null ? null : Math.round(ms * 100) / 100;
}
