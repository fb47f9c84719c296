// The benchmark: `npm run bench`. Measures and prints, with the target beside each figure; it judges nothing.
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { startLoad } from "./load/load.ts";
import type { Bench, Part } from "./measure.ts";
import { startOpal } from "./opal.ts";
import { burst } from "./parts/burst.ts";
import { growth } from "./parts/growth.ts";
import { ingest } from "./parts/ingest.ts";
import { live } from "./parts/live.ts";
import { million } from "./parts/million.ts";
import { rows } from "./parts/rows.ts";
import { sockets } from "./parts/sockets.ts";
import { status } from "./parts/status.ts";
import { plain } from "./report.ts";
import { commit, keep, loadNow, machine, versions, writePage } from "./results.ts";
import { startFloor, startProduct } from "./stack.ts";

/** Measured when nothing is chosen. */
const PARTS: readonly Part[] = [ingest, status, live, sockets, rows, growth, burst];
const ALL: readonly Part[] = [...PARTS, million];

/** In memory where there is such a place, so that the figures are those of the code and not of this disk. */
const DEFAULT_STATE = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();

const USAGE = `npm run bench -- [flags]

  --only <parts>   of ${ALL.map(({ name }) => name).join(", ")}; several separated by commas
  --million        the event store with a million events, and nothing else
  --quick          less of everything; nothing is kept
  --seed <number>  what the webhooks say (1)
  --state <folder> where D1 and the objects keep their files (${DEFAULT_STATE})
`;

const { values: flags } = parseArgs({
  options: {
    only: { type: "string" },
    million: { type: "boolean", default: false },
    quick: { type: "boolean", default: false },
    seed: { type: "string", default: "1" },
    state: { type: "string", default: DEFAULT_STATE },
    help: { type: "boolean", default: false },
  },
});

if (flags.help) process.stdout.write(USAGE);
else await main();

async function main(): Promise<void> {
  const standard = flags.million ? [million] : PARTS;
  const chosen = flags.only?.split(",") ?? standard.map(({ name }) => name);
  const unknown = chosen.filter((name) => !ALL.some((part) => part.name === name));
  if (unknown.length > 0) throw new TypeError(`There is no part ${unknown.join(", ")}.\n\n${USAGE}`);
  const directory = mkdtempSync(join(flags.state, "osa-bench-"));
  const opal = await startOpal();
  const load = startLoad();
  const place = { directory, opalUrl: opal.url };
  const product = await startProduct(place);
  const floor = await startFloor(place);
  const bench = { product, floor, load, seed: Number(flags.seed), isQuick: flags.quick, say };
  try {
    for (const part of ALL.filter(({ name }) => chosen.includes(name))) await measurePart(bench, part);
  } finally {
    await Promise.all([product.stop(), floor.stop(), load.stop(), opal.stop()]);
    rmSync(directory, { recursive: true, force: true });
  }
}

async function measurePart(bench: Bench, part: Part): Promise<void> {
  const { name, about } = part;
  const [before, begin, date] = [loadNow(), performance.now(), new Date().toISOString()];
  const { measures, details } = await part.measure(bench);
  const seconds = Math.round((performance.now() - begin) / 1000);
  say(`\n${plain({ name, about, measures })}`);
  if (bench.isQuick) return;
  const circumstances = {
    date,
    commit: commit(),
    seed: bench.seed,
    seconds,
    machine: `${machine()}, state in ${flags.state}`,
    versions: versions(),
  };
  keep({ name, about, ...circumstances, loadAverage: [before, loadNow()], measures }, details);
  writePage(ALL.map((known) => known.name));
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
