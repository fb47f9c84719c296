// Starting the workflow by its name, for callers that keep sessions of their own.
import { zValidator } from "@hono/zod-validator";
import { Hono } from "hono";
import { requirePrincipal } from "../access/principal.ts";
import type { AppEnv } from "../app-env.ts";
import { WORKFLOW_NAME } from "../opal/client.ts";
import { refuse } from "../platform/refusal.ts";
import { workspaceOf } from "../sync/finding.ts";
import { triggerHeaders } from "../sync/schema.ts";
import { startedHeaders, startSync } from "../sync/starting.ts";
import { onlyJson, refuseInvalid, smallBody } from "../validate.ts";
import { orchestrationAnswer, orchestrationDescription } from "./answers.ts";
import { orchestrationOrder } from "./orders.ts";
import { orchestrationBody } from "./schema.ts";

export const orchestrationRoutes = new Hono<AppEnv>()
  .use("/trigger", requirePrincipal, smallBody, onlyJson)
  .get("/trigger", async (c) => c.json(orchestrationDescription(await workspaceOf(c).overview())))
  .post(
    "/trigger",
    zValidator("json", orchestrationBody, refuseInvalid),
    zValidator("header", triggerHeaders, refuseInvalid),
    async (c) => {
      const body = c.req.valid("json");
      if (body.workflow_name !== WORKFLOW_NAME) return c.var.problem(refuse("workflow_not_allowed"));
      const order = orchestrationOrder(body, c.var.principal.name);
      const answer = await startSync(c, order, c.req.valid("header")["idempotency-key"], body);
      if (!answer.ok) return c.var.problem(answer);
      const { sync, isRepeat } = answer;
      const status = sync.outcome === "queued" ? 202 : 200;
      return c.json(orchestrationAnswer(sync, body.session_id), status, startedHeaders(sync, isRepeat));
    },
  );
