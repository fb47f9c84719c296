// How we call wrangler: quiet, offline, without questions, and without writing to the home directory.
import { join } from "node:path";
import { ROOT, type RunningProcess, startProcess } from "./processes.ts";
import { StartFailure } from "./service.ts";

const WRANGLER = join(ROOT, "node_modules", "wrangler", "bin", "wrangler.js");

export function wranglerEnvironment(stateDirectory: string): Record<string, string> {
  return {
    CI: "1",
    CLOUDFLARE_CF_FETCH_ENABLED: "false",
    WRANGLER_HIDE_BANNER: "true",
    WRANGLER_REGISTRY_PATH: join(stateDirectory, "registry"),
    WRANGLER_SEND_METRICS: "false",
    WRANGLER_WRITE_LOGS: "false",
  };
}

export interface DevServer {
  readonly port: number;
  readonly stateDirectory: string;
  readonly envFile: string;
  /** Win over the env file. */
  readonly vars: Readonly<Record<string, string>>;
}

export function devServerArgs({ port, stateDirectory, envFile, vars }: DevServer): string[] {
  return [
    ...[WRANGLER, "dev", "--ip", "127.0.0.1", "--port", String(port), "--inspector-port", "0"],
    ...["--persist-to", stateDirectory, "--show-interactive-dev-session=false"],
    // wrangler reads and watches .dev.vars by itself; any other file takes its place.
    ...(envFile === join(ROOT, ".dev.vars") ? [] : ["--env-file", envFile]),
    ...Object.entries(vars).flatMap(([name, value]) => ["--var", `${name}:${value}`]),
  ];
}

export interface Migrations {
  readonly process: RunningProcess;
  /** Rejects with StartFailure. */
  readonly applied: Promise<void>;
}

export function startMigrations(stateDirectory: string): Migrations {
  const process = startProcess({
    args: [WRANGLER, "d1", "migrations", "apply", "DB", "--local", "--persist-to", stateDirectory],
    env: wranglerEnvironment(stateDirectory),
  });
  const applied = process.exited.then(({ code }) => {
    if (code !== 0) throw new StartFailure("The database migrations could not be applied.", process.lastOutput());
  });
  return { process, applied };
}

/** `wrangler dev` does not fire cron triggers; this address does. */
export async function fireCron(url: string): Promise<void> {
  const response = await fetch(`${url}/cdn-cgi/local/scheduled`);
  await response.arrayBuffer();
  if (!response.ok) throw new Error(`The scheduled handler answered ${response.status}.`);
}
