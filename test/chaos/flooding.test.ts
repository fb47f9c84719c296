// A short flood with real processes: a few hundred events as fast as they go, the Worker killed with kill -9 in between.
// `npm run flood` is the long one.
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { type FloodOutcome, runFlood } from "../../scripts/flood-run.ts";
import { runUnsigned, type UnsignedOutcome } from "../../scripts/flood-unsigned.ts";

const SEED = 20_261_121;
const EVENTS = 400;
const KILLS = 2;
const LIMIT_MS = 120_000;

/** A folder that is deleted when nothing was found; otherwise what was said is shown. */
async function play<Outcome extends { readonly findings: readonly unknown[] }>(
  run: (directory: string, say: (line: string) => void) => Promise<Outcome>,
): Promise<Outcome> {
  const directory = join(mkdtempSync(join(tmpdir(), "osa-flood-")), "play");
  mkdirSync(directory);
  const said: string[] = [];
  const outcome = await run(directory, (line) => void said.push(line));
  if (outcome.findings.length === 0) rmSync(join(directory, ".."), { recursive: true, force: true });
  else process.stdout.write(`${said.join("\n")}\nState and logs are kept in ${directory}.\n`);
  return outcome;
}

describe(`a flood of signed events, with the Worker killed in it (seed ${SEED})`, () => {
  let outcome: FloodOutcome;

  beforeAll(async () => {
    const shape = {
      seed: SEED,
      events: EVENTS,
      kills: KILLS,
      connections: 24,
      killsWhileTelling: false,
      withForeign: false,
    };
    outcome = await play((directory, say) => runFlood({ ...shape, directory, say }));
  }, LIMIT_MS);

  test("nothing that was acknowledged is lost or doubled, and every account agrees", () => {
    expect(outcome.findings).toEqual([]);
  });

  test("all of them were sent, some twice, and requests were under way when the Worker was killed", () => {
    expect(outcome.sent.told).toHaveLength(EVENTS);
    expect(outcome.parcels).toBeGreaterThan(EVENTS);
    expect(outcome.inFlight).toHaveLength(KILLS);
    expect(outcome.inFlight[0]).toBeGreaterThan(0);
  });

  test("they are in the sessions of several workspaces and in every kind of inbox", () => {
    const owners = outcome.state.owners.filter(({ kept }) => kept.length > 0);
    expect(new Set(owners.map(({ workspace }) => workspace)).size).toBe(4);
    expect(owners.map(({ owner }) => owner)).toEqual(
      expect.arrayContaining(["inbox-ga4", "inbox-salesforce", "inbox-external", "inbox-opal"]),
    );
  });
});

describe(`signed events beside requests that nobody signed (seed ${SEED})`, () => {
  let outcome: UnsignedOutcome;

  beforeAll(async () => {
    outcome = await play((directory, say) => runUnsigned({ seed: SEED, seconds: 1, connections: 8, directory, say }));
  }, LIMIT_MS);

  test("every signed one is taken in, no forged one is, and what was refused is counted", () => {
    expect(outcome.findings).toEqual([]);
    expect(outcome.forged.sent).toBeGreaterThan(0);
  });
});
