// Are the stored states what the logs say, and D1 what both say? Asked run by run, for administrators.
import { zValidator } from "@hono/zod-validator";
import { Hono } from "hono";
import { z } from "zod";
import { requireAdmin, requirePrincipal } from "../access/principal.ts";
import type { AppEnv } from "../app-env.ts";
import { describeError, log } from "../platform/log.ts";
import { refuse } from "../platform/refusal.ts";
import { sessionOf, workspaceOf } from "../sync/finding.ts";
import { refuseInvalid } from "../validate.ts";
import { checkRun, LOOKS_AGAIN, type RunCheck } from "./run-check.ts";

const NO_STORE = { "Cache-Control": "no-store" };

const pageQuery = z.strictObject({
  /** `next_after` of the page before. */
  after: z.string().max(64).default(""),
  limit: z.coerce.number().int().min(1).max(50).default(20),
});

export const consistencyRoutes = new Hono<AppEnv>().get(
  "/consistency",
  requirePrincipal,
  requireAdmin,
  zValidator("query", pageQuery, refuseInvalid),
  async (c) => {
    const { after, limit } = c.req.valid("query");
    const ids = await workspaceOf(c).sessions(after, limit);
    const runs: ReturnType<typeof checkedRun>[] = [];
    let looksAgain = LOOKS_AGAIN;
    try {
      // One after the other: each holds the bodies of a whole run while it is compared.
      for (const id of ids) {
        const check = await checkRun(sessionOf(c, id), looksAgain);
        looksAgain -= check.looksAgain;
        runs.push(checkedRun(id, check));
      }
    } catch (error) {
      log("error", "consistency_unknown", { request_id: c.var.requestId, error: describeError(error) });
      const detail = "The read model does not answer, so nothing can be compared with it.";
      return c.var.problem(refuse("service_unavailable", { detail, retryAfterSeconds: 5 }));
    }
    const consistent = runs.every((run) => run.consistent);
    const nextAfter = ids.length === limit ? (ids.at(-1) ?? null) : null;
    return c.json({ success: true, checked: runs.length, consistent, runs, next_after: nextAfter }, 200, NO_STORE);
  },
);

function checkedRun(sessionId: string, { isStateFold, rows, differences }: RunCheck) {
  // The workspace knows only of runs that began, so one without a log has lost it.
  const hasLog = rows > 0;
  return {
    session_id: sessionId,
    consistent: hasLog && isStateFold && differences.length === 0,
    has_log: hasLog,
    state_is_fold: isStateFold,
    rows,
    differences,
  };
}
