// What the crash test looks at when it judges: what OPAL was asked and told, what the Worker has written down, and what
// callers were answered. Only what is judged is read.
import { z } from "zod";
import { AGENT_IDS } from "../simulator/agents.ts";
import { faultSet } from "../simulator/faults.ts";

const agentId = z.enum(AGENT_IDS);

/** One event of a run's log. */
export const loggedEvent = z.object({
  seq: z.number(),
  at: z.number(),
  type: z.string(),
  attempt: z.number().optional(),
  rerun: z.number().nullish(),
  retryAt: z.number().nullish(),
  failure: z.string().optional(),
  deliveryId: z.string().optional(),
  sha256: z.string().optional(),
  agentId: agentId.nullish(),
  reason: z.string().nullish(),
  status: z.string().optional(),
  limits: z.object({ startMs: z.number(), runMs: z.number() }).optional(),
});
export type LoggedEvent = z.infer<typeof loggedEvent>;

export const eventsAnswer = z.object({ events: z.array(loggedEvent), next_after: z.number().nullable() });

export const statusAnswer = z.object({
  session_id: z.string(),
  /** Our own word for how the run is. */
  state: z.string(),
  origin: z.enum(["ours", "foreign"]),
  completed_at: z.string().nullable(),
  expected_agents: z.number(),
  agents: z.array(z.object({ agent_id: agentId, status: z.string() })),
  double_starts: z.number(),
  deliveries: z.object({ duplicate: z.number() }),
});

/** A run as the Worker has it. */
export interface Session {
  readonly sessionId: string;
  readonly status: z.infer<typeof statusAnswer>;
  readonly events: readonly LoggedEvent[];
}

export const workflowAnswer = z.object({
  workflowId: z.string(),
  foreign: z.boolean(),
  sessionId: z.string().nullable(),
  idempotencyKey: z.string().nullable(),
  state: z.string(),
  faults: faultSet,
  agents: z.array(z.object({ agentId, play: z.number() })),
  deliveries: z.array(
    z.object({
      agentId,
      executionStatus: z.string(),
      bodySha256: z.string(),
      outcome: z.string(),
      attempts: z.array(z.object({ signature: z.string(), status: z.number().nullable(), answer: z.string() })),
    }),
  ),
});
/** A workflow as the simulator played it, with every webhook that it sent. */
export type Workflow = z.infer<typeof workflowAnswer>;
export type SentWebhook = Workflow["deliveries"][number];

export const workflowsAnswer = z.object({
  runs: z.array(z.object({ workflowId: z.string(), state: z.string(), pendingDeliveries: z.number() })),
});

const call = z.object({
  at: z.iso.datetime().transform((text) => Date.parse(text)),
  idempotencyKey: z.string().nullable(),
  sessionId: z.string().nullable(),
  workflowId: z.string().nullable(),
  fault: z.string().nullable(),
  answered: z.union([z.number(), z.string()]),
});
/** A call as it reached the simulator. */
export type Call = z.infer<typeof call>;

export const ledgerAnswer = z.object({ triggers: z.array(call) });

export const controlAnswer = z.object({
  active_session: z.string().nullable(),
  queued: z.object({ session_id: z.string() }).nullable(),
  triggering: z.object({ enabled: z.boolean() }),
});

export const heldAnswer = z.object({
  total: z.number(),
  deliveries: z.array(z.object({ webhook_id: z.string() })),
});

export const breakerAnswer = z.object({ counters: z.record(z.string(), z.number()) });

export const consistencyAnswer = z.object({
  runs: z.array(
    z.object({
      session_id: z.string(),
      consistent: z.boolean(),
      state_is_fold: z.boolean(),
      differences: z.array(z.unknown()),
    }),
  ),
  next_after: z.string().nullable(),
});
export type Consistency = z.infer<typeof consistencyAnswer>["runs"][number];

/** What callers were answered. */
export interface Told {
  /** A trigger, retry or resume that was acknowledged, with the key it carried. */
  readonly started: readonly { readonly key: string; readonly sessionId: string }[];
  /** Cancels that were confirmed, and when. */
  readonly cancelled: readonly { readonly sessionId: string; readonly at: number }[];
}

export interface Facts {
  readonly told: Told;
  readonly sessions: readonly Session[];
  readonly workflows: readonly Workflow[];
  readonly calls: readonly Call[];
  /** Ids of the webhooks that are held for a run nobody knows yet. */
  readonly held: readonly string[];
  readonly active: string | null;
  readonly queued: string | null;
  readonly consistency: readonly Consistency[];
}
