// OPAL's custom tools: it reads which functions there are, and calls them. A front door like the webhooks'.
import { zValidator } from "@hono/zod-validator";
import { type Context, Hono } from "hono";
import type { AppEnv } from "../app-env.ts";
import { now } from "../platform/clock.ts";
import { refuse } from "../platform/refusal.ts";
import { refuseInvalid } from "../validate.ts";
import { WEBHOOK_LIMIT_BYTES } from "../webhooks/receive.ts";
import { readCall } from "./call.ts";
import { codeOf, deliverData, severalAnswer } from "./delivering.ts";
import { discoveryDocument, enhancedToolsDocument } from "./discovery.ts";
import { type FunctionName, isDelivering, isFunctionName } from "./functions.ts";
import { checkCall, readFunction } from "./reading.ts";
import { enhancedToolsQuery, namedWorkflow } from "./schema.ts";
import { requireTokenOrPrincipal, requireToolsToken } from "./token.ts";

/** Questions are small. */
const QUESTION_LIMIT_BYTES = 64 * 1024;

/** Public: says nothing about any workspace. */
export const discoveryRoutes = new Hono<AppEnv>().get("/", (c) =>
  c.json(discoveryDocument(), 200, { "Cache-Control": "public, max-age=300" }),
);

export const enhancedToolsRoutes = new Hono<AppEnv>()
  .use(requireTokenOrPrincipal)
  .get("/", zValidator("query", enhancedToolsQuery, refuseInvalid), (c) => {
    const { tool_category: category } = c.req.valid("query");
    return c.json(enhancedToolsDocument(category, c.var.principal.workspace));
  });

export const toolRoutes = new Hono<AppEnv>().use(requireToolsToken).post("/:function", (c) => {
  const name = c.req.param("function");
  return isFunctionName(name) ? callFunction(c, name) : c.var.problem(refuse("resource_not_found"));
});

/** The same function under an address of its own. */
export const workflowDataRoutes = new Hono<AppEnv>()
  .use(requireToolsToken)
  .post("/", (c) => callFunction(c, "osa_workflow_data"));

async function callFunction(c: Context<AppEnv>, name: FunctionName): Promise<Response> {
  const startedAt = now();
  const limitBytes = isDelivering(name) ? WEBHOOK_LIMIT_BYTES : QUESTION_LIMIT_BYTES;
  const call = await readCall(c.req.raw, limitBytes);
  if (!call.ok) return c.var.problem(call);
  if (!isDelivering(name)) return readFunction(c, name, call);
  const named = checkCall(c, namedWorkflow, call);
  if (named instanceof Response) return named;
  const { workspace } = c.var.principal;
  const { requestId } = c.var;
  const delivered = await deliverData(c.env, {
    name,
    parameters: call.parameters,
    workspace,
    requestId,
    now: startedAt,
  });
  if (!delivered.ok) return c.var.problem(delivered);
  const { deliveries, correlationId } = delivered;
  const common = {
    success: true,
    correlation_id: correlationId ?? requestId,
    processing_time_ms: now() - startedAt,
  };
  const [first] = deliveries;
  const said = name === "osa_workflow_data" ? { ...severalAnswer(deliveries), deliveries } : first;
  return c.json({ ...said, ...common }, codeOf(deliveries));
}
