// What controls a workspace, over HTTP: emergency switch, circuit breaker, log, and the last good run.
import { zValidator } from "@hono/zod-validator";
import { Hono } from "hono";
import { requireAdmin } from "../access/principal.ts";
import type { AppEnv } from "../app-env.ts";
import { now } from "../platform/clock.ts";
import { workspaceOf } from "../sync/finding.ts";
import { refuseInvalid } from "../validate.ts";
import { breakerDetails, controlAnswer, fallbackAnswer, logEntryAnswer } from "./control-answers.ts";
import { logQuery, resetBody, switchBody } from "./schema.ts";

const NO_STORE = { "Cache-Control": "no-store" };

/** Mounted behind `requirePrincipal`. */
export const controlRoutes = new Hono<AppEnv>()
  .get("/control", async (c) => {
    const overview = await workspaceOf(c).overview();
    return c.json(controlAnswer(overview, overview.activeSessionId), 200, NO_STORE);
  })
  .put("/switch", requireAdmin, zValidator("json", switchBody, refuseInvalid), async (c) => {
    const body = c.req.valid("json");
    const { name } = c.var.principal;
    const workspace = workspaceOf(c);
    const control = body.enabled
      ? await workspace.switchOn(name, body.reason ?? null)
      : await workspace.switchOff(name, body.reason);
    return c.json(controlAnswer(control, (await workspace.overview()).activeSessionId), 200, NO_STORE);
  })
  .get("/breaker", async (c) => c.json(breakerDetails(await workspaceOf(c).control()), 200, NO_STORE))
  .post("/breaker/reset", requireAdmin, zValidator("json", resetBody, refuseInvalid), async (c) => {
    await workspaceOf(c).resetBreaker(c.var.principal.name, c.req.valid("json").reason ?? null);
    return c.json(breakerDetails(await workspaceOf(c).control()), 200, NO_STORE);
  })
  .get("/log", zValidator("query", logQuery, refuseInvalid), async (c) => {
    const { before, limit } = c.req.valid("query");
    const entries = await workspaceOf(c).log(before, limit);
    const nextBefore = entries.length === limit ? (entries.at(-1)?.seq ?? null) : null;
    return c.json({ success: true, entries: entries.map(logEntryAnswer), next_before: nextBefore }, 200, NO_STORE);
  })
  .get("/fallback", async (c) => c.json(fallbackAnswer(await workspaceOf(c).fallback(), now()), 200, NO_STORE))
  .delete("/fallback", requireAdmin, async (c) => {
    await workspaceOf(c).clearFallback(c.var.principal.name);
    return c.json(fallbackAnswer(await workspaceOf(c).fallback(), now()), 200, NO_STORE);
  });
