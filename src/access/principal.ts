// Who is asking. For now development's single administrator, by cookie, and an operator's key; nobody else is anybody.
import { getCookie } from "hono/cookie";
import { createMiddleware } from "hono/factory";
import type { AppEnv } from "../app-env.ts";
import { type Env, settingsFrom } from "../env.ts";
import { now } from "../platform/clock.ts";
import { refuse } from "../platform/refusal.ts";
import { isSameText, openSession } from "./session.ts";

/** An administrator may do all that an operator may. */
export type Role = "operator" | "admin";

export interface Principal {
  /** Name for audit and display. */
  readonly name: string;
  readonly role: Role;
  readonly workspace: string;
  readonly by: "key" | "cookie";
}

export const SESSION_COOKIE = "osa_session";

/** Lets only a known principal pass. A cookie counts only on requests from our own pages. */
export const requirePrincipal = createMiddleware<AppEnv>(async function requirePrincipal(c, next) {
  const authorization = c.req.header("Authorization");
  const principal = await identify(c.env, authorization, () => getCookie(c, SESSION_COOKIE));
  if (principal === undefined) {
    return c.var.problem(refuse("authentication_failed", { members: { auth_methods: ["Bearer", "session"] } }), {
      "WWW-Authenticate": 'Bearer realm="osa-edge"',
    });
  }
  if (principal.by === "cookie" && !isOwnOrigin(c.req.raw)) return c.var.problem(refuse("origin_refused"));
  c.set("principal", principal);
  return next();
});

/** Lets only administrators pass; put it after `requirePrincipal`. */
export const requireAdmin = createMiddleware<AppEnv>(async function requireAdmin(c, next) {
  const { role } = c.var.principal;
  if (role === "admin") return next();
  const members = { required_permissions: ["admin"], current_permissions: [role] };
  return c.var.problem(refuse("access_denied", { detail: "Only an administrator may do this.", members }));
});

async function identify(
  env: Env,
  authorization: string | undefined,
  readCookie: () => string | undefined,
): Promise<Principal | undefined> {
  const { development, workspace, sessionSecret } = settingsFrom(env);
  const key = /^Bearer ([^\s]+)$/i.exec(authorization ?? "")?.[1];
  if (key !== undefined) {
    const isKnown = development?.apiKey !== undefined && isSameText(key, development.apiKey);
    return isKnown ? { name: "development key", role: "operator", workspace, by: "key" } : undefined;
  }
  const cookie = readCookie();
  if (cookie === undefined || sessionSecret === undefined || development === undefined) return undefined;
  const session = await openSession(cookie, sessionSecret, now());
  return session && { name: session.subject, role: "admin", workspace, by: "cookie" };
}

/** Requests that only read may come from anywhere a browser sends the cookie; writes and sockets may not. */
export function isOwnOrigin(request: Request): boolean {
  const isRead = request.method === "GET" || request.method === "HEAD";
  if (isRead && request.headers.get("Upgrade") === null) return true;
  const origin = request.headers.get("Origin");
  // Scripts can set neither header; a browser that leaves one out still sends the other.
  if (origin === null) return request.headers.get("Sec-Fetch-Site") === "same-origin";
  return origin === new URL(request.url).origin;
}
