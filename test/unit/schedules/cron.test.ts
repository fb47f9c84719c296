// When a pattern fires, above all where the clock changes, and which patterns and zones are refused.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { firingsBetween, latestFirings, nextFiring, parseCron, upcomingFirings } from "../../../src/schedules/cron.ts";

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;

const at = (utc: string) => Date.parse(utc);
const utc = (ms: number) => new Date(ms).toISOString().replace(":00.000Z", "Z");

/** The firings on the days around a time, as UTC. */
function around(expression: string, zone: string, time: string, days = 1): string[] {
  return firingsBetween(expression, zone, at(time) - days * DAY_MS, at(time) + days * DAY_MS, 1_000).map(utc);
}

describe("a pattern is accepted", () => {
  test.for([
    "* * * * *",
    "*/5 8-17 * * MON-FRI",
    "0 3,15 1 JAN,jul *",
    "0 0 * * 7",
    "  30   6 * * 1 ",
    "0 9 L * *",
    "0 9 * * FRI#2",
    "0 0 29 2 *",
    "@hourly",
    "@Daily",
    "@midnight",
    "@weekly",
    "@monthly",
    "@yearly",
    "@annually",
  ])("%s", (expression) => {
    expect(parseCron(expression, "UTC")).toEqual({ ok: true });
    expect(nextFiring(expression, "UTC", at("2026-05-01T00:00Z"))).not.toBeNull();
  });
});

describe("a pattern is refused", () => {
  test.for([
    ["with seconds", "0 * * * * *", /^must have five fields/],
    ["with seconds and a year", "0 0 0 1 1 * 2030", /^must have five fields/],
    ["with four fields", "* * * *", /^must have five fields/],
    ["when empty", "", /^must have five fields/],
    ["that is a date", "2030-01-01T00:00:00Z", /^must have five fields/],
    ["that begins like a date", "12:30 * * * *", /colon/],
    ["with an unknown nickname", "@every5m", /^must be one of @yearly/],
    ["that waits for a restart", "@reboot", /^must be one of @yearly/],
    ["with a word that is no day", "0 0 * * someday", /^is not a cron pattern: /],
    ["with a step from a number", "5/5 * * * *", /stepping/],
    ["with a minute too many", "60 * * * *", /^is out of range in its minute$/],
    ["with an hour too many", "0 24 * * *", /^is out of range in its hour$/],
    ["with a 32nd day", "0 0 32 * *", /^is out of range in its day of month$/],
    ["with an eighth weekday", "0 0 * * 8", /^is out of range in its day of week$/],
    ["for 31 February", "0 0 31 2 *", /^never fires$/],
    ["for the 31st of short months", "0 0 31 2,4,6,9,11 *", /^never fires$/],
    ["for a fifth Monday that is the first", "0 0 1 * +MON#5", /^never fires$/],
  ] as const)("%s", ([, expression, problem]) => {
    expect(parseCron(expression, "UTC")).toEqual({ ok: false, field: "cron", problem: expect.stringMatching(problem) });
    expect(nextFiring(expression, "UTC", at("2026-05-01T00:00Z"))).toBeNull();
    expect(upcomingFirings(expression, "UTC", at("2026-05-01T00:00Z"), 5)).toEqual([]);
    expect(firingsBetween(expression, "UTC", at("2026-05-01T00:00Z"), at("2030-05-01T00:00Z"), 5)).toEqual([]);
    expect(latestFirings(expression, "UTC", at("2026-05-01T00:00Z"), at("2030-05-01T00:00Z"), 5)).toEqual([]);
  });

  test("when a clock change always takes its times away, in that zone alone", () => {
    const onlyInTheGap = "*/15 2 * 3 SUNL";
    expect(parseCron(onlyInTheGap, "Europe/Prague")).toEqual({ ok: false, field: "cron", problem: "never fires" });
    expect(parseCron(onlyInTheGap, "UTC")).toEqual({ ok: true });
  });
});

describe("a time zone", () => {
  test.for(["UTC", "Europe/Prague", "europe/prague", "America/New_York", "Etc/GMT+5", "Asia/Kolkata"])(
    "is known: %s",
    (zone) => expect(parseCron("0 0 * * *", zone)).toEqual({ ok: true }),
  );

  test.for(["", "Mars/Olympus", "+01:00", "UTC+1", "local", " UTC", "Europe/Prague; DROP"])(
    "is unknown: '%s'",
    (zone) => {
      const refused = { ok: false, field: "time_zone", problem: "is not a known IANA time zone" };
      expect(parseCron("0 0 * * *", zone)).toEqual(refused);
      expect(parseCron("not a pattern", zone)).toEqual(refused);
      expect(nextFiring("0 0 * * *", zone, 0)).toBeNull();
    },
  );

  test("decides when a day begins", () => {
    const after = at("2026-07-01T12:00Z");
    const midnight = (zone: string) => utc(nextFiring("@daily", zone, after) ?? 0);
    expect(["UTC", "Europe/Prague", "America/New_York", "Asia/Kolkata"].map(midnight)).toEqual([
      "2026-07-02T00:00Z",
      "2026-07-01T22:00Z",
      "2026-07-02T04:00Z",
      "2026-07-01T18:30Z",
    ]);
  });
});

describe("the next firing", () => {
  test("is after the given time, never at it", () => {
    expect(nextFiring("0 12 * * *", "UTC", at("2026-05-01T12:00:00Z"))).toBe(at("2026-05-02T12:00Z"));
    expect(nextFiring("0 12 * * *", "UTC", at("2026-05-01T11:59:59.999Z"))).toBe(at("2026-05-01T12:00Z"));
    expect(nextFiring("0 12 * * *", "UTC", at("2026-05-01T12:00:00.001Z"))).toBe(at("2026-05-02T12:00Z"));
  });

  test("can be years away", () => {
    expect(nextFiring("0 0 29 2 *", "UTC", at("2028-02-29T00:00Z"))).toBe(at("2032-02-29T00:00Z"));
  });

  test("is on the day of month or the day of week when both are named, and on both after a plus", () => {
    expect(upcomingFirings("0 0 13 * FRI", "UTC", at("2026-11-01T00:00Z"), 3).map(utc)).toEqual([
      "2026-11-06T00:00Z",
      "2026-11-13T00:00Z",
      "2026-11-20T00:00Z",
    ]);
    expect(upcomingFirings("0 0 13 * +FRI", "UTC", at("2026-11-01T00:00Z"), 2).map(utc)).toEqual([
      "2026-11-13T00:00Z",
      "2027-08-13T00:00Z",
    ]);
  });
});

describe("when the clock goes forward", () => {
  const PRAGUE = ["Europe/Prague", "2026-03-29T01:00Z"] as const;
  const NEW_YORK = ["America/New_York", "2026-03-08T07:00Z"] as const;

  test("a daily time that is left out fires right after the change", () => {
    expect(around("30 2 * * *", ...PRAGUE)).toEqual(["2026-03-28T01:30Z", "2026-03-29T01:00Z", "2026-03-30T00:30Z"]);
    expect(around("30 2 * * *", ...NEW_YORK)).toEqual(["2026-03-07T07:30Z", "2026-03-08T07:00Z", "2026-03-09T06:30Z"]);
  });

  test("so does one of several times of day", () => {
    expect(around("30 2,14 * * *", ...PRAGUE)).toEqual([
      "2026-03-28T01:30Z",
      "2026-03-28T13:30Z",
      "2026-03-29T01:00Z",
      "2026-03-29T12:30Z",
      "2026-03-30T00:30Z",
    ]);
  });

  test("times that are left out and the one after the change are one firing", () => {
    expect(around("0,30 2-3 * * *", ...PRAGUE, 0.25)).toEqual(["2026-03-29T01:00Z", "2026-03-29T01:30Z"]);
  });

  test("daily times after it are an hour earlier in UTC", () => {
    expect(around("0 9 * * *", ...PRAGUE)).toEqual(["2026-03-28T08:00Z", "2026-03-29T07:00Z"]);
    expect(around("0 9 * * *", ...NEW_YORK)).toEqual(["2026-03-07T14:00Z", "2026-03-08T13:00Z"]);
  });

  test("what fires every half hour goes on every half hour", () => {
    expect(around("*/30 * * * *", ...PRAGUE, 1 / 24)).toEqual([
      "2026-03-29T00:30Z",
      "2026-03-29T01:00Z",
      "2026-03-29T01:30Z",
      "2026-03-29T02:00Z",
    ]);
  });
});

describe("when the clock goes back", () => {
  const PRAGUE = ["Europe/Prague", "2026-10-25T01:00Z"] as const;
  const NEW_YORK = ["America/New_York", "2026-11-01T06:00Z"] as const;

  test("a daily time that comes twice fires the first time only", () => {
    expect(around("30 2 * * *", ...PRAGUE, 1.1)).toEqual([
      "2026-10-24T00:30Z",
      "2026-10-25T00:30Z",
      "2026-10-26T01:30Z",
    ]);
    expect(around("30 1 * * *", ...NEW_YORK, 1.1)).toEqual([
      "2026-10-31T05:30Z",
      "2026-11-01T05:30Z",
      "2026-11-02T06:30Z",
    ]);
  });

  test("so does one of several times of day", () => {
    expect(around("30 2,14 * * *", ...PRAGUE, 0.75)).toEqual([
      "2026-10-24T12:30Z",
      "2026-10-25T00:30Z",
      "2026-10-25T13:30Z",
    ]);
  });

  test("it does not fire again for whoever asks between the two", () => {
    expect(nextFiring("30 2 * * *", "Europe/Prague", at("2026-10-25T01:10Z"))).toBe(at("2026-10-26T01:30Z"));
  });

  test("what fires every half hour goes on every half hour", () => {
    expect(around("*/30 * * * *", ...PRAGUE, 1 / 24)).toEqual([
      "2026-10-25T00:30Z",
      "2026-10-25T01:00Z",
      "2026-10-25T01:30Z",
      "2026-10-25T02:00Z",
    ]);
    expect(around("*/30 * * * *", ...NEW_YORK, 1 / 24)).toHaveLength(4);
  });
});

describe("firings between two times", () => {
  const ALL = [at("2026-05-01T01:00Z"), at("2026-05-01T02:00Z"), at("2026-05-01T03:00Z")];
  const between = (after: string, until: string, limit = 10) =>
    firingsBetween("@hourly", "UTC", at(after), at(until), limit);

  test("are after the first and up to and including the second", () => {
    expect(between("2026-05-01T00:00Z", "2026-05-01T03:00Z")).toEqual(ALL);
    expect(between("2026-05-01T00:59:59.999Z", "2026-05-01T03:00Z")).toEqual(ALL);
    expect(between("2026-05-01T01:00Z", "2026-05-01T02:59:59.999Z")).toEqual([ALL[1]]);
    expect(between("2026-05-01T01:00Z", "2026-05-01T01:59Z")).toEqual([]);
    expect(between("2026-05-01T03:00Z", "2026-05-01T01:00Z")).toEqual([]);
  });

  test("are the earliest ones up to a limit, or the latest ones when asked for these", () => {
    expect(between("2026-05-01T00:00Z", "2026-05-01T03:00Z", 2)).toEqual(ALL.slice(0, 2));
    expect(between("2026-05-01T00:00Z", "2026-05-01T03:00Z", 0)).toEqual([]);
    expect(latestFirings("@hourly", "UTC", at("2026-05-01T00:00Z"), at("2026-05-01T03:00Z"), 2)).toEqual(ALL.slice(1));
  });
});

describe("at any time, in any zone", () => {
  const zone = fc.constantFrom(
    "Europe/Prague",
    "America/New_York",
    "America/Santiago",
    "Australia/Lord_Howe",
    "Asia/Kolkata",
    "UTC",
  );
  const expression = fc
    .tuple(
      fc.constantFrom("*", "0", "30", "*/15", "0,45", "10-20"),
      fc.constantFrom("*", "2", "1-3", "0", "2,14", "*/2"),
      fc.constantFrom("*", "1", "25-31", "L"),
      fc.constantFrom("*", "3,4", "9-11"),
      fc.constantFrom("*", "SUN", "MON-FRI", "SUNL"),
    )
    .map((fields) => fields.join(" "));
  const time = fc.integer({ min: at("2024-01-01T00:00Z"), max: at("2028-01-01T00:00Z") });

  test("the list of upcoming firings is what asking one by one gives, and rises", () => {
    fc.assert(
      fc.property(expression, zone, time, (pattern, name, after) => {
        const upcoming = upcomingFirings(pattern, name, after, 6);
        const oneByOne = [after, ...upcoming.slice(0, -1)].map((ms) => nextFiring(pattern, name, ms));
        expect(oneByOne).toEqual(upcoming);
        expect(upcoming.every((ms, index) => ms > (upcoming[index - 1] ?? after))).toBe(true);
      }),
    );
  });

  test("looking back finds what looking forward finds", () => {
    fc.assert(
      fc.property(expression, zone, time, (pattern, name, after) => {
        const upcoming = upcomingFirings(pattern, name, after, 8);
        const until = upcoming.at(-1) ?? after;
        expect(firingsBetween(pattern, name, after, until, 100)).toEqual(upcoming);
        expect(latestFirings(pattern, name, after, until, 100)).toEqual(upcoming);
        expect(latestFirings(pattern, name, after, until, 3)).toEqual(upcoming.slice(-3));
      }),
    );
  });

  test("a pattern with a step fires at each minute at which the local clock shows it, clock changes included", () => {
    const change = fc.constantFrom(
      ["Europe/Prague", "2026-03-29T01:00Z"] as const,
      ["Europe/Prague", "2026-10-25T01:00Z"] as const,
      ["America/New_York", "2026-03-08T07:00Z"] as const,
      ["America/New_York", "2026-11-01T06:00Z"] as const,
    );
    fc.assert(
      fc.property(
        change,
        fc.integer({ min: 2, max: 59 }),
        fc.integer({ min: 0, max: 4 }),
        ([name, day], step, hour) => {
          const start = at(day) - 6 * 60 * MINUTE_MS;
          const clock = new Intl.DateTimeFormat("en-GB", { timeZone: name, timeStyle: "short" });
          const shown = Array.from({ length: 12 * 60 }, (_, index) => start + index * MINUTE_MS).filter((ms) => {
            const [hours, minutes] = clock.format(ms).split(":").map(Number);
            return hours === hour && Number(minutes) % step === 0;
          });
          const until = start + 12 * 60 * MINUTE_MS - 1;
          expect(firingsBetween(`*/${step} ${hour} * * *`, name, start - 1, until, 1_000)).toEqual(shown);
        },
      ),
    );
  });
});
