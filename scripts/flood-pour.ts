// Sends the flood while the Worker is killed at moments that the seed draws.
import { setTimeout as sleep } from "node:timers/promises";
import { type Draw, drawFrom } from "../simulator/random.ts";
import { GaveUp } from "./chaos-client.ts";
import type { Finding } from "./flood-accounts.ts";
import type { LegEnd } from "./flood-answers.ts";
import type { FloodOptions } from "./flood-run.ts";
import type { Sender } from "./flood-sender.ts";
import { sum } from "./flood-state.ts";
import type { Town } from "./flood-town.ts";

/** After a drawn number of answers, the kill comes up to so many ms later. */
const DELAY_MS = 60;
/** All moments lie in this part of the flood, so that it is not over before the last one of them. */
const LAST_KILL = 0.95;
/** A Worker that breaks connections more often than this by itself is not waited for. */
const BROKEN_LEGS = 3;

/** What a life of the Worker, from a start to a kill, made of its memory, in MiB. */
export interface Life {
  readonly answered: number;
  readonly memoryBefore: number | undefined;
  readonly memoryAfter: number | undefined;
}

/** What sending everything came to. */
export interface Poured {
  readonly findings: readonly Finding[];
  /** Requests under way when the Worker was killed, for each kill. */
  readonly inFlight: readonly number[];
  /** While the Worker was there and events were sent. */
  readonly sendingMs: number;
  readonly lives: readonly Life[];
}

/** Sends everything, however often the Worker is killed meanwhile. Rejects with GaveUp. */
export async function pour(
  town: Town,
  sender: Sender,
  { seed, kills, killsWhileTelling, connections, say }: FloodOptions,
  total: number,
): Promise<Poured> {
  const draw = drawFrom(seed, "kills");
  const atTheEnd = killsWhileTelling && kills > 0 ? 1 : 0;
  const moments = killMoments(draw, kills - atTheEnd, total);
  const legs: Leg[] = [];
  let isDone = false;
  while (!isDone) {
    const plan = { tellAt: moments[legs.length], delayMs: draw.integer(0, DELAY_MS), connections };
    const leg = await sendOn(town, sender, plan, (answered) => say(`${answered} of ${total} answered`));
    legs.push(leg);
    isDone = leg.isDone;
    if (legs.filter(brokeByItself).length > BROKEN_LEGS) throw new GaveUp("connections break again and again");
  }
  if (atTheEnd > 0) await town.kill();
  return {
    findings: legs.filter(brokeByItself).map(({ lost }): Finding => {
      return { check: "answers", about: "all", what: `${lost} connections broke, and nobody was killed` };
    }),
    inFlight: [...legs.filter(({ wasKilled }) => wasKilled).map(({ lost }) => lost), ...(atTheEnd > 0 ? [0] : [])],
    sendingMs: sum(legs.map(({ tookMs }) => tookMs)),
    lives: legs.map(({ life }) => life),
  };
}

/** After how many answers the Worker is killed: one moment in each of as many equal parts. */
function killMoments(draw: Draw, kills: number, total: number): number[] {
  const last = total * LAST_KILL;
  return Array.from({ length: kills }, (_, kill) => Math.floor((last * (kill + draw.fraction())) / kills));
}

interface LegPlan {
  readonly tellAt: number | undefined;
  readonly delayMs: number;
  readonly connections: number;
}

type Leg = LegEnd & { readonly wasKilled: boolean; readonly life: Life };

function brokeByItself({ lost, wasKilled }: Leg): boolean {
  return lost > 0 && !wasKilled;
}

/** Sends until the Worker was killed, and is there again, or until nothing is left. */
async function sendOn(
  town: Town,
  sender: Sender,
  { tellAt, delayMs, connections }: LegPlan,
  onProgress: (answered: number) => void,
): Promise<Leg> {
  const memoryBefore = town.memory();
  let memoryAfter: number | undefined;
  let killing: Promise<void> | undefined;
  const kill = async () => {
    await sleep(delayMs);
    memoryAfter = town.memory();
    await town.kill();
  };
  const onReached = () => {
    killing = kill();
    // Whoever waits for it below learns of its failure.
    killing.catch(() => undefined);
  };
  const end = await sender.send({ url: town.url, connections, tellAt }, onReached, onProgress);
  const life = { answered: end.answered, memoryBefore, memoryAfter: memoryAfter ?? town.memory() };
  await killing;
  return { ...end, wasKilled: killing !== undefined, life };
}
