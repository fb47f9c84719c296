// Where the flood comes down: one Worker that can be killed, an OPAL that accepts every workflow and then says nothing,
// and in each of several workspaces a run under way.
import { join } from "node:path";
import { z } from "zod";
import { startOpal } from "../bench/opal.ts";
import { OPERATOR, SECRET } from "../bench/settings.ts";
import { type Asker, askerAt } from "./chaos-client.ts";
import type { Receiver, Says } from "./flood-events.ts";
import { prepareServer, type ServerPlace, serverArgs } from "./flood-server.ts";
import { workerdMemory } from "./fuzz-memory.ts";
import { freePort } from "./processes.ts";
import { startService } from "./service.ts";

/** A run is accepted and an outbox is empty by then, in ms. */
const LIMIT_MS = 60_000;

/** The first one is the Worker's own; in the last one OPAL begins a workflow by itself. */
export const WORKSPACES = ["default", "flood-1", "flood-2", "flood-3", "flood-foreign"] as const;
type WorkspaceName = (typeof WORKSPACES)[number];

export interface Town {
  readonly url: string;
  /** Where D1 and the objects keep their files. */
  readonly directory: string;
  readonly logFile: string;
  readonly asker: (workspace: string) => Asker;
  /** `kill -9` of the whole process group; resolves when the Worker answers again. */
  readonly kill: () => Promise<void>;
  /** Resident MiB of workerd; undefined where the system does not say. */
  readonly memory: () => number | undefined;
  readonly stop: () => Promise<void>;
}

export async function openTown(stateDirectory: string): Promise<Town> {
  const opal = await startOpal();
  const port = await freePort();
  const place: ServerPlace = {
    ...{ directory: join(stateDirectory, "state"), opalUrl: opal.url, port },
    vars: {
      OSA_WORKSPACE_SECRETS: JSON.stringify(
        Object.fromEntries(WORKSPACES.slice(1).map((name) => [name, secretOf(name)])),
      ),
    },
  };
  await prepareServer(place);
  const url = `http://127.0.0.1:${port}`;
  const logFile = join(stateDirectory, "worker.log");
  const { service, healthy } = startService({
    ...{ name: "The Worker", args: serverArgs(place), healthUrl: `${url}/api/health`, logFile },
  });
  const stop = async () => {
    await service.stop();
    await opal.stop();
  };
  try {
    await healthy;
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    ...{ url, directory: place.directory, logFile, stop },
    asker: (workspace) => askerAt(url, () => ({ ...OPERATOR, "X-Flood-Workspace": workspace })),
    kill: async () => {
      service.kill("SIGKILL");
      await service.exited();
      await service.restart();
    },
    memory: () => workerdMemory(service.pid())?.worker,
  };
}

/** With which OPAL and the other systems sign what is for this workspace. */
export function secretOf(workspace: string): string {
  return workspace === "default" ? SECRET : `flood-webhook-secret-of-workspace-${workspace}-`;
}

const started = z.object({ session_id: z.string(), correlation_id: z.string() });
const status = z.object({ state: z.string() });

interface Run {
  readonly sessionId: string;
  readonly correlationId: string;
}

/** Starts a force sync and waits until OPAL has accepted it. */
export async function startRun(asker: Asker): Promise<Run> {
  const answer = await asker.askUntil(
    { method: "POST", path: "/api/force-sync/trigger", body: {} },
    ({ json }) => started.safeParse(json).success,
    LIMIT_MS,
  );
  const { session_id: sessionId, correlation_id: correlationId } = started.parse(answer.json);
  const isRunning = ({ json }: { readonly json: unknown }) => status.safeParse(json).data?.state === "running";
  await asker.askUntil({ path: `/api/force-sync/status/${sessionId}` }, isRunning, LIMIT_MS);
  return { sessionId, correlationId };
}

/** Held deliveries are limited; this many are not too many for a workflow that nobody knows yet. */
const FOREIGN_MOST = 3_000;

/** Begins a run in each workspace. `withForeign` adds a workflow of OPAL's own, which takes a minute to be adopted. */
export async function openReceivers({ asker }: Town, withForeign: boolean): Promise<Receiver[]> {
  const receivers: Receiver[] = [];
  const add = (workspace: WorkspaceName, says: Says, weight: number, run?: Run, most = Number.MAX_SAFE_INTEGER) => {
    const { kind, owner } = doorFor(says, run);
    const path = `/api/webhooks/${kind}${workspace === "default" ? "" : `/${workspace}`}`;
    const { correlationId } = run ?? {};
    receivers.push({ path, workspace, secret: secretOf(workspace), says, correlationId, owner, weight, most });
  };
  add("default", "both ids", 20, await startRun(asker("default")));
  add("flood-1", "both ids", 20, await startRun(asker("flood-1")));
  add("flood-2", "either id", 20, await startRun(asker("flood-2")));
  add("flood-3", "both ids", 20, await startRun(asker("flood-3")));
  add("default", "ga4", 6);
  add("default", "external", 5);
  add("flood-1", "salesforce", 4);
  add("flood-3", "no id", 2);
  if (withForeign) add("flood-foreign", "their id", 3, undefined, FOREIGN_MOST);
  return receivers;
}

function doorFor(says: Says, run: Run | undefined): { readonly kind: string; readonly owner: string | undefined } {
  switch (says) {
    case "ga4":
    case "salesforce":
      return { kind: says, owner: `inbox-${says}` };
    case "external":
      return { kind: "external/crm", owner: "inbox-external" };
    case "no id":
      return { kind: "opal-workflow", owner: "inbox-opal" };
    default:
      return { kind: "opal-workflow", owner: run?.sessionId };
  }
}
