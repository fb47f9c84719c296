// What callers of the force sync endpoints may send.
import { z } from "zod";
import { AGENT_IDS, canonicalAgentId } from "../opal/agents.ts";
import { SYNC_SCOPES } from "./plan.ts";
import type { Client } from "./run/request.ts";

const name = z.string().trim().min(1).max(200);
const words = z.array(name).min(1).max(50);

export const clientContext = z.strictObject({
  client_name: name.optional(),
  industry: name.optional(),
  company_size: name.optional(),
  current_capabilities: words.optional(),
  business_objectives: words.optional(),
  additional_marketing_technology: words.optional(),
  timeline_preference: name.optional(),
  budget_range: name.optional(),
  recipients: z.array(z.email()).min(1).max(20).optional(),
});

type ClientContext = z.infer<typeof clientContext>;

const DEFAULT_CLIENT = "OSA dashboard";

export function clientFrom(context: ClientContext | undefined): Client {
  return { name: DEFAULT_CLIENT, ...clientChanges(context) };
}

/** Only what the caller named, so that it can be laid over an earlier request. */
export function clientChanges(context: ClientContext | undefined): Partial<Client> {
  const changes = {
    name: context?.client_name,
    industry: context?.industry,
    companySize: context?.company_size,
    currentCapabilities: context?.current_capabilities,
    businessObjectives: context?.business_objectives,
    additionalMarketingTechnology: context?.additional_marketing_technology,
    timelinePreference: context?.timeline_preference,
    budgetRange: context?.budget_range,
    recipients: context?.recipients,
  };
  return Object.fromEntries(Object.entries(changes).filter(([, value]) => value !== undefined));
}

/** Any spelling that OPAL uses; becomes the canonical id. */
export const agentId = z.string().transform((spelling, context) => {
  const id = canonicalAgentId(spelling);
  if (id !== undefined) return id;
  context.addIssue({ code: "custom", message: `is not one of the agents: ${AGENT_IDS.join(", ")}` });
  return z.NEVER;
});

export const agentFilter = z
  .array(agentId)
  .min(1)
  .max(AGENT_IDS.length)
  .refine((ids) => new Set(ids).size === ids.length, "names an agent twice");

/** In ms; at most as long as a whole run may take. */
export const timeoutOverride = z
  .number()
  .int()
  .min(1_000)
  .max(30 * 60_000);

export const triggerBody = z
  .strictObject({
    /** quick when nothing else is said, or what the repeated run had. */
    sync_scope: z.enum(SYNC_SCOPES).optional(),
    /** Any other name than the one allowed is refused as such, not as a misspelt field. */
    workflow_name: z.string().max(200).optional(),
    client_context: clientContext.optional(),
    /** Only these agents are asked for and expected. */
    agent_filter: agentFilter.optional(),
    /** In place of each agent's own limit, in ms. */
    timeout_override: timeoutOverride.optional(),
    /** Cancels a run that is under way and takes its place. */
    force_restart: z.boolean().default(false),
    /** Repeats the last run that ended without all of its agents, for those agents only. */
    retry_failed_only: z.boolean().default(false),
    on_busy: z.enum(["refuse", "queue"]).default("refuse"),
    priority: z.enum(["low", "normal", "high"]).optional(),
  })
  .superRefine((body, context) => {
    if (!body.retry_failed_only || body.agent_filter === undefined) return;
    const message = "cannot go with retry_failed_only, which chooses the agents itself";
    context.addIssue({ code: "custom", path: ["agent_filter"], message });
  });

export type TriggerBody = z.infer<typeof triggerBody>;

export const retryBody = z.strictObject({
  /** Only the agents that gave no result, as it is when nothing is said; the good results are carried over. */
  failed_only: z.boolean().optional(),
  /** While the run is under way: these of its failed agents. */
  agents: agentFilter.optional(),
  /** Fields of the first request to be replaced. */
  sync_scope: z.enum(SYNC_SCOPES).optional(),
  client_context: clientContext.optional(),
  timeout_override: timeoutOverride.nullable().optional(),
  force_restart: z.boolean().optional(),
  on_busy: z.enum(["refuse", "queue"]).optional(),
  /** A refused credential was made valid on the other side, without a change here. */
  credential_confirmed: z.boolean().optional(),
});

export const resumeBody = retryBody.omit({ failed_only: true, agents: true });

/** Chosen by the caller; one key belongs to one request. */
export const triggerHeaders = z.object({
  "idempotency-key": z
    .string()
    .regex(/^[\x21-\x7e]{1,255}$/, "must have 1 to 255 visible characters")
    .optional(),
});

export const eventsQuery = z.strictObject({
  /** Only events after this seq. */
  after: z.coerce.number().int().min(0).default(0),
  limit: z.coerce.number().int().min(1).max(10_000).default(10_000),
});

/** The run as it was after this event. */
export const stateQuery = z.strictObject({ at: z.coerce.number().int().min(1) });

export const whyQuery = z.strictObject({
  /** Without it, the run itself. */
  agent: agentId.optional(),
  /** As of this event; without it, now. */
  at: z.coerce.number().int().min(1).optional(),
});

/** How often a poller has missed, this time included. */
export const missQuery = z.strictObject({ miss: z.coerce.number().int().min(1).max(1_000).default(1) });

export const bulkCancelBody = z.strictObject({
  /** Without it, every run that is active or waits for its turn. */
  session_ids: z.array(z.string().min(1).max(128)).min(1).max(100).optional(),
  /** Says what would be cancelled, and cancels nothing. */
  dry_run: z.boolean().default(false),
});

export const listQuery = z.strictObject({
  limit: z.coerce.number().int().min(1).max(100).default(20),
  /** Where the page before ended: the time of its last run in ms since the epoch, and its session id to tell ties apart. */
  before: z
    .string()
    .regex(/^\d{1,15}(\.[\w-]{1,64})?$/, "must be a `next_before` of an earlier page, or a time in ms")
    .transform((cursor) => {
      const [time, sessionId] = cursor.split(".");
      return { time: Number(time), sessionId: sessionId ?? "" };
    })
    .optional(),
});
