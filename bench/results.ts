// What was measured, kept in bench/results/: a JSON file for each part, and the page that shows them all.
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { cpus, loadavg, totalmem } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { ROOT } from "../scripts/processes.ts";
import type { PartOutcome } from "./measure.ts";
import { type Kept, markdown } from "./report.ts";

const RESULTS = join(ROOT, "bench", "results");

const target = z.object({ is: z.enum(["at least", "at most"]), value: z.number() });
const measure = z.object({
  name: z.string(),
  // JSON has no word for a figure that could not be had.
  value: z
    .number()
    .nullable()
    .transform((value) => value ?? Number.NaN),
  unit: z.string(),
  target: target.exactOptional(),
  note: z.string().exactOptional(),
});
const kept = z.object({
  name: z.string(),
  about: z.string(),
  date: z.string(),
  commit: z.string(),
  seed: z.number(),
  seconds: z.number(),
  machine: z.string(),
  versions: z.string(),
  loadAverage: z.tuple([z.number(), z.number()]),
  measures: z.array(measure),
});

export function keep(result: Kept, details: PartOutcome["details"]): void {
  mkdirSync(RESULTS, { recursive: true });
  writeFileSync(join(RESULTS, `${result.name}.json`), `${JSON.stringify({ ...result, details }, null, 1)}\n`);
}

/** Parts in this order; those that were never measured are left out. */
export function writePage(order: readonly string[]): void {
  const files = readdirSync(RESULTS).filter((name) => name.endsWith(".json"));
  const all = files.map((name) => kept.parse(JSON.parse(readFileSync(join(RESULTS, name), "utf8"))));
  const known = order.flatMap((name) => all.find((result) => result.name === name) ?? []);
  writeFileSync(join(RESULTS, "README.md"), markdown(known));
}

export function machine(): string {
  const gigabytes = Math.round(totalmem() / 2 ** 30);
  return `${cpus().length} cores, ${cpus()[0]?.model.trim() ?? "unknown"}, ${gigabytes} GiB, ${process.platform}`;
}

export function versions(): string {
  const packages = ["wrangler", "miniflare", "workerd"].map((name) => `${name} ${versionOf(name)}`);
  return [`Node ${process.version}`, ...packages].join(", ");
}

function versionOf(name: string): string {
  const text = readFileSync(join(ROOT, "node_modules", name, "package.json"), "utf8");
  return z.object({ version: z.string() }).parse(JSON.parse(text)).version;
}

/** With a plus sign when the tree differs from it. */
export function commit(): string {
  const git = (...args: string[]) =>
    execFileSync("git", ["-C", ROOT, ...args], { encoding: "utf8", stdio: "pipe" }).trim();
  try {
    return `${git("rev-parse", "--short", "HEAD")}${git("status", "--porcelain", "--", "src", "migrations") ? "+" : ""}`;
  } catch {
    return "unknown";
  }
}

export function loadNow(): number {
  return Number((loadavg()[0] ?? 0).toFixed(2));
}
