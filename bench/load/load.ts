// The load thread as the parts of the benchmark see it.
import { Worker } from "node:worker_threads";
import type { ClosedJob, ClosedOutcome, Job, PacedJob, PacedOutcome, SocketsJob, SocketsOutcome } from "./jobs.ts";

export interface Load {
  readonly closed: (job: Omit<ClosedJob, "kind">) => Promise<ClosedOutcome>;
  readonly paced: (job: Omit<PacedJob, "kind">) => Promise<PacedOutcome>;
  readonly sockets: (job: Omit<SocketsJob, "kind">) => Promise<SocketsOutcome>;
  readonly stop: () => Promise<void>;
}

export function startLoad(): Load {
  const worker = new Worker(new URL("./thread.ts", import.meta.url));
  const run = <Outcome>(job: Job) =>
    new Promise<Outcome>((done, fail) => {
      const finish = (act: () => void) => {
        worker.off("message", onMessage);
        worker.off("error", onError);
        act();
      };
      const onError = (error: Error) => finish(() => fail(error));
      const onMessage = (answer: { readonly outcome: Outcome } | { readonly error: string }) =>
        finish(() => ("error" in answer ? fail(new Error(answer.error)) : done(answer.outcome)));
      worker.on("message", onMessage);
      worker.on("error", onError);
      worker.postMessage(job);
    });
  return {
    closed: (job) => run<ClosedOutcome>({ kind: "closed", ...job }),
    paced: (job) => run<PacedOutcome>({ kind: "paced", ...job }),
    sockets: (job) => run<SocketsOutcome>({ kind: "sockets", ...job }),
    stop: async () => void (await worker.terminate()),
  };
}
