// Which time the counts are asked for. They are kept by spans, so a window is widened to whole ones.
import { z } from "zod";
import { SPAN_MS } from "./tally.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const UNITS: Readonly<Record<string, number>> = { m: MINUTE_MS, h: HOUR_MS, d: DAY_MS };
const MAX_MS = 30 * DAY_MS;

/** Older spans are put together to whole hours. */
export const FINE_SPANS_MS = 2 * DAY_MS;
export const COARSE_SPAN_MS = HOUR_MS;

/** Times in ms since the epoch; the end is not part of it. */
export interface StatsWindow {
  readonly asked: { readonly start: number; readonly end: number };
  readonly start: number;
  readonly end: number;
}

/** Outwards, to the spans that are kept of that time. */
export function windowOf(asked: StatsWindow["asked"], now: number): StatsWindow {
  const spanAt = (at: number) => (at < now - FINE_SPANS_MS ? COARSE_SPAN_MS : SPAN_MS);
  const startSpan = spanAt(asked.start);
  const endSpan = spanAt(asked.end);
  return {
    asked,
    start: Math.floor(asked.start / startSpan) * startSpan,
    end: Math.ceil(asked.end / endSpan) * endSpan,
  };
}

const time = z.iso
  .datetime({ offset: true, error: "must be a time such as 2026-01-31T09:00:00Z" })
  .transform((text) => Date.parse(text))
  .optional();

/** A time as of which the window is asked for leads to the window. */
export const statsQuery = z
  .strictObject({
    /** So much time up to now: minutes, hours or days. */
    period: z
      .string()
      .regex(/^[1-9]\d{0,4}[mhd]$/, "must be a number of minutes, hours or days, such as 15m, 24h or 7d")
      .transform((text) => Number(text.slice(0, -1)) * (UNITS[text.slice(-1)] ?? 0))
      .refine((ms) => ms <= MAX_MS, "must be at most 30 days")
      .optional(),
    start: time,
    end: time,
  })
  .superRefine(({ period, start, end }, ctx) => {
    const refuse = (name: string, message: string) => ctx.addIssue({ code: "custom", path: [name], message });
    if (period !== undefined && (start !== undefined || end !== undefined)) {
      refuse("period", "cannot go with start or end");
    }
    if (end !== undefined && start === undefined) refuse("start", "is missing");
    if (start === undefined || end === undefined) return;
    if (end <= start) refuse("end", "must be after start");
    if (end - start > MAX_MS) refuse("end", "must be at most 30 days after start");
  })
  .transform(({ period = DAY_MS, start, end }) => (now: number): StatsWindow => {
    if (start === undefined) return windowOf({ start: now - period, end: now }, now);
    const last = end ?? Math.max(start + 1, now);
    return windowOf({ start: Math.max(start, last - MAX_MS), end: last }, now);
  });
