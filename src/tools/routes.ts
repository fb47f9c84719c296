// OPAL's custom tools: it reads which functions there are, and calls them. A front door like the webhooks'.
import { zValidator } from "@hono/zod-validator";
import { type Context, Hono } from "hono";
import type { AppEnv } from "../app-env.ts";
import { AGENT_IDS, canonicalAgentId } from "../opal/agents.ts";
import { now } from "../platform/clock.ts";
import { refuse } from "../platform/refusal.ts";
import { refuseInvalid } from "../validate.ts";
import { WEBHOOK_LIMIT_BYTES } from "../webhooks/authenticate.ts";
import { keepHeaders } from "../webhooks/kept-headers.ts";
import { noteRefusedCalls } from "../webhooks/rejections.ts";
import { behindWall } from "../webhooks/wall.ts";
import { readCall } from "./call.ts";
import { codeOf, type DeliveryAnswer, deliverData, severalAnswer } from "./delivering.ts";
import { discoveryDocument, enhancedToolsDocument } from "./discovery.ts";
import { agentDataDocument, documentsFrom, type Fields } from "./documents.ts";
import { type FunctionName, isDelivering, isFunctionName, scopeOf } from "./functions.ts";
import { checkCall, readFunction } from "./reading.ts";
import { agentDataBody, enhancedToolsQuery, namedWorkflow } from "./schema.ts";
import { refuseScope, requireTokenOrPrincipal, requireToolsToken } from "./token.ts";

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

export const toolRoutes = new Hono<AppEnv>()
  .use(behindWall, noteRefusedCalls, requireToolsToken)
  .post("/:function", (c) => {
    const name = c.req.param("function");
    return isFunctionName(name) ? callFunction(c, name) : c.var.problem(refuse("resource_not_found"));
  });

/** The same function under an address of its own. */
export const workflowDataRoutes = new Hono<AppEnv>()
  .use(behindWall, noteRefusedCalls, requireToolsToken)
  .post("/", (c) => callFunction(c, "osa_workflow_data"));

/** What one agent found, under an address of its own. */
export const agentDataRoutes = new Hono<AppEnv>()
  .use(behindWall, noteRefusedCalls, requireToolsToken)
  .post("/:agentId", async (c) => {
    const startedAt = now();
    const refused = refuseScope(c, "deliver");
    if (refused) return refused;
    const spelling = c.req.param("agentId");
    const agentId = canonicalAgentId(spelling);
    if (agentId === undefined) {
      const detail = `There is no such agent; the agents are ${AGENT_IDS.join(", ")}.`;
      return c.var.problem(
        refuse("resource_not_found", { detail, members: { resource_type: "agent", resource_id: spelling } }),
      );
    }
    const call = await readCall(c.req.raw, WEBHOOK_LIMIT_BYTES);
    if (!call.ok) return c.var.problem(call);
    const checked = checkCall(c, agentDataBody(agentId), call);
    if (checked instanceof Response) return checked;
    const documents = [agentDataDocument(agentId, call.parameters)];
    return deliver(c, { source: "opal_agent_data", documents, startedAt }, ([first]) => first);
  });

async function callFunction(c: Context<AppEnv>, name: FunctionName): Promise<Response> {
  const startedAt = now();
  const refused = refuseScope(c, scopeOf(name));
  if (refused) return refused;
  const limitBytes = isDelivering(name) ? WEBHOOK_LIMIT_BYTES : QUESTION_LIMIT_BYTES;
  const call = await readCall(c.req.raw, limitBytes);
  if (!call.ok) return c.var.problem(call);
  if (!isDelivering(name)) return readFunction(c, name, call);
  const named = checkCall(c, namedWorkflow, call);
  if (named instanceof Response) return named;
  const given = { source: `opal_tool:${name}`, documents: documentsFrom(name, call.parameters), startedAt };
  return deliver(c, given, (deliveries) =>
    name === "osa_workflow_data" ? { ...severalAnswer(deliveries), deliveries } : deliveries[0],
  );
}

interface Given {
  readonly source: string;
  readonly documents: readonly Fields[];
  readonly startedAt: number;
}

async function deliver(
  c: Context<AppEnv>,
  { source, documents, startedAt }: Given,
  say: (deliveries: readonly DeliveryAnswer[]) => object | undefined,
): Promise<Response> {
  const { workspace } = c.var.principal;
  const { requestId } = c.var;
  const delivered = await deliverData(c.env, {
    ...{ source, documents, workspace, requestId, now: startedAt },
    headers: keepHeaders(c.req.raw.headers),
  });
  if (!delivered.ok) return c.var.problem(delivered);
  const { deliveries, correlationId } = delivered;
  const common = {
    success: true,
    correlation_id: correlationId ?? requestId,
    processing_time_ms: now() - startedAt,
  };
  return c.json({ ...say(deliveries), ...common }, codeOf(deliveries));
}
