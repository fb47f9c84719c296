// Runs the crash test: scenarios in batches on stacks side by side, each batch judged when it has settled.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { GaveUp } from "./chaos-client.ts";
import { checkedRuns, type Gathered, gather, NOTHING_JUDGED, readCounters } from "./chaos-gather.ts";
import { type Lane, openLane, untilQuiet } from "./chaos-lane.ts";
import { addCounts, type Counts, count, type Finding, judge } from "./chaos-oracle.ts";
import { planScenario, type Scenario } from "./chaos-plan.ts";
import { playScenario } from "./chaos-play.ts";
import { type PlayedPoint, playPoints } from "./chaos-points.ts";
import { everythingIsConsistent } from "./chaos-runs.ts";

export interface Chaos {
  readonly seed: number;
  /** Numbers of the scenarios, from 1. */
  readonly scenarios: readonly number[];
  readonly lanes: number;
  /** Whether the first lane meets the crash points of a trigger before anything else. */
  readonly points: boolean;
  /** Scenarios of one lane between two judgements. */
  readonly batch: number;
  /** State and logs of the stacks, and what was found when something was. */
  readonly directory: string;
  readonly say: (line: string) => void;
}

export type Tally = Readonly<Record<string, number>>;

export interface Outcome {
  readonly counts: Counts;
  readonly findings: readonly Finding[];
  readonly kills: number;
  readonly breakerOpenings: number;
  readonly points: readonly PlayedPoint[];
  /** How many runs ended how. */
  readonly endings: Tally;
  /** How many scenarios met each kind of fault, and each action. */
  readonly faults: Tally;
  readonly actions: Tally;
}

/** Rejects when a stack does not start or its Worker does not come back; broken promises are in the outcome. */
export async function runChaos(chaos: Chaos): Promise<Outcome> {
  const numbers = Array.from({ length: chaos.lanes }, (_, index) => index);
  // A lane that fails leaves no other one running without anybody who waits for it.
  const settled = await Promise.allSettled(numbers.map((index) => runLane(chaos, index)));
  const outcomes = settled.map((lane) => {
    if (lane.status === "fulfilled") return lane.value;
    throw new Error(`seed ${chaos.seed}; state and logs are in ${chaos.directory}`, { cause: lane.reason });
  });
  const scenarios = chaos.scenarios.map((number) => planScenario(chaos.seed, number));
  return {
    counts: addCounts(outcomes.map(({ counts }) => counts)),
    findings: outcomes.flatMap(({ findings }) => findings),
    kills: outcomes.reduce((sum, { kills }) => sum + kills, 0),
    breakerOpenings: outcomes.reduce((sum, { breakerOpenings }) => sum + breakerOpenings, 0),
    points: outcomes.flatMap(({ points }) => points),
    endings: tally(outcomes.flatMap(({ states }) => states)),
    faults: tally(scenarios.flatMap(({ kinds }) => kinds)),
    actions: tally(scenarios.map(({ action }) => action.what)),
  };
}

type LaneOutcome = Omit<Outcome, "faults" | "actions" | "endings"> & { readonly states: readonly string[] };

const NOTHING: LaneOutcome = {
  ...{ counts: addCounts([]), findings: [], kills: 0, breakerOpenings: 0, points: [], states: [] },
};

/** A scenario belongs to its lane by its number, so that it can be repeated alone. */
async function runLane(chaos: Chaos, index: number): Promise<LaneOutcome> {
  const mine = chaos.scenarios.filter((number) => (number - 1) % chaos.lanes === index);
  const hasPoints = chaos.points && index === 0;
  if (mine.length === 0 && !hasPoints) return NOTHING;
  const name = `lane ${index + 1}`;
  const stateDirectory = join(chaos.directory, `lane-${index + 1}`);
  mkdirSync(stateDirectory, { recursive: true });
  // OPAL's order of agents is not known for sure; the lanes play both.
  const lane = await openLane({ name, stateDirectory, order: index % 2 === 0 ? "sequence" : "parallel" });
  try {
    return await playLane(chaos, lane, { numbers: mine, hasPoints });
  } finally {
    await lane.stop();
  }
}

interface LanePlan {
  readonly numbers: readonly number[];
  readonly hasPoints: boolean;
}

async function playLane(chaos: Chaos, lane: Lane, { numbers, hasPoints }: LanePlan): Promise<LaneOutcome> {
  const points: PlayedPoint[] = [];
  const batches = [
    ...(hasPoints ? [async () => void points.push(...(await playPointsAloud(chaos, lane)))] : []),
    ...inBatches(numbers, chaos.batch).map((batch) => async () => {
      for (const number of batch) await playAloud(chaos, lane, planScenario(chaos.seed, number));
    }),
  ];
  const counts: Counts[] = [];
  const states: string[] = [];
  const findings: Finding[] = [];
  let judged = NOTHING_JUDGED;
  for (const play of batches) {
    const stuck = await untilCalmOrStuck(async () => {
      await play();
      await untilQuiet(lane);
    });
    const gathered = await gather(lane, judged);
    const found = [...stuck, ...judge(gathered.facts)];
    counts.push(count(gathered.facts));
    states.push(...gathered.facts.sessions.map(({ status }) => status.state));
    findings.push(...found);
    chaos.say(verdict(lane, gathered, found));
    judged = gathered.judged;
    if (found.length === 0) continue;
    keepEvidence(lane, found, gathered);
    break;
  }
  findings.push(...(await everythingOnceMore(lane)));
  const { breaker_opened: breakerOpenings = 0 } = await readCounters(lane);
  return { counts: addCounts(counts), findings, kills: lane.kills(), breakerOpenings, points, states };
}

function inBatches(numbers: readonly number[], size: number): number[][] {
  return Array.from({ length: Math.ceil(numbers.length / size) }, (_, index) =>
    numbers.slice(index * size, (index + 1) * size),
  );
}

async function playPointsAloud({ say }: Chaos, lane: Lane): Promise<PlayedPoint[]> {
  const points = await playPoints(lane);
  for (const { name, isMet, state } of points) say(`killed when ${name}${isMet ? "" : " (not met)"} > ${state}`);
  return points;
}

/** What later runs did must not have touched earlier ones. */
async function everythingOnceMore(lane: Lane): Promise<Finding[]> {
  return everythingIsConsistent({ consistency: await checkedRuns(lane.worker, "") });
}

/** What does not come to its end, or is not answered, is a finding like any other. */
async function untilCalmOrStuck(act: () => Promise<void>): Promise<Finding[]> {
  try {
    await act();
    return [];
  } catch (error) {
    if (error instanceof GaveUp) return [{ check: "stuck", about: "workspace", what: error.message }];
    throw error;
  }
}

async function playAloud({ say }: Chaos, lane: Lane, scenario: Scenario): Promise<void> {
  const { number, kinds, action, killsAtMs } = scenario;
  const begun = performance.now();
  const state = await playScenario(lane, scenario);
  const seconds = ((performance.now() - begun) / 1000).toFixed(1);
  const acts = action.what === "none" ? "" : `; ${action.what}`;
  say(`${number} (${lane.name}): ${kinds.join(", ")}${acts}; ${killsAtMs.length} kills > ${state}, ${seconds} s`);
}

function verdict({ name }: Lane, { facts }: Gathered, found: readonly Finding[]): string {
  const { eventsAccepted, eventsLost } = count(facts);
  const sums = `${facts.sessions.length} runs, ${eventsAccepted} webhooks accepted, ${eventsLost} lost`;
  return `${name}: ${sums}; ${found.length === 0 ? "all promises kept" : `${found.length} promises broken`}`;
}

function keepEvidence({ stateDirectory }: Lane, found: readonly Finding[], { facts }: Gathered): void {
  writeFileSync(join(stateDirectory, "findings.json"), JSON.stringify(found, null, 2));
  writeFileSync(join(stateDirectory, "facts.json"), JSON.stringify(facts, null, 2));
}

function tally(names: readonly string[]): Tally {
  const counts: Record<string, number> = {};
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}
