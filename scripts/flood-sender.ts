// The sender as the flood's conductor sees it: leg by leg, until everything was sent.
import { Worker } from "node:worker_threads";
import { GaveUp } from "./chaos-client.ts";
import type { FromSender, Leg, LegEnd, Sent, ToSender } from "./flood-answers.ts";
import type { FloodPlan } from "./flood-events.ts";

/** Without a single answer in this time something hangs, in ms. */
const STANDSTILL_MS = 60_000;

export interface Sender {
  /** `onReached` is called once, when the leg's `tellAt` is reached. Rejects with GaveUp when nothing is answered any more. */
  readonly send: (leg: Leg, onReached: () => void, onProgress: (answered: number) => void) => Promise<LegEnd>;
  readonly finish: () => Promise<Sent>;
  readonly stop: () => Promise<void>;
}

export function startSender(plan: FloodPlan): Sender {
  const worker = new Worker(new URL("./flood-sender-thread.ts", import.meta.url), { workerData: plan });
  const post = (message: ToSender) => worker.postMessage(message);

  /** Resolves with what `onMessage` first makes of a message. */
  function hear<Value>(
    limitMs: number | undefined,
    onMessage: (message: FromSender, heard: () => void) => Value | undefined,
  ) {
    return new Promise<Value>((done, fail) => {
      let patience: NodeJS.Timeout | undefined;
      const finish = (act: () => void) => {
        clearTimeout(patience);
        worker.off("message", listen);
        worker.off("error", onError);
        act();
      };
      const heard = () => {
        clearTimeout(patience);
        if (limitMs === undefined) return;
        patience = setTimeout(() => finish(() => fail(new GaveUp(`no answer for ${limitMs / 1000} s`))), limitMs);
      };
      const listen = (message: FromSender) => {
        const value = onMessage(message, heard);
        if (value !== undefined) finish(() => done(value));
      };
      const onError = (error: Error) => finish(() => fail(error));
      worker.on("message", listen);
      worker.once("error", onError);
      heard();
    });
  }

  return {
    send: (leg, onReached, onProgress) => {
      let last = -1;
      const ended = hear(STANDSTILL_MS, (message, heard) => {
        if (message.say === "reached") onReached();
        if (message.say === "progress" && message.answered > last) {
          last = message.answered;
          heard();
          onProgress(message.answered);
        }
        return message.say === "ended" ? message.end : undefined;
      });
      post({ say: "leg", leg });
      return ended;
    },
    finish: () => {
      const finished = hear(undefined, (message) => (message.say === "finished" ? message.sent : undefined));
      post({ say: "finish" });
      return finished;
    },
    stop: async () => void (await worker.terminate()),
  };
}
