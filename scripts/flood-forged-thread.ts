// The thread of those who have no secret: as fast as the answers come, until it is told to stop.
import { parentPort, workerData } from "node:worker_threads";
import { Connection, requestText } from "../bench/load/http.ts";
import { forgedRequests, type Keys } from "./flood-forged.ts";

export interface ForgedFlood {
  readonly url: string;
  readonly connections: number;
  readonly seed: number;
  readonly keys: Keys;
}

export interface ForgedOutcome {
  readonly sent: number;
  readonly tookMs: number;
  /** Answers by status and code, such as `401 signature_invalid`. */
  readonly refusals: Readonly<Record<string, number>>;
  /** Requests without an answer: their connection was closed. */
  readonly broken: number;
  /** Kinds of forgeries that were taken in; must stay empty. */
  readonly takenIn: readonly string[];
}

const CODE = /"type":"[^"]*\/(\w+)"/;

const { url: address, connections, seed, keys }: ForgedFlood = workerData;
const url = new URL(address);
const requests = forgedRequests(seed, keys);
const refusals: Record<string, number> = {};
const takenIn: string[] = [];
let [sent, broken] = [0, 0];
let isOn = true;

async function pour(): Promise<void> {
  let connection = new Connection(url);
  while (isOn) {
    const { kind, ...request } = requests.next().value;
    sent += 1;
    try {
      const { status, body } = await connection.send(requestText(url, request));
      const name = `${status} ${CODE.exec(body)?.[1] ?? "without a code"}`;
      refusals[name] = (refusals[name] ?? 0) + 1;
      if (status < 400) takenIn.push(kind);
    } catch {
      broken += 1;
      connection.close();
      connection = new Connection(url);
    }
  }
  connection.close();
}

const startedAt = performance.now();
const done = Promise.all(Array.from({ length: connections }, pour));
parentPort?.once("message", async () => {
  isOn = false;
  await done;
  const outcome: ForgedOutcome = { sent, tookMs: performance.now() - startedAt, refusals, broken, takenIn };
  parentPort?.postMessage(outcome);
});
