// The Worker dies by kill -9 in the middle of runs, with real processes and real storage.
import { beforeAll, describe, expect, test } from "vitest";
import { killLoop, type RunLedger } from "../support/node/kill-loop.ts";

const SEED = Number(process.env.CHAOS_SEED ?? 20_261_121);
const RUNS = Number(process.env.CHAOS_RUNS ?? 2);
const KILLS_PER_RUN = Number(process.env.CHAOS_KILLS ?? 2);

describe(`force syncs whose Worker is killed ${KILLS_PER_RUN} times each (seed ${SEED})`, () => {
  let ledgers: readonly RunLedger[];

  beforeAll(
    async () => {
      ledgers = await killLoop({
        seed: SEED,
        runs: RUNS,
        killsPerRun: KILLS_PER_RUN,
        say: (line) => process.stdout.write(`${line}\n`),
      });
    },
    60_000 + RUNS * (60_000 + KILLS_PER_RUN * 20_000),
  );

  test("every run completes, with nine completed agents", () => {
    for (const ledger of ledgers) {
      expect(ledger.state).toBe("completed");
      expect(ledger.agentStates).toEqual(Array(9).fill("completed"));
    }
  });

  test("every acknowledged delivery is in the run's log exactly once", () => {
    for (const { acknowledged, recorded } of ledgers) {
      expect(recorded).toHaveLength(new Set(recorded).size);
      expect([...recorded].sort()).toEqual([...acknowledged].sort());
    }
  });

  test("every agent's result is counted once", () => {
    for (const { completedEventsPerAgent } of ledgers) {
      expect(Object.keys(completedEventsPerAgent)).toHaveLength(9);
      expect(Object.values(completedEventsPerAgent)).toEqual(Array(9).fill(1));
    }
  });

  test("OPAL runs one workflow for each force sync", () => {
    for (const { workflows, doubleStarts } of ledgers) expect([workflows, doubleStarts]).toEqual([1, 0]);
  });

  test("D1 holds the same log, without a gap or a repeat", () => {
    for (const { logSeqs, d1Seqs, recorded, d1Deliveries } of ledgers) {
      expect(logSeqs).toEqual(logSeqs.map((_, index) => index + 1));
      expect(d1Seqs).toEqual(logSeqs);
      expect(d1Deliveries).toEqual(recorded);
    }
  });
});
