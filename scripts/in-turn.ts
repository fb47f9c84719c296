// Runs one tool after another in our own process group and terminal, so that Ctrl-C and colours reach it.
import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { ROOT } from "./processes.ts";

let current: ChildProcess | undefined;
let isInterrupted = false;

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => interrupt(signal));
process.once("disconnect", () => interrupt("SIGTERM"));

export function wasInterrupted(): boolean {
  return isInterrupted;
}

/** Runs a script below node_modules. Resolves with its exit code, 1 if a signal ended it. */
export function runInTurn(script: string, args: readonly string[]): Promise<number> {
  const child = spawn(process.execPath, [join(ROOT, "node_modules", script), ...args], { cwd: ROOT, stdio: "inherit" });
  current = child;
  return new Promise((done, fail) => {
    child.once("error", fail);
    child.once("exit", (code) => done(code ?? 1));
  });
}

function interrupt(signal: NodeJS.Signals): void {
  isInterrupted = true;
  current?.kill(signal);
}
