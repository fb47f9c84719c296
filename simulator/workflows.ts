// All workflows of this simulator: starting, looking at and stopping them.

import { randomBytes } from "node:crypto";
import { AGENT_IDS, type AgentId } from "./agents.ts";
import type { Faults } from "./faults.ts";
import { originOf, playOf } from "./lineage.ts";
import { planRun } from "./plan.ts";
import { type Asked, NOTHING_ASKED, type Run } from "./records.ts";
import { createStop } from "./rest.ts";
import type { Subject } from "./results/result.ts";
import { type Performance, play } from "./run.ts";
import type { Settings } from "./settings.ts";

/** Less work takes half the time. */
const REDUCED_SCOPE_SPEED = 2;

export interface Start {
  readonly correlationId: string | null;
  readonly sessionId: string | null;
  readonly idempotencyKey: string | null;
  readonly foreign: boolean;
  readonly asked: Asked;
  readonly agentIds: readonly AgentId[];
  readonly subject: Subject;
  readonly faults: Faults;
}

export interface Workflow {
  readonly run: Run;
  readonly performance: Performance;
}

export interface Workflows {
  start(start: Start): Workflow;
  startForeign(faults: Faults): Workflow;
  /** Newest last. */
  list(): readonly Run[];
  get(workflowId: string): Run | undefined;
  /** Ends every run and delivery under way; what they did stays visible. */
  stop(): Promise<void>;
  settled(): Promise<void>;
}

export function createWorkflows(settings: Settings): Workflows {
  const runs = new Map<string, Run>();
  const underWay = new Map<string, { stop: AbortController; settled: Promise<void> }>();

  function start({ agentIds, subject, faults, ...given }: Start): Workflow {
    const workflowId = `opal-wf-${randomBytes(6).toString("hex")}`;
    const seed = faults.seed === undefined ? workflowId : String(faults.seed);
    const speed = (faults.speed ?? settings.speed) * (given.asked.reducedScope ? REDUCED_SCOPE_SPEED : 1);
    const before = [...runs.values()];
    const origin = originOf({ correlationId: given.correlationId, retryOf: given.asked.retryOf }, before) ?? workflowId;
    const playing = agentIds.map((agentId) => ({ agentId, play: playOf(agentId, origin, before) }));
    const plans = planRun(seed, playing, faults, speed);
    const run: Run = {
      ...given,
      workflowId,
      origin,
      seed,
      faults,
      order: faults.order ?? "sequence",
      startedAt: new Date().toISOString(),
      endedAt: null,
      state: "playing",
      agents: plans.map(({ agentId, spelling, durationMs, play }) => ({
        agentId,
        spelling,
        plannedMs: durationMs,
        play,
        state: "waiting",
        startedAt: null,
        endedAt: null,
      })),
      deliveries: [],
      questions: [],
    };
    runs.set(workflowId, run);
    settings.log(`${workflowId} started (${run.order}, ${plans.length} agents, seed ${seed})`);

    const stop = createStop();
    const performance = play(run, plans, subject, { settings, speed, stopped: stop.signal });
    const settled = performance.settled.finally(() => underWay.delete(workflowId));
    underWay.set(workflowId, { stop, settled });
    return { run, performance };
  }

  async function settled(): Promise<void> {
    while (underWay.size > 0) await Promise.all(Array.from(underWay.values(), (entry) => entry.settled));
  }

  return {
    start,
    startForeign: (faults) =>
      start({
        correlationId: `opal-schedule-${randomBytes(6).toString("hex")}`,
        sessionId: null,
        idempotencyKey: null,
        foreign: true,
        asked: NOTHING_ASKED,
        agentIds: AGENT_IDS,
        subject: { client: "Northwind Outfitters", industry: "Retail", syncScope: "all_platforms" },
        faults,
      }),
    list: () => [...runs.values()],
    get: (workflowId) => runs.get(workflowId),
    async stop() {
      for (const { stop } of underWay.values()) stop.abort();
      await settled();
    },
    settled,
  };
}
