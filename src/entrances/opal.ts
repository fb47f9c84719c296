// The entrance in OPAL's own terms: kinds of analysis, objectives and agents instead of scopes.
import { zValidator } from "@hono/zod-validator";
import { type Context, Hono } from "hono";
import { requirePrincipal } from "../access/principal.ts";
import type { AppEnv } from "../app-env.ts";
import { settingsFrom } from "../env.ts";
import { missAdvice } from "../sync/answers.ts";
import { findRunOrQueued, workspaceOf } from "../sync/finding.ts";
import { missQuery, triggerHeaders } from "../sync/schema.ts";
import { startedHeaders, startSync } from "../sync/starting.ts";
import { onlyJson, refuseInvalid, smallBody } from "../validate.ts";
import { opalTriggerAnswer } from "./answers.ts";
import { opalOrder } from "./orders.ts";
import { opalTriggerBody } from "./schema.ts";
import { opalQueuedAnswer, opalStatusAnswer } from "./status-answer.ts";

const NO_STORE = { "Cache-Control": "no-store" };

export const opalTriggerRoutes = new Hono<AppEnv>()
  .use(requirePrincipal, smallBody, onlyJson)
  .post(
    "/",
    zValidator("json", opalTriggerBody, refuseInvalid),
    zValidator("header", triggerHeaders, refuseInvalid),
    async (c) => {
      const body = c.req.valid("json");
      const order = opalOrder(body, c.var.principal.name);
      const answer = await startSync(c, order, c.req.valid("header")["idempotency-key"], body);
      if (!answer.ok) return c.var.problem(answer);
      const { sync, isRepeat } = answer;
      const said = opalTriggerAnswer(sync, new URL(c.req.url).origin, namedWorkspace(c));
      return c.json(said, 201, startedHeaders(sync, isRepeat));
    },
  );

/** By any of the four ids. */
export const opalStatusRoutes = new Hono<AppEnv>()
  .use(requirePrincipal)
  .get("/:id", zValidator("query", missQuery, refuseInvalid), async (c) => {
    const id = c.req.param("id");
    const found = await findRunOrQueued(c, id);
    if (found.ok && "queued" in found) return c.json(opalQueuedAnswer(found.queued, id), 200, NO_STORE);
    if (found.ok) {
      const expected = found.run.isOver ? undefined : await workspaceOf(c).estimate(found.run.sessionId);
      return c.json(opalStatusAnswer(found.run, id, expected), 200, NO_STORE);
    }
    if (found.code !== "session_not_found") return c.var.problem(found);
    const members = { workflow_id: id, ...missAdvice(c.req.valid("query").miss) };
    return c.var.problem({ ...found, members: { ...found.members, ...members, error: "Workflow not found" } });
  });

/** Null for the default workspace, whose receiver needs no name. */
function namedWorkspace(c: Context<AppEnv>): string | null {
  const { workspace } = c.var.principal;
  return workspace === settingsFrom(c.env).workspace ? null : workspace;
}
