// A child that answers HTTP: started until it is healthy, killed and restarted by tests.
import { type Exit, type ProcessOptions, type RunningProcess, startProcess, waitForUrl } from "./processes.ts";

const HEALTHY_WITHIN_MS = 90_000;

export interface ServiceOptions extends ProcessOptions {
  /** As it appears in messages, for example "The simulator". */
  readonly name: string;
  readonly healthUrl: string;
  /** A reason, read from its output, why it will never be healthy. */
  readonly hopeless?: (output: string) => string | undefined;
}

export interface Service {
  readonly name: string;
  /** Of the current process, which is also its group. */
  readonly pid: () => number;
  readonly exited: () => Promise<Exit>;
  readonly lastOutput: () => string;
  /** Signals the whole group: a SIGKILL is a crash. */
  readonly kill: (signal: NodeJS.Signals) => void;
  readonly stop: () => Promise<void>;
  /** Ends it if it runs, starts it again and resolves when it is healthy. */
  readonly restart: () => Promise<void>;
}

/** What went wrong, as one sentence, with what the child said before. */
export class StartFailure extends Error {
  readonly output: string;

  constructor(sentence: string, output = "") {
    super(sentence);
    this.name = "StartFailure";
    this.output = output;
  }
}

/** Returns at once; `healthy` says when it answers. */
export function startService(options: ServiceOptions): { readonly service: Service; readonly healthy: Promise<void> } {
  let running = startProcess(options);
  const service: Service = {
    name: options.name,
    pid: () => running.pid,
    exited: () => running.exited,
    lastOutput: () => running.lastOutput(),
    kill: (signal) => running.kill(signal),
    stop: () => running.stop(),
    restart: async () => {
      await running.stop();
      running = startProcess(options);
      await untilHealthy(options, running);
    },
  };
  return { service, healthy: untilHealthy(options, running) };
}

async function untilHealthy({ name, healthUrl, hopeless }: ServiceOptions, running: RunningProcess): Promise<void> {
  const giveUp = () => {
    const reason = hopeless?.(running.lastOutput());
    if (reason !== undefined) return new StartFailure(reason);
    if (!running.hasExited()) return undefined;
    return new StartFailure(`${name} ended before it was ready.`, running.lastOutput());
  };
  try {
    await waitForUrl(healthUrl, { timeoutMs: HEALTHY_WITHIN_MS, giveUp });
  } catch (error) {
    if (error instanceof StartFailure) throw error;
    throw new StartFailure(`${name} did not get ready: ${String(error)}`, running.lastOutput());
  }
}
