// The sender's thread: it keeps what is still to be sent, and goes on with that whenever the Worker is there again.
import { setTimeout as sleep } from "node:timers/promises";
import { parentPort, workerData } from "node:worker_threads";
import { Connection, requestText } from "../bench/load/http.ts";
import { drawFrom } from "../simulator/random.ts";
import { sign } from "../simulator/sign.ts";
import { type FromSender, type Leg, read, type Sent, type Told, type ToSender } from "./flood-answers.ts";
import { allot, eventOf, type FloodPlan, type Parcel, parcels } from "./flood-events.ts";

const PROGRESS_MS = 500;
/** What was put off is sent again after this, in ms. */
const PUT_OFF_MS = 200;
/** So many of the requests whose answer was lost are sent again; nobody asks for the others any more. */
const SENT_AGAIN = 0.7;
const ODD_KEPT = 20;

const plan: FloodPlan = workerData;
const receivers = allot(plan);
const queue = parcels(plan);
const again: Parcel[] = [];
const told = new Map<number, Told>();
const latencies: number[] = [];
const statuses: Record<string, number> = {};
const odd: string[] = [];
const draw = drawFrom(plan.seed, "given up");
let next = 0;
let givenUp = 0;
let answered = 0;

function take(): Parcel | undefined {
  return again.pop() ?? queue[next++];
}

function say(message: FromSender): void {
  parentPort?.postMessage(message);
}

async function send(leg: Leg): Promise<void> {
  const [startedAt, before, url] = [performance.now(), answered, new URL(leg.url)];
  let lost = 0;
  let isTold = false;
  const progress = setInterval(() => say({ say: "progress", answered }), PROGRESS_MS);
  const sendOn = async () => {
    let connection = new Connection(url);
    for (let parcel = take(); parcel !== undefined; parcel = take()) {
      const { request, record } = prepare(url, parcel);
      const sentAt = performance.now();
      let reply: { readonly status: number; readonly body: string };
      try {
        reply = await connection.send(request);
      } catch {
        record.lost += 1;
        lost += 1;
        if (draw.chance(SENT_AGAIN)) again.push(parcel);
        else givenUp += 1;
        break;
      }
      latencies.push(performance.now() - sentAt);
      answered += 1;
      if (note(record, reply) === "putOff") {
        again.push(parcel);
        connection.close();
        await sleep(PUT_OFF_MS);
        connection = new Connection(url);
      }
      if (!isTold && leg.tellAt !== undefined && answered >= leg.tellAt) {
        isTold = true;
        say({ say: "reached" });
      }
    }
    connection.close();
  };
  await Promise.all(Array.from({ length: leg.connections }, sendOn));
  clearInterval(progress);
  const isDone = next >= queue.length && again.length === 0;
  say({ say: "ended", end: { isDone, answered: answered - before, lost, tookMs: performance.now() - startedAt } });
}

function prepare(url: URL, { number }: Parcel): { readonly request: string; readonly record: Told } {
  const { body, sha256, receiver } = eventOf(plan, number, receivers[number] ?? -1);
  const to = plan.receivers[receiver];
  if (to === undefined) throw new RangeError(`There is no receiver ${receiver}.`);
  const record = told.get(number) ?? { number, receiver, sha256, taken: 0, duplicates: 0, lost: 0, putOff: 0, ids: [] };
  told.set(number, record);
  const headers = {
    "Content-Type": "application/json",
    "X-OSA-Signature": sign(to.secret, Buffer.from(body), Math.floor(Date.now() / 1000)),
    // Many senders: the wall for a single address is not what this is about.
    "CF-Connecting-IP": `10.${(number >> 16) & 255}.${(number >> 8) & 255}.${number & 255}`,
  };
  return { request: requestText(url, { method: "POST", path: to.path, headers, body }), record };
}

function note(record: Told, { status, body }: { readonly status: number; readonly body: string }) {
  statuses[status] = (statuses[status] ?? 0) + 1;
  const answer = read(status, body);
  if (answer === undefined) {
    if (odd.length < ODD_KEPT) odd.push(`event ${record.number}: ${status} ${body.slice(0, 300)}`);
    return undefined;
  }
  record[answer.outcome] += 1;
  if ("id" in answer && !record.ids.includes(answer.id)) record.ids.push(answer.id);
  return answer.outcome;
}

parentPort?.on("message", (message: ToSender) => {
  if (message.say === "leg") {
    void send(message.leg);
    return;
  }
  const sent: Sent = { told: [...told.values()], latencies: Float64Array.from(latencies), statuses, odd, givenUp };
  say({ say: "finished", sent });
});
