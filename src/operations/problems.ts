// What a problem's `type` points at: the code explained.
import { Hono } from "hono";
import type { AppEnv } from "../app-env.ts";
import { REFUSALS, refuse } from "../platform/refusal.ts";

export const problemRoutes = new Hono<AppEnv>().get("/:code", (c) => {
  const found = Object.entries(REFUSALS).find(([code]) => code === c.req.param("code"));
  if (found === undefined) return c.var.problem(refuse("resource_not_found"));
  const [code, { status, title, explanation }] = found;
  return c.json({ code, status, title, explanation });
});
