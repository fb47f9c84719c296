// The webhook front door: OPAL posts here; the signature is the only credential.
import { type Context, Hono } from "hono";
import type { AppEnv } from "../app-env.ts";
import { settingsFrom } from "../env.ts";
import { now } from "../platform/clock.ts";
import { SAFE_NAME } from "../platform/ids.ts";
import { refuse } from "../platform/refusal.ts";
import { deliveryAnswer } from "./answers.ts";
import { receive, WEBHOOK_LIMIT_BYTES } from "./receive.ts";
import { TOLERANCE_SECONDS } from "./signature.ts";

export const webhookRoutes = new Hono<AppEnv>()
  .get("/opal-workflow", (c) => c.json(selfDescription()))
  .post("/opal-workflow", (c) => receiveFor(c, settingsFrom(c.env).workspace))
  .get("/opal-workflow/:workspace", (c) => c.json(selfDescription()))
  .post("/opal-workflow/:workspace", (c) => receiveFor(c, c.req.param("workspace")));

async function receiveFor(c: Context<AppEnv>, workspace: string): Promise<Response> {
  if (!SAFE_NAME.test(workspace)) return c.var.problem(refuse("resource_not_found"));
  const startedAt = now();
  const received = await receive(c.env, { request: c.req.raw, workspace, requestId: c.var.requestId, now: startedAt });
  if (!received.ok) return c.var.problem(received);
  const common = {
    success: true,
    webhook_id: received.deliveryId,
    correlation_id: received.correlationId ?? c.var.requestId,
    processing_time_ms: now() - startedAt,
  };
  const { code, said } = deliveryAnswer(received);
  return c.json({ ...said, ...common }, code);
}

function selfDescription() {
  return {
    success: true,
    endpoint: "opal-workflow",
    signature: {
      header: "X-OSA-Signature",
      format: "t=<unix seconds>,v1=<hex HMAC-SHA256 of `t.body`>",
      tolerance_seconds: TOLERANCE_SECONDS,
    },
    // Looked at only when X-OSA-Signature is absent.
    other_signature: {
      standard: "Standard Webhooks",
      header: "webhook-signature",
      format: "v1,<base64 HMAC-SHA256 of `webhook-id.webhook-timestamp.body`>, several separated by spaces",
      further_headers: ["webhook-id", "webhook-timestamp"],
      key: "the shared secret's UTF-8 bytes, or what follows `whsec_` in it, in base64",
      tolerance_seconds: TOLERANCE_SECONDS,
    },
    content_type: "application/json",
    max_bytes: WEBHOOK_LIMIT_BYTES,
  };
}
