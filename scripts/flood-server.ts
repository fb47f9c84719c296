// The Worker under a flood, in a process of its own so that it can be killed: real workerd, real files, no proxy before
// it that would keep requests over a restart. Its place comes as JSON; where it has never run, `prepareServer` comes first.
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { type Place, runProduct, startProduct } from "../bench/stack.ts";

/** Error lines of the Worker are passed on this often, in ms. */
const TELL_MS = 500;

const WORKER = new URL("../bench/workers/workspaces.ts", import.meta.url);

const place = z.object({
  directory: z.string(),
  opalUrl: z.string(),
  port: z.number(),
  vars: z.record(z.string(), z.string()),
});
export type ServerPlace = z.infer<typeof place>;

/** Makes D1's tables. */
export async function prepareServer(there: ServerPlace): Promise<void> {
  const { stop } = await startProduct(withWorker({ ...there, port: 0 }));
  await stop();
}

/** Arguments of Node that run this file. */
export function serverArgs(there: ServerPlace): string[] {
  return [fileURLToPath(import.meta.url), JSON.stringify(there)];
}

function withWorker(there: ServerPlace): Place {
  return { ...there, worker: WORKER };
}

async function serve(json: string): Promise<void> {
  const { errors, stop } = await runProduct(withWorker(place.parse(JSON.parse(json))));
  let told = 0;
  setInterval(() => {
    for (const line of errors.slice(told)) process.stderr.write(`${line}\n`);
    told = errors.length;
  }, TELL_MS);
  process.once("SIGTERM", () => void stop().finally(() => process.exit(0)));
}

if (import.meta.main) await serve(process.argv[2] ?? "");
