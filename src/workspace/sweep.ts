// The cron minute: a second pair of eyes, should an object's own alarm have been lost.
import { drizzle } from "drizzle-orm/d1";
import { type Env, settingsFrom } from "../env.ts";
import { now } from "../platform/clock.ts";
import { objectName } from "../platform/ids.ts";
import { describeError, log } from "../platform/log.ts";
import { listWorkspaces } from "../sync/store.ts";
import type { SweepCounts } from "./control.ts";

/** Pokes every workspace; one that fails stops no other. */
export async function sweepWorkspaces(env: Env): Promise<void> {
  const startedAt = now();
  const workspaces = await knownWorkspaces(env);
  const outcomes = await Promise.allSettled(
    workspaces.map((name) => env.WORKSPACE.getByName(objectName(name, "workspace")).sweep()),
  );
  const failures = outcomes.filter((outcome) => outcome.status === "rejected");
  const found = outcomes.flatMap((outcome) => (outcome.status === "fulfilled" ? [outcome.value] : []));
  const total = (what: keyof SweepCounts) => found.reduce((sum, counts) => sum + counts[what], 0);
  log(failures.length > 0 ? "error" : "info", "cron", {
    workspaces: workspaces.length,
    failed: failures.length,
    overdue: total("overdue"),
    leases_recovered: total("leasesRecovered"),
    schedules_fired: total("fired"),
    schedules_skipped: total("skipped"),
    schedules_missed: total("missed"),
    error: failures[0] && describeError(failures[0].reason),
    duration_ms: now() - startedAt,
  });
}

/** The configured workspace always, others as far as D1 can be read. */
async function knownWorkspaces(env: Env): Promise<string[]> {
  const own = settingsFrom(env).workspace;
  try {
    return [...new Set([own, ...(await listWorkspaces(drizzle(env.DB)))])];
  } catch (error) {
    log("warn", "workspaces_unknown", { error: describeError(error) });
    return [own];
  }
}
