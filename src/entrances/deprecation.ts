// That an entrance is on its way out: in headers (RFC 9745, RFC 8594) and in the words of its answers.
import { createMiddleware } from "hono/factory";
import type { AppEnv } from "../app-env.ts";

const SUCCESSOR = "/api/force-sync/trigger";
const DEPRECATED_AT = Date.UTC(2026, 10, 21);
const SUNSET_AT = Date.UTC(2027, 10, 30);

export const DEPRECATION = { successor: SUCCESSOR, sunset: new Date(SUNSET_AT).toISOString() } as const;

const HEADERS: Readonly<Record<string, string>> = {
  Deprecation: `@${DEPRECATED_AT / 1000}`,
  Sunset: new Date(SUNSET_AT).toUTCString(),
  Link: `<${SUCCESSOR}>; rel="successor-version"`,
};

/** Put it first: refusals carry the headers too. */
export const announceDeprecation = createMiddleware<AppEnv>(async function announceDeprecation(c, next) {
  await next();
  for (const [name, value] of Object.entries(HEADERS)) c.res.headers.set(name, value);
});
