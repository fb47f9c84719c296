// The whole product on this machine: the simulator of OPAL and the Worker in `wrangler dev`. Used by `npm start` and by
// tests that need real processes; several can run side by side, each with its own ports and state.
import { rmSync } from "node:fs";
import { join } from "node:path";
import { readVars } from "./dev-vars.ts";
import { ROOT, type RunningProcess } from "./processes.ts";
import { type Service, type ServiceOptions, startService } from "./service.ts";
import { lockState } from "./state-lock.ts";
import { devServerArgs, fireCron, startMigrations, wranglerEnvironment } from "./wrangler.ts";

export { type Service, StartFailure } from "./service.ts";

export const DEFAULT_PORT = 8787;
export const DEFAULT_SIMULATOR_PORT = 8788;

const LOOPBACK = new Set(["127.0.0.1", "localhost", "[::1]"]);

export interface StackOptions {
  readonly port: number;
  readonly simulatorPort: number;
  /** D1, the objects' SQLite and (if nothing else is said) the logs. Kept when the stack stops. */
  readonly stateDirectory: string;
  /** 1 plays in real minutes, 12 twelve times as fast. */
  readonly simulatorSpeed?: number;
  /** Variables of the Worker that win over the env file. */
  readonly vars?: Readonly<Record<string, string>>;
  /** Variables of the Worker and secrets of the simulator; .dev.vars.example if nothing else is said. */
  readonly envFile?: string;
  readonly logDirectory?: string;
  readonly onOutput?: (name: "worker" | "simulator", text: string) => void;
  /** Ends the stack, also while it starts. */
  readonly signal?: AbortSignal;
}

export interface Stack {
  readonly url: string;
  readonly simulatorUrl: string;
  /** Where the Worker sends a force sync. */
  readonly opalUrl: string;
  readonly worker: Service;
  readonly simulator: Service;
  /** Runs the Worker's scheduled handler once; on a local machine nothing else does. */
  readonly runCron: () => Promise<void>;
  /** Resolves when no process is left. */
  readonly stop: () => Promise<void>;
}

/** Applies the migrations, starts both and waits until both are healthy. Throws StartFailure, and then leaves nothing running. */
export async function startStack(options: StackOptions): Promise<Stack> {
  const { signal } = options;
  const plan = planStack(options);
  const unlock = await lockState(options.stateDirectory);
  for (const { logFile } of [plan.simulator, plan.worker]) rmSync(logFile, { force: true });
  const started: Pick<RunningProcess, "stop">[] = [];
  const stop = async () => {
    await Promise.all(started.map((process) => process.stop()));
    unlock();
  };
  const start = (service: ServiceOptions) => {
    signal?.throwIfAborted();
    const begun = startService(service);
    started.push(begun.service);
    // Whoever waits for it learns of its failure, however late that is.
    begun.healthy.catch(() => undefined);
    return begun;
  };
  signal?.addEventListener("abort", () => void stop());
  try {
    const simulator = start(plan.simulator);
    signal?.throwIfAborted();
    const migrations = startMigrations(options.stateDirectory);
    started.push(migrations.process);
    await migrations.applied;
    const worker = start(plan.worker);
    await Promise.all([simulator.healthy, worker.healthy]);
    const { url, simulatorUrl, opalUrl } = plan;
    const runCron = () => fireCron(url);
    return { url, simulatorUrl, opalUrl, worker: worker.service, simulator: simulator.service, runCron, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function planStack(options: StackOptions) {
  const { port, simulatorPort, simulatorSpeed, stateDirectory, onOutput } = options;
  const url = `http://127.0.0.1:${port}`;
  const simulatorUrl = `http://127.0.0.1:${simulatorPort}`;
  const envFile = options.envFile ?? join(ROOT, ".dev.vars.example");
  const logs = options.logDirectory ?? join(stateDirectory, "logs");
  const variables = readVars(envFile);
  const vars = { ...simulatorAddress(variables.OPAL_WEBHOOK_URL, simulatorPort), ...options.vars };
  const simulator = {
    name: "The simulator",
    args: [join(ROOT, "simulator", "main.ts"), "--env-file", envFile],
    env: {
      OSA_URL: url,
      SIMULATOR_PORT: String(simulatorPort),
      ...(simulatorSpeed === undefined ? {} : { SIMULATOR_SPEED: String(simulatorSpeed) }),
    },
    logFile: join(logs, "simulator.log"),
    healthUrl: `${simulatorUrl}/simulator/health`,
    onOutput: (text: string) => onOutput?.("simulator", text),
  };
  const worker = {
    name: "The Worker",
    args: devServerArgs({ port, stateDirectory, envFile, vars }),
    env: wranglerEnvironment(stateDirectory),
    logFile: join(logs, "worker.log"),
    healthUrl: `${url}/api/health`,
    hopeless: configurationProblem,
    onOutput: (text: string) => onOutput?.("worker", text),
  };
  return { url, simulatorUrl, opalUrl: { ...variables, ...vars }.OPAL_WEBHOOK_URL ?? "", simulator, worker };
}

/** Follows the simulator to another port, unless the developer has named another OPAL. */
function simulatorAddress(given: string | undefined, simulatorPort: number): { OPAL_WEBHOOK_URL?: string } {
  const address = URL.parse(given ?? "");
  if (!address || !LOOPBACK.has(address.hostname) || address.port !== String(DEFAULT_SIMULATOR_PORT)) return {};
  if (simulatorPort === DEFAULT_SIMULATOR_PORT) return {};
  return { OPAL_WEBHOOK_URL: `http://127.0.0.1:${simulatorPort}${address.pathname}` };
}

/** A setting that the Worker refuses does not get better by waiting. */
function configurationProblem(output: string): string | undefined {
  const problem = /ConfigurationError: ([^"\n]+)/.exec(output)?.[1];
  return problem === undefined ? undefined : `The Worker refuses its settings: ${problem}.`;
}
