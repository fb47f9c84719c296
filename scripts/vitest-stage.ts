// Runs vitest and counts by its JSON report.
import { globSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { runInTurn } from "./in-turn.ts";
import { ROOT } from "./processes.ts";

export interface Counts {
  passed: number;
  failed: number;
}

const report = z.object({
  testResults: z.array(z.object({ status: z.string(), assertionResults: z.array(z.object({ status: z.string() })) })),
});

export function hasTests(project: string): boolean {
  return globSync(`test/${project}/**/*.test.ts`, { cwd: ROOT }).length > 0;
}

export async function runVitest(projects: readonly string[]): Promise<Counts> {
  const directory = mkdtempSync(join(tmpdir(), "osa-edge-tests-"));
  const file = join(directory, "report.json");
  const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${file}`];
  try {
    const code = await runInTurn("vitest/vitest.mjs", [
      "run",
      ...projects.flatMap((project) => ["--project", project]),
      ...reporters,
    ]);
    return countTests(readReport(file), code);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** A file that does not load has no tests, and an error outside of all tests is nobody's: each counts as one failed test. */
export function countTests(json: unknown, exitCode: number): Counts {
  const parsed = report.safeParse(json);
  const counts: Counts = { passed: 0, failed: 0 };
  for (const { status, assertionResults } of parsed.data?.testResults ?? []) {
    const failed = assertionResults.filter((test) => test.status === "failed").length;
    counts.passed += assertionResults.filter((test) => test.status === "passed").length;
    counts.failed += failed === 0 && status === "failed" ? 1 : failed;
  }
  if (counts.failed === 0 && (exitCode !== 0 || !parsed.success)) counts.failed = 1;
  return counts;
}

function readReport(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch {
    return undefined;
  }
}
