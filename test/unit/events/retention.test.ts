// The night's work is done at the time for which the platform calls.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

const ROOT = join(import.meta.dirname, "../../..");

test("the platform calls at the very time by which the Worker knows the night", () => {
  const crons = /crons = \[(.*)\]/.exec(readFileSync(join(ROOT, "wrangler.toml"), "utf8"))?.[1];
  const source = readFileSync(join(ROOT, "src/events/retention.ts"), "utf8");
  const night = /RETENTION_CRON = ("[^"]+")/.exec(source)?.[1];
  expect(crons?.split(", ")).toEqual(['"* * * * *"', night]);
});
