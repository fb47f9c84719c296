// Every check and every test, stage by stage; a stage that fails does not stop the next. Names as arguments choose stages.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { runInTurn, wasInterrupted } from "./in-turn.ts";
import { ROOT } from "./processes.ts";
import { type Counts, hasTests, runVitest } from "./vitest-stage.ts";

/** Projects of one line share one vitest; the others need both cores for themselves. */
const VITEST_STAGES = [["unit", "worker", "simulator", "dashboard"], ["front-door"], ["browser"], ["chaos"]];
const TYPE_PROJECTS = [".", "src/dashboard", "simulator", "scripts", "bench", "test", "test/unit"];

interface Stage {
  readonly names: readonly string[];
  readonly run: () => Promise<Counts>;
}

const chosen = process.argv.slice(2);
const known = ["types", "lint", ...VITEST_STAGES.flat()];
const unknown = chosen.filter((name) => !known.includes(name));
if (unknown.length > 0) {
  process.stderr.write(`There is no stage ${unknown.join(", ")}; choose from ${known.join(", ")}.\n`);
  process.exit(1);
}

const summary: string[] = [];
const total: Counts = { passed: 0, failed: 0 };
for (const { names, run } of stages((name) => chosen.length === 0 || chosen.includes(name))) {
  const title = names.join(", ");
  process.stdout.write(`\n== ${title}\n`);
  const begin = performance.now();
  const { passed, failed } = await run();
  if (wasInterrupted()) process.exit(130);
  const seconds = ((performance.now() - begin) / 1000).toFixed(1);
  const line = `${title}: ${passed} passed, ${failed} failed, ${seconds} s`;
  process.stdout.write(`${line}\n`);
  summary.push(line);
  total.passed += passed;
  total.failed += failed;
}
process.stdout.write(`\n${summary.join("\n")}\n\n${total.passed} passed, ${total.failed} failed\n`);
process.exit(total.failed === 0 ? 0 : 1);

function stages(isChosen: (name: string) => boolean): Stage[] {
  const checks: Stage[] = [
    { names: ["types"], run: checkTypes },
    { names: ["lint"], run: async () => asOneTest((await runInTurn("@biomejs/biome/bin/biome", ["ci", "."])) === 0) },
  ];
  const tests = VITEST_STAGES.map((projects): Stage => {
    const names = projects.filter((name) => isChosen(name) && hasTests(name));
    return { names, run: () => runVitest(names) };
  });
  return [...checks.filter(({ names }) => names.every(isChosen)), ...tests.filter(({ names }) => names.length > 0)];
}

async function checkTypes(): Promise<Counts> {
  let isClean = true;
  for (const project of TYPE_PROJECTS) {
    if (!existsSync(join(ROOT, project, "tsconfig.json"))) continue;
    const code = await runInTurn("typescript/bin/tsc", ["-p", project]);
    if (code !== 0) isClean = false;
  }
  return asOneTest(isClean);
}

function asOneTest(isPassed: boolean): Counts {
  return isPassed ? { passed: 1, failed: 0 } : { passed: 0, failed: 1 };
}
