// A generous wall per address in front of every receiver: it keeps a flood from the receivers, it does not ration senders.
import { createMiddleware } from "hono/factory";
import type { AppEnv } from "../app-env.ts";
import { refuse } from "../platform/refusal.ts";

/** As long as the binding's own span, in seconds. */
const SPAN_SECONDS = 10;

/** Counted by the platform per location, and only roughly. Refuses: rate_limited. */
export const behindWall = createMiddleware<AppEnv>(async function behindWall(c, next) {
  // Set by the platform, so that nobody can pretend to be somebody else.
  const address = c.req.header("CF-Connecting-IP") ?? "unknown";
  const { success } = await c.env.RECEIVER_WALL.limit({ key: address });
  return success ? next() : c.var.problem(refuse("rate_limited", { retryAfterSeconds: SPAN_SECONDS }));
});
