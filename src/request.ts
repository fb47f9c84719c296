// Around every request: its id, one log line, security headers, and the one place where a thrown error becomes an answer.
import type { Context, ErrorHandler, NotFoundHandler } from "hono";
import { createMiddleware } from "hono/factory";
import { HTTPException } from "hono/http-exception";
import type { AppEnv } from "./app-env.ts";
import { ConfigurationError } from "./env.ts";
import { now } from "./platform/clock.ts";
import { describeError, log } from "./platform/log.ts";
import { problemResponse } from "./platform/problem.ts";
import { randomLetters } from "./platform/random.ts";
import { type Refusal, refuse } from "./platform/refusal.ts";

const REQUEST_LETTERS = 16;
const CALLERS_ID = /^[A-Za-z0-9_.:-]{1,128}$/;

const SECURITY_HEADERS: Readonly<Record<string, string>> = {
  "X-Content-Type-Options": "nosniff",
  "X-Frame-Options": "DENY",
  "Referrer-Policy": "strict-origin-when-cross-origin",
  "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
  "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
  "Cross-Origin-Resource-Policy": "same-origin",
};

export const requestLine = createMiddleware<AppEnv>(async function requestLine(c, next) {
  const startedAt = now();
  const given = c.req.header("X-Correlation-ID");
  const requestId =
    given !== undefined && CALLERS_ID.test(given) ? given : `req-${startedAt}-${randomLetters(REQUEST_LETTERS)}`;
  c.set("requestId", requestId);
  c.set("problem", (refusal, headers) => answerRefusal(c, refusal, headers));
  await next();
  log(c.res.status >= 500 ? "error" : "info", "request", {
    request_id: requestId,
    method: c.req.method,
    path: c.req.path,
    status: c.res.status,
    duration_ms: now() - startedAt,
    principal: c.var.principal?.name,
  });
  // A socket's handshake cannot be copied, and needs none of this.
  if (c.res.status === 101) return;
  c.res.headers.set("X-Correlation-Id", requestId);
  for (const [name, value] of Object.entries(SECURITY_HEADERS)) c.res.headers.set(name, value);
  if (!c.res.headers.has("Cache-Control")) c.res.headers.set("Cache-Control", "no-store");
});

export function answerRefusal(c: Context<AppEnv>, refusal: Refusal, headers?: HeadersInit): Response {
  c.set("refusal", refusal);
  return problemResponse(refusal, { instance: c.req.path, requestId: c.var.requestId, now: now() }, headers);
}

/** Insiders get the reason, outsiders the code. Hono itself throws only for a body that is not JSON. */
export const onError: ErrorHandler<AppEnv> = (error, c) => {
  if (error instanceof HTTPException && error.status === 400) return answerRefusal(c, refuse("unreadable_body"));
  const isConfiguration = error instanceof ConfigurationError;
  log("error", isConfiguration ? "configuration_error" : "unexpected_error", {
    request_id: c.var.requestId,
    path: c.req.path,
    error: describeError(error),
  });
  return answerRefusal(c, refuse(isConfiguration ? "configuration_error" : "internal_server_error"));
};

export const onNotFound: NotFoundHandler<AppEnv> = (c) => answerRefusal(c, refuse("resource_not_found"));
