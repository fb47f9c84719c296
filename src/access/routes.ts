// Signing in to the dashboard and out again.
import { zValidator } from "@hono/zod-validator";
import { Hono } from "hono";
import { deleteCookie, setCookie } from "hono/cookie";
import { z } from "zod";
import type { AppEnv } from "../app-env.ts";
import { settingsFrom } from "../env.ts";
import { now } from "../platform/clock.ts";
import { refuse } from "../platform/refusal.ts";
import { onlyJson, refuseInvalid, smallBody } from "../validate.ts";
import { isOwnOrigin, requirePrincipal, SESSION_COOKIE } from "./principal.ts";
import { isSameText, SESSION_MS, sealSession } from "./session.ts";

const credentials = z.strictObject({ email: z.string().max(320), password: z.string().max(1024) });

export const accessRoutes = new Hono<AppEnv>()
  .use(smallBody, onlyJson)
  .post("/login", zValidator("json", credentials, refuseInvalid), async (c) => {
    const given = c.req.valid("json");
    // A page on another site may not sign its visitor in as somebody else.
    if (c.req.header("Origin") !== undefined && !isOwnOrigin(c.req.raw)) return c.var.problem(refuse("origin_refused"));
    const { development, sessionSecret } = settingsFrom(c.env);
    const { email, password } = development ?? {};
    if (email === undefined || password === undefined || sessionSecret === undefined) {
      return c.var.problem(refuse("authentication_failed", { detail: "No sign-in is configured." }));
    }
    const isEmail = isSameText(given.email.trim().toLowerCase(), email.toLowerCase());
    const isPassword = isSameText(given.password, password);
    if (!isEmail || !isPassword) {
      return c.var.problem(refuse("authentication_failed", { detail: "E-mail address or password is wrong." }));
    }
    const sealed = await sealSession({ subject: email, expiresAt: now() + SESSION_MS }, sessionSecret);
    setCookie(c, SESSION_COOKIE, sealed, {
      httpOnly: true,
      sameSite: "Lax",
      path: "/",
      maxAge: SESSION_MS / 1000,
      secure: new URL(c.req.url).protocol === "https:",
    });
    return c.json({ success: true, name: email });
  })
  .post("/logout", requirePrincipal, (c) => {
    deleteCookie(c, SESSION_COOKIE, { path: "/" });
    return c.json({ success: true });
  })
  .get("/session", requirePrincipal, (c) => c.json({ success: true, name: c.var.principal.name }));
