// What went wrong with agents, over HTTP.
import { zValidator } from "@hono/zod-validator";
import { drizzle } from "drizzle-orm/d1";
import { Hono } from "hono";
import { z } from "zod";
import { requirePrincipal } from "../access/principal.ts";
import type { AppEnv } from "../app-env.ts";
import { AGENT_IDS, canonicalAgentId } from "../opal/agents.ts";
import { now } from "../platform/clock.ts";
import { describeError, log } from "../platform/log.ts";
import { refuse } from "../platform/refusal.ts";
import { refuseInvalid } from "../validate.ts";
import { listTrouble, type TroubleFilter, troubleCounts, troublePatterns } from "./agent-log-store.ts";
import { agentLogsAnswer, placeFrom } from "./agent-logs.ts";

const NO_STORE = { "Cache-Control": "no-store" };
const DAY_MS = 24 * 60 * 60_000;
const LONGEST_DAYS = 30;

const time = z.iso.datetime({ offset: true }).transform((text) => Date.parse(text));

const logsQuery = z
  .strictObject({
    agent: z
      .string()
      .transform((spelling, ctx) => {
        const agentId = canonicalAgentId(spelling);
        if (agentId !== undefined) return agentId;
        ctx.addIssue({ code: "custom", message: `must be one of ${AGENT_IDS.join(", ")}` });
        return z.NEVER;
      })
      .optional(),
    level: z.enum(["error", "warning"]).optional(),
    from: time.optional(),
    to: time.optional(),
    /** `next_cursor` of the page before, asked with the same filters. */
    cursor: z
      .string()
      .transform((text, ctx) => {
        const place = placeFrom(text);
        if (place !== undefined) return place;
        ctx.addIssue({ code: "custom", message: "is not a next_cursor" });
        return z.NEVER;
      })
      .optional(),
    limit: z.coerce.number().int().min(1).max(200).default(50),
  })
  .transform(({ from, to, ...rest }, ctx) => {
    const end = to ?? now() + 1;
    const start = from ?? end - DAY_MS;
    const isTooLong = end - start > LONGEST_DAYS * DAY_MS;
    if (start >= end) ctx.addIssue({ code: "custom", path: ["from"], message: "must be before to" });
    if (isTooLong)
      ctx.addIssue({ code: "custom", path: ["from"], message: `must be within ${LONGEST_DAYS} days of to` });
    return { ...rest, from: start, to: end };
  });

export const monitoringRoutes = new Hono<AppEnv>().get(
  "/agent-logs",
  requirePrincipal,
  zValidator("query", logsQuery, refuseInvalid),
  async (c) => {
    const { agent: agentId, level, from, to, cursor, limit } = c.req.valid("query");
    const { workspace } = c.var.principal;
    const filter: TroubleFilter = { workspace, from, to, agentId, level };
    const at = now();
    const db = drizzle(c.env.DB);
    try {
      const [rows, patterns, counts] = await Promise.all([
        listTrouble(db, filter, { limit, after: cursor }),
        troublePatterns(db, filter),
        troubleCounts(db, { workspace, from: at - DAY_MS, to: at + 1 }),
      ]);
      return c.json(agentLogsAnswer({ rows, patterns, counts }, { from, to, limit }), 200, NO_STORE);
    } catch (error) {
      log("error", "read_model_unavailable", { request_id: c.var.requestId, error: describeError(error) });
      const detail = "The agents' past cannot be read at the moment; running syncs are not affected.";
      return c.var.problem(refuse("service_unavailable", { detail, retryAfterSeconds: 5 }));
    }
  },
);
