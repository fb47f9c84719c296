// Reliability over HTTP: how things stand, and the numbers behind it.
import { zValidator } from "@hono/zod-validator";
import { drizzle } from "drizzle-orm/d1";
import { type Context, Hono } from "hono";
import { z } from "zod";
import { requirePrincipal } from "../access/principal.ts";
import type { AppEnv } from "../app-env.ts";
import { now } from "../platform/clock.ts";
import { describeError, log } from "../platform/log.ts";
import { workspaceOf } from "../sync/finding.ts";
import { listRuns, recentRuns24h } from "../sync/store.ts";
import { refuseInvalid } from "../validate.ts";
import {
  isReliabilityEntry,
  type RecentRuns,
  type ReliabilityFacts,
  reliabilityHealth,
  reliabilityMetrics,
} from "./reliability.ts";

const NO_STORE = { "Cache-Control": "no-store" };
const DAY_MS = 24 * 60 * 60_000;
/** For so long a run that called for people counts as something to look at, after it has ended. */
const ESCALATION_MS = 60 * 60_000;
const RUNS_LOOKED_AT = 20;
/** Entries of the workspace's log that are searched for history, and that are shown of it. */
const ENTRIES_SEARCHED = 2_000;
const ENTRIES_SHOWN = 100;

const metricsQuery = z.strictObject({
  include_history: z
    .enum(["true", "false"])
    .default("false")
    .transform((word) => word === "true"),
});

export const reliabilityRoutes = new Hono<AppEnv>()
  .get("/health", requirePrincipal, async (c) => {
    const at = now();
    return c.json(reliabilityHealth(await gather(c, at), at), 200, NO_STORE);
  })
  .get("/metrics", requirePrincipal, zValidator("query", metricsQuery, refuseInvalid), async (c) => {
    const at = now();
    const facts = await gather(c, at);
    const history = c.req.valid("query").include_history ? await readHistory(c) : undefined;
    return c.json(reliabilityMetrics(facts, history, at), 200, NO_STORE);
  });

async function gather(c: Context<AppEnv>, at: number): Promise<ReliabilityFacts> {
  const workspace = workspaceOf(c);
  const [control, { runs }, fallback, held, recent] = await Promise.all([
    workspace.control(),
    workspace.overview(),
    workspace.fallback(),
    workspace.held(1),
    readRecentRuns(c, at),
  ]);
  const oldestSince = held.deliveries[0]?.heldSince ?? null;
  return { control, runs, fallback, held: { total: held.total, oldestSince }, recent };
}

async function readRecentRuns(c: Context<AppEnv>, at: number): Promise<RecentRuns | undefined> {
  const { workspace } = c.var.principal;
  const db = drizzle(c.env.DB);
  try {
    const [counts, runs] = await Promise.all([
      recentRuns24h(db, workspace, at - DAY_MS),
      listRuns(db, { workspace, limit: RUNS_LOOKED_AT }),
    ]);
    const escalated = runs.filter((run) => run.escalations > 0 && (run.endedAt ?? at) >= at - ESCALATION_MS);
    return { ...counts, escalated: escalated.map((run) => run.sessionId) };
  } catch (error) {
    log("error", "read_model_unavailable", { request_id: c.var.requestId, error: describeError(error) });
    return undefined;
  }
}

async function readHistory(c: Context<AppEnv>) {
  const entries = await workspaceOf(c).log(Number.MAX_SAFE_INTEGER, ENTRIES_SEARCHED);
  return entries.filter(isReliabilityEntry).slice(0, ENTRIES_SHOWN);
}
