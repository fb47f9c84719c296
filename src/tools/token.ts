// Who may call the functions: OPAL, by the bearer token it was registered with. The token belongs to the default workspace.
import type { Context, Next } from "hono";
import { createMiddleware } from "hono/factory";
import { type Principal, requirePrincipal } from "../access/principal.ts";
import { isSameText } from "../access/session.ts";
import type { AppEnv } from "../app-env.ts";
import { settingsFrom, type ToolsScope } from "../env.ts";
import { refuse } from "../platform/refusal.ts";

export const TOKEN_NAME = "tools token";
const REALM = "osa-edge-tools";

/** Lets only the tools token pass. Refuses: service_unavailable while there is none, authentication_failed. */
export const requireToolsToken = createMiddleware<AppEnv>(async function requireToolsToken(c, next) {
  if (settingsFrom(c.env).toolsToken === undefined) {
    const detail = "OPAL_TOOLS_TOKEN is not set, so the functions are closed. Nothing was stored.";
    return c.var.problem(refuse("service_unavailable", { detail }));
  }
  const caller = callerByToken(c);
  if (caller === undefined) {
    const detail = "Send `Authorization: Bearer <tools token>`.";
    return c.var.problem(refuse("authentication_failed", { detail, members: { auth_methods: ["Bearer"] } }), {
      "WWW-Authenticate": `Bearer realm="${REALM}"`,
    });
  }
  c.set("principal", caller);
  return next();
});

/** For what people may read as well: the tools token, or whatever lets them into the API. */
export const requireTokenOrPrincipal = createMiddleware<AppEnv>(async function requireTokenOrPrincipal(
  c: Context<AppEnv>,
  next: Next,
) {
  const caller = callerByToken(c);
  if (caller === undefined) return requirePrincipal(c, next);
  c.set("principal", caller);
  return next();
});

/** The answer to a token that does not open this; undefined when it does. As RFC 6750, section 3.1, has it. */
export function refuseScope(c: Context<AppEnv>, scope: ToolsScope): Response | undefined {
  const scopes = settingsFrom(c.env).toolsScopes;
  if (scopes.includes(scope)) return undefined;
  const detail = `The token does not have the scope ${scope}.`;
  const members = { required_permissions: [scope], current_permissions: scopes };
  return c.var.problem(refuse("access_denied", { detail, members }), {
    "WWW-Authenticate": `Bearer realm="${REALM}", error="insufficient_scope", scope="${scope}"`,
  });
}

function callerByToken(c: Context<AppEnv>): Principal | undefined {
  const { toolsToken, workspace } = settingsFrom(c.env);
  const given = /^Bearer ([^\s]+)$/i.exec(c.req.header("Authorization") ?? "")?.[1];
  if (toolsToken === undefined || given === undefined || !isSameText(given, toolsToken)) return undefined;
  return { name: TOKEN_NAME, role: "operator", workspace, by: "key" };
}
