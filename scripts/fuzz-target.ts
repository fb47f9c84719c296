// The real Worker that the fuzzer knocks at, and an OPAL that accepts every run and says nothing more: what is stored
// can only have come from the fuzzer.
import { createServer } from "node:http";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { type Asker, GaveUp, signIn } from "./chaos-client.ts";
import { readVars } from "./dev-vars.ts";
import type { RunNames } from "./fuzz-bodies.ts";
import { SECRETS } from "./fuzz-signatures.ts";
import { freePort, ROOT } from "./processes.ts";
import { startStack } from "./stack.ts";

export interface Target {
  readonly url: string;
  readonly secrets: typeof SECRETS;
  readonly token: string;
  /** Of the Worker's processes. */
  readonly group: number;
  /** Ends the run that is under way, whoever started it, and starts another one. */
  readonly newRun: () => Promise<RunNames>;
  readonly stop: () => Promise<void>;
}

const RUN_LIMIT_MS = 60_000;
const AGAIN_MS = 200;

const started = z.object({ session_id: z.string(), correlation_id: z.string() });
const refused = z.object({ active_session: z.string() });

export async function openTarget(stateDirectory: string): Promise<Target> {
  const opal = await acceptingOpal();
  const variables = readVars(join(ROOT, ".dev.vars.example"));
  const { DEV_ADMIN_EMAIL = "", DEV_ADMIN_PASSWORD = "", OPAL_TOOLS_TOKEN: token = "" } = variables;
  const stack = await startStack({
    port: await freePort(),
    simulatorPort: await freePort(),
    stateDirectory,
    vars: {
      OPAL_WEBHOOK_URL: opal.url,
      OSA_WEBHOOK_SHARED_SECRET: SECRETS.current,
      OSA_WEBHOOK_PREVIOUS_SECRET: SECRETS.previous,
    },
  });
  const stop = async () => {
    await stack.stop();
    opal.stop();
  };
  try {
    const admin = await signIn(stack.url, DEV_ADMIN_EMAIL, DEV_ADMIN_PASSWORD);
    const newRun = () => startRun(admin);
    return { url: stack.url, secrets: SECRETS, token, group: stack.worker.pid(), newRun, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function startRun(admin: Asker): Promise<RunNames> {
  const giveUpAt = Date.now() + RUN_LIMIT_MS;
  let last: unknown;
  while (Date.now() < giveUpAt) {
    const { json } = await admin.ask({ method: "POST", path: "/api/force-sync/trigger", body: {} });
    const run = started.safeParse(json);
    if (run.success) return { session: run.data.session_id, correlation: run.data.correlation_id };
    const holder = refused.safeParse(json);
    if (holder.success) {
      await admin.ask({ method: "DELETE", path: `/api/force-sync/status/${holder.data.active_session}` });
    }
    last = json;
    await sleep(AGAIN_MS);
  }
  throw new GaveUp(`no run could be started: ${JSON.stringify(last)}`);
}

async function acceptingOpal(): Promise<{ url: string; stop: () => void }> {
  const server = createServer((request, response) => {
    request.resume();
    request.once("end", () => response.writeHead(200, { "Content-Type": "application/json" }).end("{}"));
  });
  const port = await freePort();
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  const stop = () => {
    server.close();
    server.closeAllConnections();
  };
  return { url: `http://127.0.0.1:${port}/webhooks/strategy-workflow/trigger`, stop };
}
