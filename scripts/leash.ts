// Leads a process group and runs one command in it. The group ends with the command, and with whoever started us, even
// when that one was killed outright: no workerd outlives a test or `npm start`.
import { spawn } from "node:child_process";

const GRACE_MS = 5000;

const [command = "", ...args] = process.argv.slice(2);
const child = spawn(command, args, { stdio: ["ignore", "inherit", "inherit"] });

// Signals come to the whole group; the command decides what they mean.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => undefined);

child.once("error", () => process.exit(127));
child.once("exit", (code, signal) => {
  if (process.connected) process.send?.({ code, signal }, undefined, undefined, endGroup);
  else endGroup();
});
process.once("disconnect", () => {
  process.kill(-process.pid, "SIGTERM");
  setTimeout(endGroup, GRACE_MS);
});

function endGroup(): void {
  process.kill(-process.pid, "SIGKILL");
}
