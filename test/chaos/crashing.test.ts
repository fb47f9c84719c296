// A short crash test with real processes: the Worker dies by kill -9 at the worst points of a trigger, and in the
// middle of scenarios with faults of every side. `npm run chaos` is the long one.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { CRASH_POINTS } from "../../scripts/chaos-points.ts";
import { type Outcome, runChaos } from "../../scripts/chaos-run.ts";

const SEED = 20_261_121;
/** Even numbers go to the second lane, beside the crash points in the first. */
const SCENARIOS = [2, 4, 6, 8];
const LIMIT_MS = 300_000;

describe(`a Worker that is killed again and again (seed ${SEED})`, () => {
  let outcome: Outcome;

  beforeAll(async () => {
    const directory = mkdtempSync(join(tmpdir(), "osa-chaos-"));
    const said: string[] = [];
    outcome = await runChaos({
      ...{ seed: SEED, scenarios: SCENARIOS, lanes: 2, points: true, batch: SCENARIOS.length, directory },
      say: (line) => void said.push(line),
    });
    if (outcome.findings.length === 0) rmSync(directory, { recursive: true, force: true });
    else process.stdout.write(`${said.join("\n")}\nState, logs and what was found are kept in ${directory}.\n`);
  }, LIMIT_MS);

  test("no promise is broken", () => {
    expect(outcome.findings).toEqual([]);
  });

  test("runs took place, and the Worker was killed while they did", () => {
    expect(outcome.counts.runs).toBeGreaterThanOrEqual(SCENARIOS.length + CRASH_POINTS.length);
    expect(outcome.kills).toBeGreaterThanOrEqual(CRASH_POINTS.length);
    expect(outcome.counts.eventsAccepted).toBeGreaterThan(0);
  });

  test.each(CRASH_POINTS.map(({ name }) => name))("when %s, a crash costs nothing: the run completes once", (name) => {
    const point = outcome.points.find((played) => played.name === name);
    expect(point).toMatchObject({ isMet: true, state: "completed", workflows: 1 });
  });
});
