// A generous wall per address in front of every receiver: it keeps a flood from the receivers, it does not ration senders.
import { createMiddleware } from "hono/factory";
import type { AppEnv } from "../app-env.ts";
import { now } from "../platform/clock.ts";
import { refuse } from "../platform/refusal.ts";

/** As long as the binding's own span. */
const SPAN_MS = 10_000;
/** An address that has sent this many requests to this isolate within a span is counted by the platform from then on. */
const BUSY_REQUESTS = 200;
/** Addresses counted here at once; beyond that all are forgotten, and every one begins anew. */
const ADDRESSES_COUNTED = 10_000;

/** What this isolate has seen in this span. Losing it only means that the platform counts later. */
let seen = { since: 0, requests: new Map<string, number>() };

/** Counted by the platform per location, and only roughly. Refuses: rate_limited. */
export const behindWall = createMiddleware<AppEnv>(async function behindWall(c, next) {
  // Set by the platform, so that nobody can pretend to be somebody else.
  const address = c.req.header("CF-Connecting-IP") ?? "unknown";
  if (!isBusy(address, now())) return next();
  const { success } = await c.env.RECEIVER_WALL.limit({ key: address });
  if (success) return next();
  return c.var.problem(refuse("rate_limited", { retryAfterSeconds: SPAN_MS / 1000 }));
});

function isBusy(address: string, at: number): boolean {
  if (at - seen.since >= SPAN_MS || seen.requests.size >= ADDRESSES_COUNTED) seen = { since: at, requests: new Map() };
  const requests = (seen.requests.get(address) ?? 0) + 1;
  seen.requests.set(address, requests);
  return requests > BUSY_REQUESTS;
}
