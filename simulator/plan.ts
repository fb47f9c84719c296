// What a run will do, decided before it starts from its seed and faults. Pure: same input, same plan.

import { AGENTS, type AgentId } from "./agents.ts";
import { type AgentFault, type Faults, faultsOf } from "./faults.ts";
import { type Draw, drawFrom } from "./random.ts";

export type Family = "shared" | "execution_results";

export interface AgentPlan {
  readonly agentId: AgentId;
  /** The name under which it reports. */
  readonly spelling: string;
  readonly durationMs: number;
  readonly reportsHalfway: boolean;
  readonly family: Family;
  /** 0 to 1. */
  readonly confidence: number;
  /** 1 for the first time in this run and in what it repeats. */
  readonly play: number;
  readonly fault: AgentFault;
}

const DURATION_SPREAD = 0.15;
const HALFWAY_PROBABILITY = 0.4;
const BELOW_THRESHOLD_PROBABILITY = 0.12;
const MAX_CONFIDENCE = 0.99;

export interface Playing {
  readonly agentId: AgentId;
  readonly play: number;
}

export function planRun(seed: string, agents: readonly Playing[], faults: Faults, speed: number): AgentPlan[] {
  const sharedFirst = drawFrom(seed, "family").chance(0.5);
  return agents.map(({ agentId, play }, index) => {
    const draw = drawFrom(seed, agentId, "plan");
    const fault = faultsOf(agentId, faults, play);
    const nominalMs = AGENTS[agentId].durationMs * draw.decimal(1 - DURATION_SPREAD, 1 + DURATION_SPREAD, 4);
    return {
      agentId,
      durationMs: Math.round((nominalMs * (fault.durationFactor ?? 1)) / speed),
      reportsHalfway: draw.chance(HALFWAY_PROBABILITY),
      confidence: drawConfidence(AGENTS[agentId].confidenceThreshold, draw),
      spelling: faults.aliases ? drawAlias(agentId, draw) : agentId,
      family: familyOf(faults.family ?? "mixed", (index % 2 === 0) === sharedFirst),
      play,
      fault,
    };
  });
}

function familyOf(wanted: Family | "mixed", sharedsTurn: boolean): Family {
  if (wanted !== "mixed") return wanted;
  return sharedsTurn ? "shared" : "execution_results";
}

function drawConfidence(threshold: number, draw: Draw): number {
  if (draw.chance(BELOW_THRESHOLD_PROBABILITY)) return draw.decimal(threshold - 0.15, threshold - 0.01, 2);
  return draw.decimal(threshold, MAX_CONFIDENCE, 2);
}

function drawAlias(agentId: AgentId, draw: Draw): string {
  const { aliases } = AGENTS[agentId];
  return aliases.length === 0 ? agentId : draw.pick(aliases);
}
