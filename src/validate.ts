// Turning what a caller sent into typed data, or into a refusal that names every wrong field.
import type { Context } from "hono";
import { bodyLimit } from "hono/body-limit";
import { createMiddleware } from "hono/factory";
import type { z } from "zod";
import type { AppEnv } from "./app-env.ts";
import { isPlainJson } from "./platform/body.ts";
import { jsonPointer } from "./platform/pointer.ts";
import { type FieldError, type Refusal, refuse } from "./platform/refusal.ts";
import { answerRefusal } from "./request.ts";

/** Requests other than webhooks are small. */
const BODY_LIMIT_BYTES = 64 * 1024;

export const smallBody = bodyLimit({
  maxSize: BODY_LIMIT_BYTES,
  onError: (c: Context<AppEnv>) => c.var.problem(refuse("payload_too_large")),
});

/** A body that is there must be JSON; without this, one of another type would count as no body at all. */
export const onlyJson = createMiddleware<AppEnv>(async function onlyJson(c, next) {
  const isEmpty = c.req.raw.body === null || c.req.header("Content-Length") === "0";
  return isEmpty || isPlainJson(c.req.raw.headers) ? next() : c.var.problem(refuse("unsupported_media_type"));
});

/** In front of addresses that only speak WebSocket. */
export const onlyWebSocket = createMiddleware<AppEnv>(async function onlyWebSocket(c, next) {
  const isHandshake = c.req.header("Upgrade")?.toLowerCase() === "websocket";
  return isHandshake ? next() : c.var.problem(refuse("upgrade_required"), { Upgrade: "websocket" });
});

type Checked = ({ success: true } | { success: false; error: { issues: readonly z.core.$ZodIssue[] } }) & {
  target: string;
};

/** The hook of every `zValidator`: names what is wrong where the caller wrote it. */
export function refuseInvalid(result: Checked, c: Context): Response | undefined {
  if (result.success) return undefined;
  const locate = result.target === "query" ? toParameter : result.target === "header" ? toHeaderName : jsonPointer;
  return answerRefusal(c, invalid(result.error.issues, locate));
}

function invalid(issues: readonly z.core.$ZodIssue[], locate: (path: readonly PropertyKey[]) => string): Refusal {
  const errors = issues.flatMap((issue): FieldError[] =>
    issue.code === "unrecognized_keys"
      ? issue.keys.map((key) => ({ pointer: locate([...issue.path, key]), detail: "is not a known field" }))
      : [{ pointer: locate(issue.path), detail: issue.message }],
  );
  const details = errors.map((error) => `${error.pointer || "/"}: ${error.detail}`);
  return refuse("validation_failed", { detail: `${details.join("; ")}.`, errors, members: { details } });
}

function toParameter(path: readonly PropertyKey[]): string {
  return `?${path.map(String).join(".")}`;
}

/** Validators see header names in lower case. */
function toHeaderName(path: readonly PropertyKey[]): string {
  return path
    .map(String)
    .join(".")
    .replaceAll(/(^|-)[a-z]/g, (letter) => letter.toUpperCase());
}
