// Development on one machine: the Worker, the simulator that plays OPAL, and the cron minute, until Ctrl-C.
import { join, relative } from "node:path";
import { parseArgs } from "node:util";
import { type DevVars, ensureDevVars } from "./dev-vars.ts";
import { choosePorts } from "./ports.ts";
import { ROOT } from "./processes.ts";
import { DEFAULT_PORT, DEFAULT_SIMULATOR_PORT, type Service, type Stack, StartFailure, startStack } from "./stack.ts";

const CRON_MS = 60_000;
const EXCERPT_LINES = 20;
const STATE = join(ROOT, ".wrangler", "state");
const LOGS = join(ROOT, ".wrangler", "logs");
/** Set in the environment, these win over .dev.vars. */
const PASSED_ON = ["DEADLINE_SCALE", "OPAL_TIMEOUT_MS"];

const stopping = new AbortController();
const USAGE = `npm start -- [--verbose]

  --verbose   show what the Worker and the simulator log

From the environment: PORT (${DEFAULT_PORT}), SIMULATOR_PORT (${DEFAULT_SIMULATOR_PORT}), SIMULATOR_SPEED (12), SIMULATOR_DELIVER (webhooks), ${PASSED_ON.join(", ")}.
`;

try {
  await main();
} catch (error) {
  if (stopping.signal.aborted) stopped();
  if (!(error instanceof StartFailure)) throw error;
  fail(error);
}

async function main(): Promise<void> {
  const flags = readFlags();
  if (flags.help) {
    process.stdout.write(USAGE);
    return;
  }
  const ports = await choosePorts();
  const devVars = ensureDevVars(ROOT);
  if (devVars.wasCreated) say("Created .dev.vars from .dev.vars.example.");
  if (devVars.missing.length > 0) say(`.dev.vars lacks ${devVars.missing.join(", ")}; see .dev.vars.example.`);
  say("Starting…");
  stopOnSignals();
  const stack = await startStack({
    ...ports,
    stateDirectory: STATE,
    logDirectory: LOGS,
    envFile: devVars.path,
    vars: passedOn(),
    signal: stopping.signal,
    ...(flags.verbose ? { onOutput: show } : {}),
  });
  say(welcome(ports.port, stack, devVars));
  const cron = setInterval(() => stack.runCron().catch((error) => say(String(error))), CRON_MS);
  const dead = await Promise.race([death(stack.worker), death(stack.simulator)]);
  clearInterval(cron);
  await stack.stop();
  if (stopping.signal.aborted) stopped();
  throw dead;
}

function readFlags() {
  try {
    return parseArgs({ options: { verbose: { type: "boolean" }, help: { type: "boolean" } } }).values;
  } catch (error) {
    throw new StartFailure(error instanceof Error ? error.message : String(error));
  }
}

function passedOn(): Record<string, string> {
  const given = PASSED_ON.map((name) => [name, process.env[name] ?? ""]);
  return Object.fromEntries(given.filter(([, value]) => value !== ""));
}

/** npm passes on what the terminal has sent us already, so repeats mean nothing. */
function stopOnSignals(): void {
  const stop = () => {
    if (stopping.signal.aborted) return;
    say("\nStopping…");
    stopping.abort();
  };
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, stop);
  process.once("disconnect", stop);
}

async function death(service: Service): Promise<StartFailure> {
  const { code, signal } = await service.exited();
  const how = signal === null ? `exit code ${code}` : signal;
  const sentence = `${service.name} ended unexpectedly (${how}), so everything was stopped.`;
  return new StartFailure(sentence, service.lastOutput());
}

function welcome(port: number, stack: Stack, { values }: DevVars): string {
  const origin = `http://localhost:${port}`;
  const logs = relative(ROOT, LOGS);
  const isPlaying = URL.parse(stack.opalUrl)?.port === URL.parse(stack.simulatorUrl)?.port;
  const part = isPlaying ? "plays OPAL" : `is idle: OPAL_WEBHOOK_URL is ${stack.opalUrl}`;
  return `
OSA Edge is running.

  Dashboard   ${origin}/engine/admin
  Sign in     ${values.DEV_ADMIN_EMAIL ?? "?"}  ${values.DEV_ADMIN_PASSWORD ?? "?"}
  Simulator   ${stack.simulatorUrl}  ${part}
  Logs        ${logs}/worker.log, ${logs}/simulator.log, or npm start -- --verbose

  Start a sync:
  curl -X POST ${origin}/api/force-sync/trigger -H "Authorization: Bearer ${values.DEV_API_KEY ?? "?"}"

  Ctrl-C stops everything; the data stays in ${relative(ROOT, STATE)}.
`;
}

function show(name: string, text: string): void {
  for (const line of text.split("\n")) if (line.trim() !== "") say(`${name} | ${line}`);
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

function stopped(): never {
  say("Stopped.");
  process.exit(0);
}

function fail({ message, output }: StartFailure): never {
  process.stderr.write(output === "" ? `${message}\n` : `${excerpt(output)}\n\n${message}\n`);
  process.exit(1);
}

/** From the first error on, because wrangler follows it with pages of its own state; else the end. */
function excerpt(output: string): string {
  const lines = output.split("\n");
  const first = lines.findIndex((line) => /error/i.test(line));
  return (first === -1 ? lines.slice(-EXCERPT_LINES) : lines.slice(first, first + EXCERPT_LINES)).join("\n");
}
