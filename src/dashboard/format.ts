// Numbers and times in words. One locale: the page's own text is English.

const LOCALE = "en";
const SECOND_MS = 1_000;
const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;

/** A clock that runs: `0:07`, `3:12`, `1:02:05`. Negative times count as none. */
export function runningClock(ms: number): string {
  const { hours, minutes, seconds } = parts(ms);
  const two = (value: number) => String(value).padStart(2, "0");
  return hours > 0 ? `${hours}:${two(minutes)}:${two(seconds)}` : `${minutes}:${two(seconds)}`;
}

/** How long something took: `58s`, `7m 12s`, `1h 2m`; tenths below ten seconds, where they still say something. */
export function duration(ms: number): string {
  if (ms < 0) return "0s";
  if (ms < 10 * SECOND_MS) return `${(Math.round(ms / 100) / 10).toLocaleString(LOCALE)}s`;
  const { hours, minutes, seconds } = parts(ms);
  if (hours > 0) return `${hours}h ${minutes}m`;
  return minutes > 0 ? `${minutes}m ${seconds}s` : `${seconds}s`;
}

/** How old something is, in one unit: `less than a minute`, `12 min`, `3 h`, `2 days`. Rounded down. */
export function age(ms: number): string {
  if (ms < MINUTE_MS) return "less than a minute";
  if (ms < HOUR_MS) return `${Math.floor(ms / MINUTE_MS)} min`;
  return ms < 2 * DAY_MS ? `${Math.floor(ms / HOUR_MS)} h` : `${Math.floor(ms / DAY_MS)} days`;
}

function parts(ms: number) {
  const total = Math.floor(Math.max(0, ms) / SECOND_MS);
  return { hours: Math.floor(total / 3600), minutes: Math.floor(total / 60) % 60, seconds: total % 60 };
}

const relativeTime = new Intl.RelativeTimeFormat(LOCALE, { numeric: "auto" });

/** `now`, `4 minutes ago`, `yesterday`. Nothing younger than ten seconds counts them. */
export function relative(at: number, now: number): string {
  const age = Math.min(0, at - now);
  if (age > -10 * SECOND_MS) return "just now";
  if (age > -MINUTE_MS) return relativeTime.format(Math.round(age / SECOND_MS), "second");
  if (age > -HOUR_MS) return relativeTime.format(Math.round(age / MINUTE_MS), "minute");
  if (age > -DAY_MS) return relativeTime.format(Math.round(age / HOUR_MS), "hour");
  return relativeTime.format(Math.round(age / DAY_MS), "day");
}

const timeFormat = new Intl.DateTimeFormat(LOCALE, { timeStyle: "medium", hourCycle: "h23" });
const dateFormat = new Intl.DateTimeFormat(LOCALE, { day: "numeric", month: "short" });

/** The local time of day, where the day is known from elsewhere. */
export function clockTime(at: number): string {
  return timeFormat.format(at);
}

/** The local time of day, with the date once it is another day: `14:03:22`, `20 Nov, 14:03:22`. */
export function timeOfDay(at: number, now: number): string {
  const isToday = new Date(at).toDateString() === new Date(now).toDateString();
  return isToday ? timeFormat.format(at) : `${dateFormat.format(at)}, ${timeFormat.format(at)}`;
}

export function isoUtc(at: number): string {
  return new Date(at).toISOString();
}

/** A share from 0 to 1. Rounded down, so that nothing just below a threshold looks as if it had reached it. */
export function percent(share: number): string {
  return `${Math.floor(share * 100 + 1e-9)}%`;
}

const listFormat = new Intl.ListFormat(LOCALE, { style: "long", type: "conjunction" });

export function listOf(words: readonly string[]): string {
  return listFormat.format(words);
}

export function plural(count: number, one: string, many: string): string {
  return `${count} ${count === 1 ? one : many}`;
}
