// The command line of the simulator: flags over environment over --env-file over defaults.

import { CommandLineError, readCommandLine, USAGE } from "./command-line.ts";
import { startSimulator } from "./simulator.ts";

async function main(): Promise<void> {
  const command = readCommandLine(process.argv.slice(2), process.env);
  if (command === "help") {
    process.stdout.write(USAGE);
    return;
  }
  const { verbose, ...options } = command;
  const log = verbose ? (line: string) => void process.stdout.write(`${line}\n`) : () => undefined;
  const simulator = await startSimulator({ ...options, log });
  process.stdout.write(
    `OPAL simulator at ${simulator.url}, delivering to ${options.target} at ${options.speed} times real speed.\n`,
  );
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.once(signal, () => void simulator.close().then(() => process.exit(0)));
  }
}

try {
  await main();
} catch (error) {
  if (error instanceof CommandLineError) fail(error.message);
  if (error instanceof Error && "code" in error && error.code === "EADDRINUSE") {
    fail("The port is taken by another program (perhaps another simulator); choose one with --port or SIMULATOR_PORT.");
  }
  throw error;
}

function fail(sentence: string): never {
  process.stderr.write(`${sentence}\n`);
  process.exit(1);
}
