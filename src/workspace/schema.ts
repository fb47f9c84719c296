// What callers may send to the endpoints that control a workspace.
import { z } from "zod";

const reason = z.string().trim().min(3).max(500);

export const switchBody = z.discriminatedUnion("enabled", [
  /** Whoever is refused because of it will want to know why. */
  z.strictObject({ enabled: z.literal(false), reason }),
  z.strictObject({ enabled: z.literal(true), reason: reason.optional() }),
]);

export const resetBody = z.strictObject({ reason: reason.optional() });

export const logQuery = z.strictObject({
  /** Only entries older than this one. */
  before: z.coerce.number().int().min(1).default(Number.MAX_SAFE_INTEGER),
  limit: z.coerce.number().int().min(1).max(500).default(100),
});
