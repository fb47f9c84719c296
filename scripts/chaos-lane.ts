// One stack under test: the simulator keeps running and remembers everything, the Worker is killed again and again.
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Asker, askerAt, GaveUp, signIn } from "./chaos-client.ts";
import { controlAnswer, heldAnswer, workflowsAnswer } from "./chaos-facts.ts";
import { readVars } from "./dev-vars.ts";
import { freePort, ROOT } from "./processes.ts";
import { type Stack, startStack } from "./stack.ts";

/** Limits of minutes pass in seconds, so that every kind of end is met; a whole run may take 36 s. */
export const DEADLINE_SCALE = 0.02;
/** A whole run of nine agents takes about 4 s. */
export const SIMULATOR_SPEED = 150;
const OPAL_TIMEOUT_MS = 1_500;

/** Longer than a run may wait for OPAL and then take, with the Worker killed on the way, in ms. */
const CALM_LIMIT_MS = 120_000;
/** Until OPAL has said everything, and what nobody knows has found its run, in ms. */
const QUIET_LIMIT_MS = 120_000;

export interface LaneOptions {
  readonly name: string;
  readonly stateDirectory: string;
  readonly order: "sequence" | "parallel";
}

/** What callers were answered, as it comes in. */
export interface Notes {
  readonly started: { key: string; sessionId: string }[];
  readonly cancelled: { sessionId: string; at: number }[];
}

export interface Lane {
  readonly name: string;
  readonly stateDirectory: string;
  readonly order: "sequence" | "parallel";
  readonly worker: Asker;
  readonly simulator: Asker;
  readonly notes: Notes;
  readonly kills: () => number;
  /** `kill -9` of the Worker's whole process group; resolves when it answers again. */
  readonly kill: () => Promise<void>;
  readonly stop: () => Promise<void>;
}

export async function openLane({ name, stateDirectory, order }: LaneOptions): Promise<Lane> {
  const stack = await startStack({
    port: await freePort(),
    simulatorPort: await freePort(),
    stateDirectory,
    simulatorSpeed: SIMULATOR_SPEED,
    vars: {
      DEADLINE_SCALE: String(DEADLINE_SCALE),
      OPAL_TIMEOUT_MS: String(OPAL_TIMEOUT_MS),
      OPAL_WORKFLOW_ORDER: order,
    },
  });
  try {
    return await laneOf(stack, { name, stateDirectory, order });
  } catch (error) {
    await stack.stop();
    throw error;
  }
}

async function laneOf(stack: Stack, options: LaneOptions): Promise<Lane> {
  const { DEV_ADMIN_EMAIL = "", DEV_ADMIN_PASSWORD = "" } = readVars(join(ROOT, ".dev.vars.example"));
  let kills = 0;
  return {
    ...options,
    worker: await signIn(stack.url, DEV_ADMIN_EMAIL, DEV_ADMIN_PASSWORD),
    simulator: askerAt(stack.simulatorUrl, () => ({})),
    notes: { started: [], cancelled: [] },
    kills: () => kills,
    kill: async () => {
      kills += 1;
      stack.worker.kill("SIGKILL");
      await stack.worker.exited();
      await stack.worker.restart();
    },
    stop: () => stack.stop(),
  };
}

/** Resolves when no run is active and none waits; rejects with GaveUp when that takes longer than any run may. */
export async function untilCalm({ worker }: Lane): Promise<void> {
  await until(CALM_LIMIT_MS, async () => {
    const { active_session, queued } = await worker.read("/api/force-sync/control", controlAnswer);
    return active_session === null && queued === null ? undefined : { active_session, queued };
  });
}

/** Resolves when, besides, OPAL has said all that it will say and every webhook has its run. Rejects likewise. */
export async function untilQuiet(lane: Lane): Promise<void> {
  await until(QUIET_LIMIT_MS, async () => {
    const { runs } = await lane.simulator.read("/simulator/runs", workflowsAnswer);
    const busy = runs.filter(({ state, pendingDeliveries }) => state === "playing" || pendingDeliveries > 0);
    if (busy.length > 0) return busy;
    const { total, deliveries } = await lane.worker.read("/api/force-sync/held", heldAnswer);
    return total === 0 ? undefined : deliveries;
  });
  await untilCalm(lane);
}

/** Asks until nothing stands in the way any more. */
async function until(limitMs: number, whatIsLeft: () => Promise<unknown>): Promise<void> {
  const giveUpAt = Date.now() + limitMs;
  let left: unknown;
  while (Date.now() < giveUpAt) {
    left = await whatIsLeft();
    if (left === undefined) return;
    await sleep(200);
  }
  throw new GaveUp(`after ${limitMs / 1000} s there is still ${JSON.stringify(left)}`);
}
