// Diagnostics over HTTP, for administrators: the last webhooks, whether everything configured works, tidying up.
import { zValidator } from "@hono/zod-validator";
import { type Context, Hono } from "hono";
import { z } from "zod";
import { requireAdmin, requirePrincipal } from "../access/principal.ts";
import type { AppEnv } from "../app-env.ts";
import { cleanupEvents } from "../events/retention.ts";
import { now } from "../platform/clock.ts";
import { iso } from "../platform/iso.ts";
import { describeError, log } from "../platform/log.ts";
import { refuse } from "../platform/refusal.ts";
import { workspaceOf } from "../sync/finding.ts";
import { onlyJson, refuseInvalid, smallBody } from "../validate.ts";
import type { LogEntry } from "../workspace/log.ts";
import { checkConfiguration } from "./configuration-check.ts";
import { ATTEMPT_STATUSES, lookAtWebhooks } from "./diagnostics.ts";
import { attemptsAnswer, pressuresAnswer, rejectionsAnswer, systemHealth } from "./last-webhooks.ts";

const NO_STORE = { "Cache-Control": "no-store" };
const DAY_MS = 24 * 60 * 60_000;
/** What one request deletes; `remaining` says whether there is more. */
const CLEANUP_BUDGET = { events: 20_000, ms: 20_000 };

const instant = z.iso.datetime({ offset: true }).transform((text) => Date.parse(text));
const day = z.iso.date().transform((text) => Date.parse(`${text}T00:00:00Z`));

const lastQuery = z
  .strictObject({
    limit: z.coerce.number().int().min(1).max(100).default(10),
    status: z.enum(ATTEMPT_STATUSES).optional(),
    /** A time, or a day from its beginning. */
    start_date: z.union([instant, day], "must be a date or a time in ISO 8601").optional(),
    /** A time, or a day to its end. */
    end_date: z.union([instant, day.transform((at) => at + DAY_MS)], "must be a date or a time in ISO 8601").optional(),
  })
  .refine(({ start_date: start, end_date: end }) => start === undefined || end === undefined || start < end, {
    path: ["end_date"],
    message: "must be after start_date",
  });

const actionBody = z.strictObject({
  action: z.enum(["test_configuration", "cleanup_old_events"]),
  retention_days: z.number().int().min(1).max(365).default(30),
});

export const diagnosticsRoutes = new Hono<AppEnv>()
  .use("/last-webhook", requirePrincipal, requireAdmin)
  .get("/last-webhook", zValidator("query", lastQuery, refuseInvalid), async (c) => {
    const { limit, status, start_date: from, end_date: to } = c.req.valid("query");
    const { workspace } = c.var.principal;
    const found = await lookAtWebhooks(c.env, { workspace, limit, status, from, to }, now());
    const answer = {
      success: true,
      events: attemptsAnswer(found, limit),
      system_health: systemHealth(found.counts),
      held: found.held ? { total: found.held.total, oldest_since: iso(found.held.oldestSince) } : null,
      rejections: rejectionsAnswer(found.totals),
      pressure: pressuresAnswer(found.pressures),
      /** Parts that did not answer, so that nothing is said of them. */
      not_answering: found.silent,
    };
    return c.json(answer, 200, NO_STORE);
  })
  .post("/last-webhook", smallBody, onlyJson, zValidator("json", actionBody, refuseInvalid), async (c) => {
    const { action, retention_days: days } = c.req.valid("json");
    const { workspace } = c.var.principal;
    if (action === "test_configuration") {
      const checks = await checkConfiguration(c.env, workspace);
      const failed = checks.filter((check) => !check.ok).map((check) => check.name);
      const audited = await note(c, "configuration_tested", { checks: checks.length, failed });
      const answer = {
        success: true,
        action,
        ok: failed.length === 0,
        failed,
        audited,
        checks: checks.map(({ name: what, ok, detail, durationMs }) => ({
          ...{ name: what, ok, detail, duration_ms: durationMs },
        })),
      };
      return c.json(answer, 200, NO_STORE);
    }
    try {
      const { before, ...counts } = await cleanupEvents(c.env, workspace, days, CLEANUP_BUDGET);
      const audited = await note(c, "old_events_cleaned", { retention_days: days, ...counts });
      const answer = { success: true, action, retention_days: days, before: iso(before), ...counts, audited };
      return c.json(answer, 200, NO_STORE);
    } catch (error) {
      log("error", "cleanup_failed", { request_id: c.var.requestId, error: describeError(error) });
      const detail =
        "The event store does not answer. What was deleted so far stays deleted; send it again for the rest.";
      return c.var.problem(refuse("service_unavailable", { detail, retryAfterSeconds: 5 }));
    }
  });

/** Whether it stands in the workspace's log; a workspace that does not answer hides nothing of what was found. */
async function note(c: Context<AppEnv>, type: LogEntry["type"], data: LogEntry["data"]): Promise<boolean> {
  try {
    await workspaceOf(c).note(type, c.var.principal.name, data);
    return true;
  } catch (error) {
    log("error", "not_audited", { request_id: c.var.requestId, what: type, error: describeError(error) });
    return false;
  }
}
