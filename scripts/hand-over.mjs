// Hands over to a TypeScript script, run by the Node that npm installed.
import { spawn } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const bin = join(root, "node_modules", ".bin");

/**
 * Ends this process when the script ends, with its exit code.
 * @param {string} script
 */
export function handOver(script) {
  // The channel carries no messages: its closing tells the script that this process is gone.
  const child = spawn(join(bin, "node"), [join(root, "scripts", script), ...process.argv.slice(2)], {
    cwd: root,
    env: { ...process.env, PATH: `${bin}:${process.env.PATH ?? ""}` },
    stdio: ["inherit", "inherit", "inherit", "ipc"],
  });
  const signals = /** @type {const} */ (["SIGINT", "SIGTERM", "SIGHUP"]);
  for (const signal of signals) process.on(signal, () => child.kill(signal));
  child.once("exit", (code) => process.exit(code ?? 1));
  endWithNpm(child);
}

/**
 * A killed npm cannot pass its signal on.
 * @param {import("node:child_process").ChildProcess} child
 */
function endWithNpm(child) {
  // Our parent is npm itself, because the script in package.json says exec.
  const parent = process.ppid;
  if (process.env.npm_lifecycle_event === undefined) return;
  setInterval(() => process.ppid === parent || child.kill("SIGTERM"), 1000).unref();
}
