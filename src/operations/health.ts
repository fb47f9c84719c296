// Whether the Worker is up and configured. Says no more than that, since anybody may ask.
import { Hono } from "hono";
import type { AppEnv } from "../app-env.ts";
import { settingsFrom } from "../env.ts";
import { now } from "../platform/clock.ts";

const VERSION = "0.1.0";

/** Answers 500 (configuration_error) while a setting is missing or wrong. */
export const healthRoutes = new Hono<AppEnv>().get("/", (c) => {
  settingsFrom(c.env);
  return c.json({ status: "healthy", timestamp: new Date(now()).toISOString(), version: VERSION });
});
