// From the id in an address to the run it names, for every route that shows or changes a run.
import type { Context } from "hono";
import type { AppEnv } from "../app-env.ts";
import { objectName, runIdsFrom } from "../platform/ids.ts";
import { type Refusal, refuse } from "../platform/refusal.ts";
import type { QueuedSync } from "../workspace/overview.ts";
import type { Repeats } from "./answers.ts";
import { type RunView, viewRun } from "./run/view.ts";

export type Found = ({ readonly ok: true; readonly run: RunView } & Repeats) | Refusal;
export type FoundOrQueued = Found | Queued;

interface Queued {
  readonly ok: true;
  readonly queued: QueuedSync;
}

interface WrittenStatus {
  readonly ok: true;
  readonly status: string;
}

/** By session, correlation, workflow or OPAL id. A run that waits for its turn is not found here. */
export async function findRun(c: Context<AppEnv>, id: string): Promise<Found> {
  const found = await findRunOrQueued(c, id);
  if (!("queued" in found)) return found;
  const detail = "The run waits for its turn; it has not begun.";
  return refuse("service_unavailable", { detail, retryAfterSeconds: 5 });
}

export async function findRunOrQueued(c: Context<AppEnv>, id: string): Promise<FoundOrQueued> {
  const sessionId = await sessionIdFor(c, id);
  if (sessionId === undefined) return notFound(id);
  const read = await sessionOf(c, sessionId).read();
  if (read === undefined) return findQueued(c, sessionId, id);
  const { run, duplicates, conflicts } = read;
  return { ok: true, run: viewRun(run), duplicates, conflicts };
}

/** A run's status as its session writes it, in JSON. */
export async function findStatus(c: Context<AppEnv>, id: string): Promise<WrittenStatus | Queued | Refusal> {
  const sessionId = await sessionIdFor(c, id);
  if (sessionId === undefined) return notFound(id);
  const status = await sessionOf(c, sessionId).status();
  return status === undefined ? findQueued(c, sessionId, id) : { ok: true, status };
}

async function sessionIdFor(c: Context<AppEnv>, id: string): Promise<string | undefined> {
  return runIdsFrom(id)?.sessionId ?? (id.length <= 128 ? await workspaceOf(c).locate(id) : undefined);
}

/** No session has begun under this id: its run may wait for its turn, or be about to begin. */
async function findQueued(c: Context<AppEnv>, sessionId: string, id: string): Promise<Queued | Refusal> {
  const { queued, activeSessionId } = await workspaceOf(c).overview();
  if (queued?.sessionId === sessionId) return { ok: true, queued };
  const isToldOf = activeSessionId === sessionId || (await workspaceOf(c).hasToTell(sessionId));
  if (!isToldOf) return notFound(id);
  return refuse("service_unavailable", { detail: "The run's own record is about to begin.", retryAfterSeconds: 1 });
}

function notFound(id: string): Refusal {
  return refuse("session_not_found", { members: { resource_type: "force_sync", resource_id: id } });
}

export function workspaceOf(c: Context<AppEnv>) {
  return c.env.WORKSPACE.getByName(objectName(c.var.principal.workspace, "workspace"));
}

export function sessionOf(c: Context<AppEnv>, sessionId: string) {
  return c.env.SYNC_SESSION.getByName(objectName(c.var.principal.workspace, sessionId));
}
