// What may be sent to create and to change a schedule, and where a refusal points.
import { describe, expect, test } from "vitest";
import { scheduleBody, scheduleChange } from "../../../src/schedules/schema.ts";

const BODY = { name: "Nightly", cron: "0 3 * * *" };

/** Where the problems are, as paths. */
function problems(schema: typeof scheduleBody | typeof scheduleChange, sent: unknown): string[] {
  return schema.safeParse(sent).error?.issues.map((issue) => issue.path.join("/")) ?? [];
}

describe("creating", () => {
  test("needs a name and a pattern; the rest has defaults", () => {
    expect(scheduleBody.parse({ ...BODY, name: "  Nightly " })).toEqual({
      ...BODY,
      time_zone: "UTC",
      sync_scope: "quick",
      on_busy: "skip",
    });
  });

  test("takes all fields", () => {
    const whole = {
      ...BODY,
      time_zone: "Europe/Prague",
      sync_scope: "full",
      agent_filter: ["geo_audit", "content-review"],
      client_context: { client_name: "Acme", industry: "Retail" },
      on_busy: "queue",
    };
    expect(scheduleBody.parse(whole)).toEqual(whole);
  });

  test.for([
    ["name", { name: " " }],
    ["name", { name: "x".repeat(101) }],
    ["cron", { cron: "" }],
    ["cron", { cron: "0 0 3 * * *" }],
    ["cron", { cron: "0 0 31 2 *" }],
    ["cron", { cron: "0 3 * * *".padEnd(201, ",1") }],
    ["time_zone", { time_zone: "" }],
    ["time_zone", { time_zone: "Mars/Olympus" }],
    ["time_zone", { cron: "nonsense", time_zone: "+01:00" }],
    ["sync_scope", { sync_scope: "everything" }],
    ["agent_filter", { agent_filter: [] }],
    ["agent_filter", { agent_filter: Array.from({ length: 10 }, () => "geo_audit") }],
    ["agent_filter/0", { agent_filter: [1] }],
    ["client_context", { client_context: { client_nam: "Acme" } }],
    ["on_busy", { on_busy: "wait" }],
    ["", { crom: "typo" }],
    ["", { paused: true }],
  ] as const)("points at %s for %o", ([pointer, fields]) => {
    expect(problems(scheduleBody, { ...BODY, ...fields })).toEqual([pointer]);
  });
});

describe("changing", () => {
  test("touches only what it names", () => {
    expect(scheduleChange.parse({ paused: true })).toEqual({ paused: true });
    expect(scheduleChange.parse({ name: "Weekly", cron: "@weekly" })).toEqual({ name: "Weekly", cron: "@weekly" });
    expect(scheduleChange.parse({ time_zone: "Asia/Kolkata", paused: false })).toEqual({
      time_zone: "Asia/Kolkata",
      paused: false,
    });
  });

  test.for([
    ["", {}],
    ["", { id: "another" }],
    ["paused", { paused: "yes" }],
    ["cron", { cron: "* * * * * *" }],
    ["time_zone", { time_zone: "Nowhere" }],
    ["cron", { cron: "*/15 2 * 3 SUNL", time_zone: "Europe/Prague" }],
  ] as const)("points at '%s' for %o", ([pointer, sent]) => {
    expect(problems(scheduleChange, sent)).toEqual([pointer]);
  });
});
