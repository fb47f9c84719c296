// What can be made to go wrong, as data: one strict schema for the HTTP interface, the command line and tests.

import { z } from "zod";
import { AGENT_IDS, type AgentId } from "./agents.ts";

const times = z.int().min(1).max(10_000).default(1);
const milliseconds = z.number().min(0).max(3_600_000);

const triggerFault = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.enum(["refuse", "reset", "timeout", "acceptThenReset", "acceptThenTimeout", "emptyBody", "garbageBody"]),
    times,
  }),
  /** Answers this status without starting anything; `retryAfter` in seconds becomes the header. */
  z.strictObject({
    kind: z.literal("status"),
    status: z.int().min(400).max(599),
    retryAfter: z.int().min(0).optional(),
    times,
  }),
  z.strictObject({ kind: z.literal("slow"), ms: milliseconds, times }),
]);

const agentFault = z.strictObject({
  outcome: z.enum(["complete", "fail", "silent", "stall"]).optional(),
  /** Copies of each webhook of the agent, sent at the same moment. */
  repeat: z.int().min(1).max(100).optional(),
  /** Every webhook of the agent carries a wrong signature, and none is sent again correctly. */
  badSignature: z.boolean().optional(),
  durationFactor: z.number().positive().optional(),
  noStart: z.boolean().optional(),
  /** The result comes this long after the agent's start, in real time; the chain does not wait for it. */
  resultAfterMs: milliseconds.optional(),
});

export const faultSet = z.strictObject({
  seed: z.number().optional(),
  order: z.enum(["sequence", "parallel"]).optional(),
  family: z.enum(["mixed", "shared", "execution_results"]).optional(),
  speed: z.number().positive().optional(),
  trigger: z.array(triggerFault).optional(),
  agents: z.partialRecord(z.enum([...AGENT_IDS, "*"]), agentFault).optional(),
  reportTwice: z.boolean().optional(),
  outOfOrder: z.boolean().optional(),
  beforeAnswer: z.boolean().optional(),
  badSignature: z.int().min(0).optional(),
  slowDeliveryMs: milliseconds.optional(),
  dropConnection: z.int().min(0).optional(),
  ignoreIdempotencyKey: z.boolean().optional(),
  resend: z.boolean().optional(),
  omitCorrelationId: z.boolean().optional(),
  aliases: z.boolean().optional(),
  stopAfterAgents: z.int().min(0).optional(),
});

export const faultRequest = faultSet.extend({ scope: z.enum(["next", "all"]).default("next") });

export type Faults = z.infer<typeof faultSet>;
/** As a caller writes it: defaults may be left out. */
export type FaultsInput = z.input<typeof faultSet>;
export type FaultScope = z.infer<typeof faultRequest>["scope"];
export type TriggerFault = z.infer<typeof triggerFault>;
export type AgentFault = z.infer<typeof agentFault>;

/** The agent's own entry wins over `*`, field by field. */
export function faultsOf(agentId: AgentId, faults: Faults): AgentFault {
  return { ...faults.agents?.["*"], ...faults.agents?.[agentId] };
}
