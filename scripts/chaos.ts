// The long crash test: `npm run chaos`. Real processes, real storage, every fault the simulator knows, the Worker
// killed with kill -9 again and again; then everything that was promised is compared with everything that is there.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { z } from "zod";
import { type Circumstances, markdown, plain } from "./chaos-report.ts";
import { runChaos } from "./chaos-run.ts";
import { ROOT } from "./processes.ts";

const USAGE = `npm run chaos -- [flags]

  --runs <count>      scenarios, each with a run or more (200)
  --seed <number>     everything that is drawn; the clock chooses one when none is given
  --lanes <count>     stacks side by side (2); a seed is repeated with the same number of them
  --only <numbers>    these scenarios of the seed, such as 17 or 3,17
  --batch <count>     scenarios of one stack between two judgements (20)
  --keep              keep state and logs when all goes well, too
`;

const { values: flags } = parseArgs({
  options: {
    runs: { type: "string", default: "200" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    lanes: { type: "string", default: "2" },
    only: { type: "string" },
    batch: { type: "string", default: "20" },
    keep: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});

if (flags.help) process.stdout.write(USAGE);
else process.exitCode = await main();

async function main(): Promise<number> {
  const [seed, lanes, batch] = [number(flags.seed), number(flags.lanes), number(flags.batch)];
  const scenarios = flags.only
    ? flags.only.split(",").map(number)
    : Array.from({ length: number(flags.runs) }, (_, index) => index + 1);
  const directory = mkdtempSync(join(tmpdir(), "osa-chaos-"));
  const startedAt = new Date(Date.now());
  say(`Seed ${seed}; state and logs in ${directory}`);
  const outcome = await runChaos({ seed, scenarios, lanes, batch, directory, say, points: !flags.only });
  const which = flags.only ? `--only ${flags.only}` : `--runs ${flags.runs}`;
  const circumstances: Circumstances = {
    ...{ seed, lanes, startedAt, scenarios: scenarios.length },
    durationMs: Date.now() - startedAt.getTime(),
    versions: versions(),
    machine: `${cpus().length} cores, ${cpus()[0]?.model.trim() ?? "unknown"}, ${process.platform}`,
    repeat: `npm run chaos -- --seed ${seed} --lanes ${lanes} ${which}`,
  };
  say(`\n${plain(outcome, circumstances)}`);
  // A part of a test is no result to keep.
  if (!flags.only) writeFileSync(join(ROOT, "docs", "results", "chaos.md"), markdown(outcome, circumstances));
  if (outcome.findings.length === 0) {
    if (!flags.keep) rmSync(directory, { recursive: true, force: true });
    return 0;
  }
  for (const { check, about, what } of outcome.findings) say(`${check}: ${about}: ${what}`);
  say(`\nState, logs and what was found are kept in ${directory}. The same again: ${circumstances.repeat}`);
  return 1;
}

function number(text: string): number {
  const parsed = Number(text);
  if (!Number.isInteger(parsed) || parsed < 0)
    throw new TypeError(`${text} is no number of the kind that is asked for`);
  return parsed;
}

function versions(): string {
  const packages = ["wrangler", "workerd"].map((name) => `${name} ${versionOf(name)}`);
  return [`Node ${process.version}`, ...packages].join(", ");
}

function versionOf(name: string): string {
  const text = readFileSync(join(ROOT, "node_modules", name, "package.json"), "utf8");
  return z.object({ version: z.string() }).parse(JSON.parse(text)).version;
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
