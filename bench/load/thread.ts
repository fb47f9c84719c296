// The load thread: one job at a time, so that those who ask and those who measure do not share a thread.
import { parentPort } from "node:worker_threads";
import { runClosed } from "./closed.ts";
import type { Job } from "./jobs.ts";
import { runPaced } from "./paced.ts";
import { runSockets } from "./sockets.ts";

parentPort?.on("message", async (job: Job) => {
  try {
    parentPort?.postMessage({ outcome: await run(job) });
  } catch (error) {
    parentPort?.postMessage({ error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
  }
});

function run(job: Job) {
  switch (job.kind) {
    case "closed":
      return runClosed(job);
    case "paced":
      return runPaced(job);
    case "sockets":
      return runSockets(job);
  }
}
