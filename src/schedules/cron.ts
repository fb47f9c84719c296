// When a schedule fires: five-field cron patterns, read in a time zone. Croner computes; none of its timers is used.
import { Cron } from "croner";

export type ParsedCron =
  | { readonly ok: true }
  | { readonly ok: false; readonly field: "cron" | "time_zone"; readonly problem: string };

type Compiled = { readonly ok: true; readonly cron: Cron } | Extract<ParsedCron, { readonly ok: false }>;

const NICKNAMES: readonly string[] = ["@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"];

/** Patterns name no year, so whether one ever fires is asked from one fixed time and always answered alike. */
const ASKED_FROM = Date.UTC(2026, 0, 1);

/** Whether there are times at which this fires; the problem continues a sentence that begins with the field's name. */
export function parseCron(expression: string, timeZone: string): ParsedCron {
  const compiled = compile(expression, timeZone);
  if (!compiled.ok) return compiled;
  return runAfter(compiled.cron, ASKED_FROM) === null ? wrongCron("never fires") : { ok: true };
}

/**
 * The first firing after `afterMs`, in ms since the epoch. Null when there is none, and for what `parseCron` refuses.
 * A time of day that a clock change leaves out is made up for right after the change, and one that it repeats counts
 * once; patterns with a wildcard or a step in minute or hour follow the clock instead, without either.
 */
export function nextFiring(expression: string, timeZone: string, afterMs: number): number | null {
  const compiled = compile(expression, timeZone);
  return compiled.ok ? runAfter(compiled.cron, afterMs) : null;
}

/** The next `count` firings after `afterMs`, in ms since the epoch, oldest first. */
export function upcomingFirings(expression: string, timeZone: string, afterMs: number, count: number): number[] {
  const compiled = compile(expression, timeZone);
  return compiled.ok ? compiled.cron.nextRuns(count, new Date(afterMs)).map((run) => run.getTime()) : [];
}

/** The earliest `limit` firings after `afterMs`, up to and including `untilMs`, in ms since the epoch, oldest first. */
export function firingsBetween(
  expression: string,
  timeZone: string,
  afterMs: number,
  untilMs: number,
  limit: number,
): number[] {
  const compiled = compile(expression, timeZone);
  const found: number[] = [];
  let at: number | null = afterMs;
  while (compiled.ok && found.length < limit) {
    at = runAfter(compiled.cron, at);
    if (at === null || at > untilMs) break;
    found.push(at);
  }
  return found;
}

/** The same for the latest `limit` firings; what lies before them is not walked through. Oldest first, too. */
export function latestFirings(
  expression: string,
  timeZone: string,
  afterMs: number,
  untilMs: number,
  limit: number,
): number[] {
  const compiled = compile(expression, timeZone);
  const found: number[] = [];
  let before = untilMs + 1;
  while (compiled.ok && found.length < limit) {
    const at = compiled.cron.previousRuns(1, new Date(before))[0]?.getTime();
    if (at === undefined || at <= afterMs) break;
    found.push(at);
    before = at;
  }
  return found.reverse();
}

function runAfter(cron: Cron, afterMs: number): number | null {
  return cron.nextRun(new Date(afterMs))?.getTime() ?? null;
}

function compile(expression: string, timeZone: string): Compiled {
  const zone = canonicalZone(timeZone);
  if (zone === undefined) return { ok: false, field: "time_zone", problem: "is not a known IANA time zone" };
  const misshapen = shapeProblem(expression);
  if (misshapen !== undefined) return wrongCron(misshapen);
  try {
    // With lists and ranges of hours counted as times of day, `30 2,14 * * *` fires twice on every day of the year.
    const options = { mode: "5-part", timezone: zone, fixedTimeRule: "no-wildcard" } as const;
    return { ok: true, cron: new Cron(expression, options) };
  } catch (error) {
    return wrongCron(describePatternError(error));
  }
}

function wrongCron(problem: string): Extract<ParsedCron, { readonly ok: false }> {
  return { ok: false, field: "cron", problem };
}

/** Croner keeps something for each name it meets, so it gets one per zone, however that is spelled. */
function canonicalZone(timeZone: string): string | undefined {
  // Offsets such as +01:00 are no zones: they know no summer time.
  if (!/^[A-Za-z]/.test(timeZone)) return undefined;
  try {
    return new Intl.DateTimeFormat("en", { timeZone }).resolvedOptions().timeZone;
  } catch {
    return undefined;
  }
}

/** What croner would take for something else than a pattern of five fields: dates, above all. */
function shapeProblem(expression: string): string | undefined {
  const fields = expression.trim().split(/\s+/);
  if (fields.length === 1 && expression.includes("@")) {
    return NICKNAMES.includes(expression.trim().toLowerCase()) ? undefined : `must be one of ${NICKNAMES.join(", ")}`;
  }
  if (fields.length === 5) return expression.includes(":") ? "must not contain a colon" : undefined;
  return "must have five fields (minute, hour, day of month, month, day of week), or be a nickname such as @daily";
}

/** Croner's words, except for numbers out of range: it names them as it counts, from 0. */
function describePatternError(error: unknown): string {
  if (!(error instanceof Error)) return "is not a cron pattern";
  const part = /Invalid value for (\w+)/.exec(error.message)?.[1];
  if (part !== undefined) return `is out of range in its ${FIELD_NAMES[part] ?? part}`;
  return `is not a cron pattern: ${error.message.replace("CronPattern: ", "").replace("Syntax error, ", "")}`;
}

const FIELD_NAMES: Readonly<Record<string, string>> = {
  day: "day of month",
  nearestWeekdays: "day of month",
  dayOfWeek: "day of week",
};
