// What can be made to go wrong, as data: one strict schema for the HTTP interface, the command line and tests.

import { z } from "zod";
import { AGENT_IDS, type AgentId } from "./agents.ts";

const times = z.int().min(1).max(10_000).default(1);
const milliseconds = z.number().min(0).max(3_600_000);
const retryAfter = z.int().min(0).optional();

const triggerFault = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.enum(["refuse", "reset", "timeout", "acceptThenReset", "acceptThenTimeout", "emptyBody", "garbageBody"]),
    times,
  }),
  /** Answers this status without starting anything; `retryAfter` in seconds becomes the header. */
  z.strictObject({
    kind: z.literal("status"),
    status: z.int().min(400).max(599),
    retryAfter,
    times,
  }),
  z.strictObject({ kind: z.literal("slow"), ms: milliseconds, times }),
]);

const agentFault = z.strictObject({
  outcome: z.enum(["complete", "fail", "silent", "stall", "invalid"]).optional(),
  /** What a failure's report says in `metadata.error_code`; 401 and 403 also change its words. */
  errorCode: z.int().min(400).max(599).optional(),
  /** The entry holds for so many plays of the agent in a run and in what repeats it; without it for all. */
  plays: z.int().min(1).optional(),
  /** Copies of each webhook of the agent, sent at the same moment. */
  repeat: z.int().min(1).max(100).optional(),
  /** Every webhook of the agent carries a wrong signature, and none is sent again correctly. */
  badSignature: z.boolean().optional(),
  durationFactor: z.number().positive().optional(),
  noStart: z.boolean().optional(),
  /** The result comes this long after the agent's start, in real time; the chain does not wait for it. */
  resultAfterMs: milliseconds.optional(),
});

/** Every trigger call is answered with 503: the first so many, or all until so long after the first of them. */
const outage = z.union([
  z.strictObject({ calls: z.int().min(1), retryAfter }),
  z.strictObject({ ms: milliseconds, retryAfter }),
]);

export const faultSet = z.strictObject({
  seed: z.number().optional(),
  order: z.enum(["sequence", "parallel"]).optional(),
  family: z.enum(["mixed", "shared", "execution_results"]).optional(),
  speed: z.number().positive().optional(),
  /** By signed webhooks, by calls of OSA's functions, or now this way and now that. */
  deliver: z.enum(["webhooks", "tools", "mixed"]).optional(),
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
  ignoreAgentFilter: z.boolean().optional(),
  /** 0 to 1. */
  lostShare: z.number().min(0).max(1).optional(),
  neverOver: z.boolean().optional(),
  outage: outage.optional(),
  /** From this trigger call on, counted since the set was set and from 1, the bearer key is refused. */
  credentialRefusedFrom: z.int().min(1).optional(),
});

/** What befalls all callers, whichever run they call for, so it cannot wait in the queue for one run. */
const FOR_ALL_CALLERS = ["outage", "credentialRefusedFrom"] as const;

export const faultRequest = faultSet
  .extend({ scope: z.enum(["next", "all"]).default("next") })
  .superRefine((request, context) => {
    if (request.scope === "all") return;
    for (const field of FOR_ALL_CALLERS) {
      if (request[field] === undefined) continue;
      context.addIssue({ code: "custom", path: [field], message: 'befalls every run: send it with "scope":"all"' });
    }
  });

export type Faults = z.infer<typeof faultSet>;
/** As a caller writes it: defaults may be left out. */
export type FaultsInput = z.input<typeof faultSet>;
export type FaultScope = z.infer<typeof faultRequest>["scope"];
export type TriggerFault = z.infer<typeof triggerFault>;
export type AgentFault = z.infer<typeof agentFault>;
export type Outage = z.infer<typeof outage>;

/** Whether a run with these faults calls OSA's functions. */
export function needsToken({ deliver = "webhooks" }: Faults): boolean {
  return deliver !== "webhooks";
}

/** What the agent suffers in its `play`-th play (from 1). Its own entry wins over `*`, field by field. */
export function faultsOf(agentId: AgentId, faults: Faults, play: number): AgentFault {
  return { ...inForce(faults.agents?.["*"], play), ...inForce(faults.agents?.[agentId], play) };
}

function inForce(fault: AgentFault | undefined, play: number): AgentFault | undefined {
  return fault?.plays !== undefined && play > fault.plays ? undefined : fault;
}
