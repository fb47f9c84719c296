// The long fuzzer of the front doors: `npm run fuzz`. First the signature check by itself, then every address at which
// anybody may knock, on a real Worker with real storage.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { z } from "zod";
import { type Circumstances, markdown, type Outcome, plain } from "./fuzz-report.ts";
import { type Knocked, knockAll } from "./fuzz-requests.ts";
import { type Checked, checkForged, checkGenuine, checkGenuineBodies, type Drawn } from "./fuzz-signatures.ts";
import { type SlowSender, sendSlowly } from "./fuzz-slow.ts";
import { compareStored } from "./fuzz-stored.ts";
import { openTarget } from "./fuzz-target.ts";
import { timeRefusals } from "./fuzz-timing.ts";
import { ROOT } from "./processes.ts";

const USAGE = `npm run fuzz -- [flags]

  --seed <number>      everything that is drawn; the clock chooses one when none is given
  --runs <count>       headers changed by chance (1000000); a twentieth as many genuine ones, a two-hundredth of large bodies
  --requests <count>   requests to the real Worker (a fiftieth of the runs)
  --timings <count>    refusals timed of each kind (20000)
  --keep               keep state and logs when all goes well, too
`;

const { values: flags } = parseArgs({
  options: {
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    runs: { type: "string", default: "1000000" },
    requests: { type: "string" },
    timings: { type: "string", default: "20000" },
    keep: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});

/** Drawn with one seed, before something is said and the next seed is taken. */
const PART = 50_000;

if (flags.help) process.stdout.write(USAGE);
else process.exitCode = await main();

async function main(): Promise<number> {
  const [seed, runs, timings] = [count(flags.seed), count(flags.runs), count(flags.timings)];
  const requests = flags.requests === undefined ? Math.ceil(runs / 50) : count(flags.requests);
  const directory = mkdtempSync(join(tmpdir(), "osa-fuzz-"));
  const startedAt = new Date(Date.now());
  say(`Seed ${seed}; state and logs in ${directory}`);
  const forged = await inParts("headers changed by chance", { seed, runs }, checkForged);
  const written = await inParts("genuine headers", { seed, runs: Math.ceil(runs / 20) }, checkGenuine);
  const bodies = await inParts("genuine bodies", { seed, runs: Math.ceil(runs / 200) }, checkGenuineBodies);
  const timing = await timeRefusals({ seed, times: timings });
  const { knocked, slow, stored, found } = await knock(directory, seed, requests);
  const broken = [forged, written, bodies].flatMap((checked) => checked.broken ?? []);
  const outcome: Outcome = {
    ...{ forged, written, bodies, timing, knocked, slow, stored },
    findings: [...broken, ...knocked.findings, ...slowFindings(slow), ...found],
  };
  const circumstances: Circumstances = {
    ...{ seed, startedAt, durationMs: Date.now() - startedAt.getTime(), versions: versions() },
    machine: `${cpus().length} cores, ${cpus()[0]?.model.trim() ?? "unknown"}, ${process.platform}`,
    repeat: `npm run fuzz -- --seed ${seed} --runs ${runs} --requests ${requests}`,
  };
  say(`\n${plain(outcome, circumstances)}`);
  writeFileSync(join(ROOT, "docs", "results", "fuzz.md"), markdown(outcome, circumstances));
  if (outcome.findings.length === 0) {
    if (!flags.keep) rmSync(directory, { recursive: true, force: true });
    return 0;
  }
  for (const finding of outcome.findings) say(finding);
  say(`\nState and logs are kept in ${directory}. The same again: ${circumstances.repeat}`);
  return 1;
}

/** Part by part, each with the next seed, so that something can be said meanwhile. Ends with the first broken promise. */
async function inParts(
  what: string,
  { seed, runs }: Drawn,
  check: (drawn: Drawn) => Promise<Checked>,
): Promise<Checked> {
  const answers: Record<string, number> = {};
  let done = 0;
  for (let part = 0; done < runs; part++) {
    const checked = await check({ seed: seed + part, runs: Math.min(PART, runs - done) });
    done += checked.runs;
    for (const [answer, times] of Object.entries(checked.answers)) answers[answer] = (answers[answer] ?? 0) + times;
    say(`${what}: ${done}`);
    if (checked.broken !== undefined) return { runs: done, answers, broken: checked.broken };
  }
  return { runs: done, answers, broken: undefined };
}

interface KnockOutcome {
  readonly knocked: Knocked;
  readonly slow: SlowSender[];
  readonly stored: number;
  readonly found: readonly string[];
}

async function knock(stateDirectory: string, seed: number, requests: number): Promise<KnockOutcome> {
  const target = await openTarget(stateDirectory);
  try {
    const slow = sendSlowly(target.url);
    const knocked = await knockAll(target, { seed, requests, say });
    const slowly = await slow;
    await target.stop();
    const { stored, findings } = compareStored(stateDirectory, knocked.accepted);
    return { knocked, slow: slowly, stored, found: findings };
  } finally {
    await target.stop();
  }
}

function slowFindings(slow: readonly SlowSender[]): string[] {
  const late = slow.filter(({ status }) => status < 400 || status >= 500);
  return late.map(({ what, status, afterMs }) => `${what}: ${status} after ${afterMs} ms`);
}

function count(text: string): number {
  const parsed = Number(text);
  if (!Number.isInteger(parsed) || parsed < 0) throw new TypeError(`${text} is no count`);
  return parsed;
}

function versions(): string {
  const packages = ["wrangler", "workerd", "stripe", "standardwebhooks", "fast-check"];
  return [`Node ${process.version}`, ...packages.map((name) => `${name} ${versionOf(name)}`)].join(", ");
}

function versionOf(name: string): string {
  const text = readFileSync(join(ROOT, "node_modules", name, "package.json"), "utf8");
  return z.object({ version: z.string() }).parse(JSON.parse(text)).version;
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
