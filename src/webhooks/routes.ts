// The webhook front door: OPAL posts here; the signature is the only credential.
import { type Context, Hono } from "hono";
import type { AppEnv } from "../app-env.ts";
import { settingsFrom } from "../env.ts";
import { now } from "../platform/clock.ts";
import { SAFE_NAME } from "../platform/ids.ts";
import { refuse } from "../platform/refusal.ts";
import { answerCode } from "../sync/delivery.ts";
import { type Received, receive, WEBHOOK_LIMIT_BYTES } from "./receive.ts";
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
  const { code, said } = answer(received);
  return c.json({ ...said, ...common }, code);
}

/** 200 when a run took it in or had it already, 202 when it is only stored. */
function answer({ result }: Extract<Received, { ok: true }>) {
  switch (result.outcome) {
    case "held":
      return {
        code: 202,
        said: { status: "stored", message: "Stored until its run is known.", events_triggered: [] },
      } as const;
    case "duplicate":
      return {
        code: 200,
        said: {
          status: "duplicate",
          message: "This delivery was taken in before.",
          first_webhook_id: result.deliveryId,
          events_triggered: [],
        },
      } as const;
    case "recorded": {
      const { verdict, reason, events } = result;
      const code = answerCode(verdict, reason);
      const said = { verdict, reason, events_triggered: events };
      return code === 202
        ? ({ code, said: { status: "stored", message: `Stored without effect: ${reason}.`, ...said } } as const)
        : ({ code, said: { status: "processed", message: "Taken in.", ...said } } as const);
    }
  }
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
    content_type: "application/json",
    max_bytes: WEBHOOK_LIMIT_BYTES,
  };
}
