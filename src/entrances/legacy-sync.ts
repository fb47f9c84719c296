// The sync entrance of old. It is deprecated, and says so in every answer; what it starts is a force sync like any other.
import { zValidator } from "@hono/zod-validator";
import { Hono } from "hono";
import { createMiddleware } from "hono/factory";
import { requirePrincipal } from "../access/principal.ts";
import type { AppEnv } from "../app-env.ts";
import { ConfigurationError, type Env, settingsFrom } from "../env.ts";
import { WORKFLOW_NAME } from "../opal/client.ts";
import { log } from "../platform/log.ts";
import { refuse } from "../platform/refusal.ts";
import { triggerHeaders } from "../sync/schema.ts";
import { orderFrom, startedHeaders, startSync } from "../sync/starting.ts";
import { onlyJson, refuseInvalid, smallBody } from "../validate.ts";
import { configurationAnswer, configurationRefusal, legacySyncAnswer } from "./answers.ts";
import { announceDeprecation } from "./deprecation.ts";
import { legacySyncBody } from "./schema.ts";

/** In front of the sign-in: with a wrong setting nobody can sign in, and whoever looks for the reason has to find it. */
const requireConfiguration = createMiddleware<AppEnv>(async function requireConfiguration(c, next) {
  const problems = configurationProblems(c.env);
  if (problems === undefined) return next();
  log("error", "configuration_error", { request_id: c.var.requestId, path: c.req.path, error: problems.join("; ") });
  return c.var.problem(configurationRefusal(problems));
});

export const legacySyncRoutes = new Hono<AppEnv>()
  .use(announceDeprecation, requireConfiguration, requirePrincipal, smallBody, onlyJson)
  .get("/", (c) => c.json(configurationAnswer(settingsFrom(c.env), c.var.principal.workspace)))
  .post(
    "/",
    zValidator("json", legacySyncBody, refuseInvalid),
    zValidator("header", triggerHeaders, refuseInvalid),
    async (c) => {
      const body = c.req.valid("json");
      const { workflow_name: workflow = WORKFLOW_NAME } = body;
      if (workflow !== WORKFLOW_NAME) return c.var.problem(refuse("workflow_not_allowed"));
      const order = orderFrom(body, c.var.principal.name, "force_sync");
      const answer = await startSync(c, order, c.req.valid("header")["idempotency-key"], body);
      if (!answer.ok) return c.var.problem(answer);
      const { sync, isRepeat } = answer;
      return c.json(legacySyncAnswer(sync), sync.outcome === "queued" ? 202 : 200, startedHeaders(sync, isRepeat));
    },
  );

function configurationProblems(env: Env): readonly string[] | undefined {
  try {
    settingsFrom(env);
    return undefined;
  } catch (error) {
    if (error instanceof ConfigurationError) return error.problems;
    throw error;
  }
}
