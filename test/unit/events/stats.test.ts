// Counts in the API's words, and the windows they are asked for.
import { describe, expect, test } from "vitest";
import { latencyStep } from "../../../src/events/latency.ts";
import { statsAnswer } from "../../../src/events/stats.ts";
import { statsQuery, windowOf } from "../../../src/events/stats-window.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const NOW = Date.UTC(2026, 0, 31, 12, 3, 20);
const WINDOW = windowOf({ start: NOW - DAY, end: NOW }, NOW);

function counted(eventType: string, outcome: string, count: number, sumMs = 0, reason = "") {
  return { eventType, outcome, reason, count, sumMs };
}

describe("counts", () => {
  test("put every arrival into exactly one of successful, failed and duplicate", () => {
    const { processing_stats: stats } = statsAnswer(WINDOW, {
      counted: [
        counted("a", "processed", 50),
        counted("a", "late", 5),
        counted("b", "ignored", 4),
        counted("b", "quarantined", 3),
        counted("a", "duplicate", 20),
        counted("", "rejected", 18, 0, "signature_invalid"),
      ],
      steps: [],
    });
    expect(stats).toEqual({
      ...{ total_events_received: 100, successful_processing: 59, failed_processing: 21, duplicate_events: 20 },
      success_rate: 0.79,
      by_outcome: { processed: 50, late: 5, ignored: 4, quarantined: 3, duplicate: 20, rejected: 18 },
    });
  });

  test("have no rate, average or percentile of nothing", () => {
    const answer = statsAnswer(WINDOW, { counted: [], steps: [] });
    expect(answer.processing_stats).toMatchObject({ total_events_received: 0, success_rate: null });
    expect(answer.performance_metrics).toEqual({
      ...{ average_processing_time_ms: null, median_processing_time_ms: null },
      ...{ p95_processing_time_ms: null, p99_processing_time_ms: null, percentile_error: 0.05 },
    });
    expect(answer.error_analysis.top_error_types).toEqual([]);
    expect(answer.event_breakdown).toEqual({});
  });

  test("tell errors by what they are about, with their share of all errors", () => {
    const rejected = (reason: string, n: number) => counted("", "rejected", n, 0, reason);
    const { error_analysis: errors } = statsAnswer(WINDOW, {
      counted: [
        ...[rejected("signature_invalid", 8), rejected("unreadable_body", 4), rejected("payload_too_large", 2)],
        ...[rejected("unsupported_media_type", 1), rejected("validation_failed", 1), rejected("read_timeout", 2)],
        ...[rejected("service_unavailable", 1), rejected("a code of tomorrow", 1), counted("a", "processed", 100)],
      ],
      steps: [],
    });
    expect(errors).toMatchObject({
      ...{ authentication_failures: 8, validation_errors: 8, timeout_errors: 2, processing_errors: 2 },
      top_error_types: [
        { error_type: "signature_invalid", count: 8, percentage: 40 },
        { error_type: "unreadable_body", count: 4, percentage: 20 },
        { count: 2, percentage: 10 },
        { count: 2, percentage: 10 },
        {},
        {},
        {},
        {},
      ],
    });
  });

  test("by type have a rate and an average of their own; the rarest of very many are one", () => {
    const few = statsAnswer(WINDOW, {
      counted: [counted("a", "processed", 3, 30), counted("a", "quarantined", 1, 50), counted("", "rejected", 2, 1)],
      steps: [],
    });
    expect(few.event_breakdown).toEqual({
      a: { count: 4, success_rate: 0.75, average_processing_time_ms: 20 },
      unread: { count: 2, success_rate: 0, average_processing_time_ms: 0.5 },
    });
    expect(few.performance_metrics.average_processing_time_ms).toBe(13.5);
    const many = statsAnswer(WINDOW, {
      counted: Array.from({ length: 130 }, (_, n) => counted(`t${n}`, "processed", n < 100 ? 2 : 1)),
      steps: [],
    });
    expect(Object.keys(many.event_breakdown)).toHaveLength(101);
    expect(many.event_breakdown.others?.count).toBe(30);
  });

  test("give percentiles within the error that they state", () => {
    const durations = Array.from({ length: 1_000 }, (_, index) => index + 1);
    const steps = durations.map((ms) => ({ step: latencyStep(ms), count: 1 }));
    const { performance_metrics: metrics } = statsAnswer(WINDOW, { counted: [], steps });
    for (const [found, exact] of [
      [metrics.median_processing_time_ms, 500],
      [metrics.p95_processing_time_ms, 950],
      [metrics.p99_processing_time_ms, 990],
    ] as const) {
      expect(Math.abs((found ?? 0) - exact) / exact).toBeLessThan(metrics.percentile_error);
    }
  });
});

describe("a window", () => {
  const asked = (query: Readonly<Record<string, string>>) => statsQuery.parse(query)(NOW);
  const iso = (text: string) => Date.parse(text);

  test("is the last day when nothing is said, widened to whole spans", () => {
    expect(asked({})).toEqual({
      asked: { start: NOW - DAY, end: NOW },
      start: iso("2026-01-30T12:00:00Z"),
      end: iso("2026-01-31T12:05:00Z"),
    });
  });

  test.for([
    ["15m", 15 * MINUTE],
    ["1h", HOUR],
    ["24h", DAY],
    ["7d", 7 * DAY],
    ["30d", 30 * DAY],
  ] as const)("of %s", ([period, ms]) => {
    const window = asked({ period });
    expect(window.asked).toEqual({ start: NOW - ms, end: NOW });
    expect(window.start).toBeLessThanOrEqual(NOW - ms);
    expect(NOW - ms - window.start).toBeLessThan(ms > 2 * DAY ? HOUR : 5 * MINUTE);
  });

  test("of older days is widened to whole hours", () => {
    expect(asked({ start: "2026-01-20T10:30:00Z", end: "2026-01-20T11:00:01+00:00" })).toMatchObject({
      start: iso("2026-01-20T10:00:00Z"),
      end: iso("2026-01-20T12:00:00Z"),
    });
  });

  test("with a start alone ends now", () => {
    expect(asked({ start: "2026-01-31T11:00:00Z" }).asked.end).toBe(NOW);
  });

  test.for([
    ["period", { period: "31d" }],
    ["period", { period: "0h" }],
    ["period", { period: "day" }],
    ["period", { period: "1h", start: "2026-01-31T11:00:00Z" }],
    ["start", { end: "2026-01-31T11:00:00Z" }],
    ["start", { start: "yesterday" }],
    ["end", { start: "2026-01-31T11:00:00Z", end: "2026-01-31T11:00:00Z" }],
    ["end", { start: "2025-12-01T00:00:00Z", end: "2026-01-31T00:00:00Z" }],
  ] as const)("is refused for its %s: %j", ([name, query]) => {
    expect(statsQuery.safeParse(query).error?.issues.map(({ path }) => path.join("."))).toEqual([name]);
  });
});
