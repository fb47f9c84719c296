// What callers may send to the force sync endpoints.
import { z } from "zod";
import { SYNC_SCOPES } from "./plan.ts";

const name = z.string().trim().min(1).max(200);

/** Unknown keys are refused, so that a misspelt option is not silently ignored. */
export const triggerBody = z.strictObject({
  sync_scope: z.enum(SYNC_SCOPES).default("quick"),
  /** Any other name than the one allowed is refused as such, not as a misspelt field. */
  workflow_name: z.string().max(200).optional(),
  client_context: z.strictObject({ client_name: name.optional(), industry: name.optional() }).optional(),
});

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

/** How often a poller has missed, this time included. */
export const missQuery = z.strictObject({ miss: z.coerce.number().int().min(1).max(1_000).default(1) });

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
