// The long crash test: `npm run chaos -- --runs 10 --kills 4 --seed 7`. Runs the same test as `npm test`, for longer, and
// keeps its result with the seed that repeats it.
import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { ROOT } from "./processes.ts";

const { values } = parseArgs({
  options: {
    runs: { type: "string", default: "10" },
    kills: { type: "string", default: "4" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
  },
});

const startedAt = Date.now();
const vitest = spawn("vitest", ["run", "--project", "chaos"], {
  cwd: ROOT,
  stdio: "inherit",
  env: { ...process.env, CHAOS_RUNS: values.runs, CHAOS_KILLS: values.kills, CHAOS_SEED: values.seed },
});
vitest.once("exit", (code) => {
  const seconds = Math.round((Date.now() - startedAt) / 1000);
  const verdict = code === 0 ? "passed" : "failed";
  writeFileSync(
    join(ROOT, "docs", "results", "chaos.md"),
    `# Last run of \`npm run chaos\`

| | |
|---|---|
| verdict | ${verdict} |
| force syncs | ${values.runs} |
| \`kill -9\` of the Worker during each | ${values.kills} |
| seed | ${values.seed} |
| took | ${seconds} s |
| when | ${new Date(startedAt).toISOString()} |
| machine | ${cpus().length} cores, ${process.platform}, Node ${process.version} |

Checked for every run: it completed with nine completed agents; every delivery the simulator was told "yes" to is in the run's log exactly once; each agent's result counts once; OPAL ran one workflow; D1 holds the same log without a gap or a repeat.
`,
  );
  process.exitCode = code ?? 1;
});
