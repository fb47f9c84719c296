// The faults of the simulator that the crash test draws from, by the names under which they are counted. Pure.
import type { AgentId } from "../simulator/agents.ts";
import type { FaultsInput } from "../simulator/faults.ts";
import type { Draw } from "../simulator/random.ts";

export type Fault = FaultsInput;

export interface Trouble {
  readonly kind: string;
  /** `agents` are those that the run asks for. */
  readonly draw: (draw: Draw, agents: readonly AgentId[]) => Fault;
  /** Which action follows, where not any may. */
  readonly leadsTo?: "resume" | "nothing";
}

/** Longer than a call waits before it is made for the second time. */
const LATER_MS = 2_300;

type TriggerFault = NonNullable<Fault["trigger"]>[number];
type AgentFault = NonNullable<NonNullable<Fault["agents"]>[AgentId]>;

const trigger = (kind: string, fault: (draw: Draw) => TriggerFault): Trouble => ({
  kind,
  draw: (draw) => ({ trigger: [fault(draw)] }),
});

const oneAgent = (kind: string, fault: (draw: Draw) => AgentFault): Trouble => ({
  kind,
  draw: (draw, agents) => ({ agents: { [draw.pick(agents)]: fault(draw) } }),
});

const allAgents = (kind: string, fault: (draw: Draw) => AgentFault): Trouble => ({
  kind,
  draw: (draw) => ({ agents: { "*": fault(draw) } }),
});

const webhooks = (kind: string, faults: (draw: Draw) => Fault): Trouble => ({ kind, draw: faults });

/** OPAL honours no key and is heard of late, so that a call whose answer was lost is made once more. */
const secondWorkflow = (kind: string, fault: (draw: Draw) => TriggerFault): Trouble => ({
  kind,
  draw: (draw) => ({ ignoreIdempotencyKey: true, slowDeliveryMs: LATER_MS, trigger: [fault(draw)] }),
});

const slowAnswer = trigger("slow answer", (draw) => ({ kind: "slow", ms: draw.integer(200, 1_300), times: 1 }));

const TRIGGER_FAULTS: readonly Trouble[] = [
  trigger("503", (draw) => ({ kind: "status", status: 503, times: draw.integer(1, 3) })),
  trigger("503 until given up", () => ({ kind: "status", status: 503, times: 4 })),
  trigger("429 with Retry-After", (draw) => ({
    ...{ kind: "status", status: 429, retryAfter: draw.integer(1, 3), times: draw.integer(1, 2) },
  })),
  trigger("refused for good", (draw) => ({ kind: "status", status: draw.pick([400, 404, 422]), times: 1 })),
  trigger("time-out", (draw) => ({ kind: "timeout", times: draw.integer(1, 2) })),
  trigger("no connection", (draw) => ({ kind: "refuse", times: draw.integer(1, 3) })),
  trigger("connection reset", (draw) => ({ kind: "reset", times: draw.integer(1, 3) })),
  trigger("accepted, then reset", (draw) => ({ kind: "acceptThenReset", times: draw.integer(1, 2) })),
  trigger("accepted, then silence", (draw) => ({ kind: "acceptThenTimeout", times: draw.integer(1, 2) })),
  trigger("garbage answer", () => ({ kind: "garbageBody", times: 1 })),
  trigger("answer without id", () => ({ kind: "emptyBody", times: 1 })),
  slowAnswer,
  webhooks("outage for some calls", (draw) => ({
    outage: { calls: draw.integer(2, 6), ...(draw.chance(0.5) ? { retryAfter: 1 } : {}) },
  })),
  { kind: "credential refused", draw: () => ({ credentialRefusedFrom: 1 }), leadsTo: "resume" },
  secondWorkflow("second workflow after a reset", (draw) => ({ kind: "acceptThenReset", times: draw.integer(1, 2) })),
  secondWorkflow("second workflow after silence", () => ({ kind: "acceptThenTimeout", times: 1 })),
];

const AGENT_FAULTS: readonly Trouble[] = [
  oneAgent("agent silent once", () => ({ outcome: "silent", plays: 1 })),
  oneAgent("agent silent", () => ({ outcome: "silent" })),
  oneAgent("agent fails", () => ({ outcome: "fail" })),
  oneAgent("agent fails with a code", (draw) => ({ outcome: "fail", errorCode: draw.pick([429, 500, 503]) })),
  oneAgent("agent invalid once", () => ({ outcome: "invalid", plays: 1 })),
  oneAgent("agent invalid", () => ({ outcome: "invalid" })),
  allAgents("all agents invalid", () => ({ outcome: "invalid" })),
  oneAgent("agent late", (draw) => ({ resultAfterMs: draw.integer(1_500, 8_000) })),
  oneAgent("agent stalled once", () => ({ outcome: "stall", plays: 1 })),
  oneAgent("agent stalled", () => ({ outcome: "stall" })),
  allAgents("results without a start", () => ({ noStart: true })),
  webhooks("workflow dies", (draw) => ({ stopAfterAgents: draw.integer(0, 4) })),
  webhooks("end never said", () => ({ neverOver: true })),
];

/** These go with any other fault. */
const WEBHOOK_DISTURBANCES: readonly Trouble[] = [
  webhooks("webhooks twice", () => ({ reportTwice: true })),
  allAgents("webhooks ten-fold", () => ({ repeat: 10 })),
  webhooks("webhooks shuffled", () => ({ outOfOrder: true })),
  webhooks("webhooks slow", (draw) => ({ slowDeliveryMs: draw.integer(20, 200) })),
  webhooks("webhooks lost", (draw) => ({ lostShare: draw.decimal(0.1, 0.4, 2) })),
  webhooks("webhooks broken off", (draw) => ({ dropConnection: draw.integer(1, 6) })),
  webhooks("wrong signature at first", (draw) => ({ badSignature: draw.integer(1, 5) })),
];

/** A slow answer gives a kill the time to fall into the call. */
export const DISTURBANCES: readonly Trouble[] = [...WEBHOOK_DISTURBANCES, slowAnswer, slowAnswer, slowAnswer];

const WEBHOOK_FAULTS: readonly Trouble[] = [
  ...WEBHOOK_DISTURBANCES,
  oneAgent("webhooks forged", () => ({ badSignature: true })),
  webhooks("webhooks sent once", () => ({ resend: false })),
  webhooks("webhooks before the answer", () => ({ beforeAnswer: true })),
  webhooks("agents by other names", () => ({ aliases: true })),
  { kind: "webhooks without our id", draw: () => ({ omitCorrelationId: true }), leadsTo: "nothing" },
];

export const FAULTS: readonly Trouble[] = [...TRIGGER_FAULTS, ...AGENT_FAULTS, ...WEBHOOK_FAULTS];

/** All of them at once: calls one after the other, agents field by field. */
export function combineFaults(faults: readonly Fault[]): Fault {
  let combined: Fault = {};
  for (const fault of faults) {
    const agents: Record<string, AgentFault> = { ...combined.agents };
    for (const [id, agent] of Object.entries(fault.agents ?? {})) agents[id] = { ...agents[id], ...agent };
    const trigger = [...(combined.trigger ?? []), ...(fault.trigger ?? [])];
    combined = {
      ...combined,
      ...fault,
      ...(Object.keys(agents).length > 0 ? { agents } : {}),
      ...(trigger.length > 0 ? { trigger } : {}),
    };
  }
  return combined;
}
