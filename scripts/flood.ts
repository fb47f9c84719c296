// The flood: `npm run flood`. As many signed events as a machine can send, the Worker killed with kill -9 in between, and
// then every promise that was made about them held against what is stored; then signed events beside unsigned ones.
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { machine, versions } from "../bench/results.ts";
import type { Finding } from "./flood-accounts.ts";
import { type Circumstances, circumstanceRows, floodRows, markdown, plain, unsignedRows } from "./flood-report.ts";
import { runFlood } from "./flood-run.ts";
import { runUnsigned } from "./flood-unsigned.ts";
import { ROOT } from "./processes.ts";

/** In memory where there is such a place: a kill leaves what was written there as well, and it is about the code. */
const DEFAULT_STATE = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();

const USAGE = `npm run flood -- [flags]

  --events <count>       signed events (100000)
  --kills <count>        kill -9 of the Worker meanwhile (10)
  --connections <count>  kept alive, with one request under way each (64)
  --seed <number>        everything that is drawn; the clock chooses one when none is given
  --unsigned             only the second part: signed events beside a flood of unsigned requests; nothing is kept
  --seconds <count>      each half of the second part (30)
  --state <folder>       where the Worker keeps its files (${DEFAULT_STATE})
  --keep                 keep state and logs when all goes well, too
`;

const { values: flags } = parseArgs({
  options: {
    events: { type: "string", default: "100000" },
    kills: { type: "string", default: "10" },
    connections: { type: "string", default: "64" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    unsigned: { type: "boolean", default: false },
    seconds: { type: "string", default: "30" },
    state: { type: "string", default: DEFAULT_STATE },
    keep: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});

if (flags.help) process.stdout.write(USAGE);
else process.exitCode = await main();

async function main(): Promise<number> {
  const [seed, events, kills] = [count(flags.seed), count(flags.events), count(flags.kills)];
  const [connections, seconds] = [count(flags.connections), count(flags.seconds)];
  const directory = mkdtempSync(join(flags.state, "osa-flood-"));
  const startedAt = new Date(Date.now());
  say(`Seed ${seed}; state and logs in ${directory}`);
  const common = { seed, connections, say };
  const flood = flags.unsigned
    ? undefined
    : await runFlood({
        ...common,
        events,
        kills,
        killsWhileTelling: true,
        withForeign: true,
        directory: part(directory, "signed"),
      });
  if (flood !== undefined) say(`\n${plain(floodRows(flood))}\n`);
  const unsigned = await runUnsigned({ ...common, seconds, directory: part(directory, "unsigned") });
  say(`\n${plain(unsignedRows(unsigned))}\n`);
  const parts = flags.unsigned ? `--unsigned` : `--events ${events} --kills ${kills}`;
  const circumstances: Circumstances = {
    ...{ seed, connections, startedAt, durationMs: Date.now() - startedAt.getTime() },
    ...{ versions: versions(), machine: `${machine()}, state in ${flags.state}` },
    repeat: `npm run flood -- --seed ${seed} ${parts} --connections ${connections} --seconds ${seconds}`,
  };
  say(plain(circumstanceRows(circumstances)));
  if (flood !== undefined) {
    writeFileSync(join(ROOT, "docs", "results", "flood.md"), markdown(flood, unsigned, circumstances));
  }
  return close([...(flood?.findings ?? []), ...unsigned.findings], directory, circumstances);
}

function close(findings: readonly Finding[], directory: string, { repeat }: Circumstances): number {
  if (findings.length === 0) {
    if (!flags.keep) rmSync(directory, { recursive: true, force: true });
    return 0;
  }
  for (const { check, about, what } of findings) say(`${check}: ${about}: ${what}`);
  say(`\nState and logs are kept in ${directory}. The same again: ${repeat}`);
  return 1;
}

function part(directory: string, name: string): string {
  const path = join(directory, name);
  mkdirSync(path);
  return path;
}

function count(text: string): number {
  const parsed = Number(text);
  if (!Number.isInteger(parsed) || parsed < 0) throw new TypeError(`${text} is no count`);
  return parsed;
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
