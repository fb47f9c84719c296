// The points of a trigger at which a crash is worst, each met on purpose: the Worker is killed as soon as the other
// side, or its own storage, shows that it is there.
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { GaveUp } from "./chaos-client.ts";
import { type Call, ledgerAnswer } from "./chaos-facts.ts";
import { type Lane, untilCalm } from "./chaos-lane.ts";
import { readStatus, setFaults, start } from "./chaos-play.ts";

export interface CrashPoint {
  readonly name: string;
  /** Plays it once; `key` is unlike any other of the lane. Rejects when the point is not met in time. */
  readonly play: (lane: Lane, key: string) => Promise<PointOutcome>;
}

export interface PlayedPoint extends PointOutcome {
  readonly name: string;
}

/** All of them, one after the other. */
export async function playPoints(lane: Lane): Promise<PlayedPoint[]> {
  const played: PlayedPoint[] = [];
  for (const [index, { name, play }] of CRASH_POINTS.entries()) {
    played.push({ name, ...(await play(lane, `point-${index + 1}`)) });
  }
  return played;
}

export interface PointOutcome {
  readonly sessionId: string;
  /** Whether the crash fell where it should. */
  readonly isMet: boolean;
  readonly state: string;
  /** Calls that reached OPAL for the start of the run, in order. */
  readonly calls: readonly Call[];
  readonly workflows: number;
  /** Of the attempts, as the run tells of them: how each failed, or null. */
  readonly failures: readonly (string | null)[];
}

/** Two agents are enough, and soon done; their limit is no part of this. */
const BODY = { agent_filter: ["integration_health", "content_review"], timeout_override: 1_800_000 };
const POINT_LIMIT_MS = 30_000;
const LOOK_MS = 3;
const TRIES = 4;

export const CRASH_POINTS: readonly CrashPoint[] = [
  {
    name: "the request is at OPAL and not answered yet",
    play: async (lane, key) => {
      await setFaults(lane, { trigger: [{ kind: "slow", ms: 1_000 }] });
      const sessionId = await press(lane, key);
      await untilCalled(lane, sessionId, ([call]) => call?.answered === "pending");
      await lane.kill();
      const outcome = await outcomeOf(lane, sessionId);
      return { ...outcome, isMet: outcome.failures[0] === "interrupted" };
    },
  },
  {
    name: "OPAL has just answered",
    play: async (lane, key) => {
      await setFaults(lane, {});
      const sessionId = await press(lane, key);
      await untilCalled(lane, sessionId, ([call]) => call?.answered === 200);
      await lane.kill();
      return { ...(await outcomeOf(lane, sessionId)), isMet: true };
    },
  },
  {
    name: "the run is granted and not started",
    play: async (lane, key) => {
      await setFaults(lane, {});
      return inSeveralTries(async (time) => {
        const pressed = press(lane, `${key}-${time}`);
        const granted = await untilLease(lane, ({ state }) => state === "granted");
        const killedAt = Date.now();
        await lane.kill();
        const outcome = await outcomeOf(lane, await pressed);
        return { ...outcome, isMet: granted.session_id === outcome.sessionId && outcome.requestedAt > killedAt };
      });
    },
  },
  {
    name: "a retry waits for its time",
    play: async (lane, key) => {
      await setFaults(lane, { trigger: [{ kind: "status", status: 503, retryAfter: 4 }] });
      const sessionId = await press(lane, key);
      await untilAttempts(lane, sessionId, (failures) => failures[0] === "http_5xx");
      await lane.kill();
      const outcome = await outcomeOf(lane, sessionId);
      const [first, second] = outcome.calls;
      const waitedMs = first && second ? second.at - first.at : 0;
      return { ...outcome, isMet: waitedMs >= 4_000 };
    },
  },
  {
    name: "the circuit breaker has let one call out to try",
    play: async (lane, key) => {
      await setFaults(lane, { trigger: [{ kind: "status", status: 503, times: 3 }] });
      const unlucky = await press(lane, `${key}-opens`);
      await untilAttempts(lane, unlucky, (failures) => failures.length >= 3 && failures[2] === "http_5xx");
      await lane.worker.ask({ method: "DELETE", path: `/api/force-sync/status/${unlucky}` });
      await untilCalm(lane);
      await setFaults(lane, { trigger: [{ kind: "slow", ms: 1_000 }] });
      const sessionId = await press(lane, key);
      await untilCalled(lane, sessionId, ([call]) => call?.answered === "pending");
      const { state } = await lane.worker.read("/api/force-sync/breaker", breakerState);
      await lane.kill();
      return { ...(await outcomeOf(lane, sessionId)), isMet: state === "half_open" };
    },
  },
  {
    name: "the run before has ended and the queued one is not started",
    play: async (lane, key) => {
      await setFaults(lane, {});
      return inSeveralTries(async (time) => {
        await press(lane, `${key}-before-${time}`);
        const queued = await press(lane, `${key}-${time}`, { on_busy: "queue" });
        await untilLease(lane, ({ session_id, state }) => session_id === queued && state === "granted");
        const killedAt = Date.now();
        await lane.kill();
        const outcome = await outcomeOf(lane, queued);
        return { ...outcome, isMet: outcome.requestedAt > killedAt };
      });
    },
  },
];

const breakerState = z.object({ state: z.string() });
const attemptsAnswer = z.object({
  created_at: z.iso.datetime().transform((text) => Date.parse(text)),
  attempts: z.array(z.object({ error_class: z.string().nullable() })),
});

async function press(lane: Lane, key: string, body: object = {}): Promise<string> {
  const sessionId = await start(lane, key, "/api/force-sync/trigger", { ...BODY, ...body });
  if (sessionId === undefined) throw new Error(`the trigger with ${key} was refused`);
  return sessionId;
}

/** What lies between two steps of ours is over in a few milliseconds, so it may take some tries to meet it. */
async function inSeveralTries(act: (time: number) => Promise<PointOutcome>): Promise<PointOutcome> {
  let outcome = await act(1);
  for (let time = 2; !outcome.isMet && time <= TRIES; time++) outcome = await act(time);
  return outcome;
}

async function outcomeOf(lane: Lane, sessionId: string) {
  await untilCalm(lane);
  const { state } = await readStatus(lane, sessionId);
  const path = `/api/force-sync/status/${sessionId}`;
  const { attempts, created_at: requestedAt } = await lane.worker.read(path, attemptsAnswer);
  const calls = await callsOf(lane, sessionId);
  const workflows = new Set(calls.flatMap(({ workflowId }) => workflowId ?? [])).size;
  return { sessionId, requestedAt, state, calls, workflows, failures: attempts.map((attempt) => attempt.error_class) };
}

async function callsOf({ simulator }: Lane, sessionId: string): Promise<Call[]> {
  const { triggers } = await simulator.read("/simulator/ledger", ledgerAnswer);
  return triggers.filter(({ idempotencyKey }) => idempotencyKey === sessionId);
}

async function untilCalled(lane: Lane, sessionId: string, isThere: (calls: readonly Call[]) => boolean): Promise<void> {
  await untilSeen("a call", async () => ((await callsOf(lane, sessionId).then(isThere)) ? true : undefined));
}

type Failures = readonly (string | null)[];

async function untilAttempts(lane: Lane, sessionId: string, isThere: (failures: Failures) => boolean): Promise<void> {
  await untilSeen("an attempt", async () => {
    const { attempts } = await lane.worker.read(`/api/force-sync/status/${sessionId}`, attemptsAnswer);
    return isThere(attempts.map((attempt) => attempt.error_class)) ? true : undefined;
  });
}

async function untilSeen<Value>(what: string, look: () => Promise<Value | undefined>): Promise<Value> {
  const giveUpAt = Date.now() + POINT_LIMIT_MS;
  while (Date.now() < giveUpAt) {
    const seen = await look();
    if (seen !== undefined) return seen;
    await sleep(LOOK_MS);
  }
  throw new GaveUp(`${what} was not seen within ${POINT_LIMIT_MS / 1000} s`);
}

const lease = z.object({ session_id: z.string(), state: z.string() });

/** Read from the workspace's own storage: nobody is told of what lasts a few milliseconds. */
async function untilLease({ stateDirectory }: Lane, isThere: (found: z.infer<typeof lease>) => boolean) {
  const folder = join(stateDirectory, "v3", "do", "osa-edge-Workspace");
  const file = readdirSync(folder).find((name) => name.endsWith(".sqlite") && name !== "metadata.sqlite");
  const database = new DatabaseSync(join(folder, file ?? ""), { readOnly: true });
  try {
    const query = database.prepare("SELECT session_id, state FROM lease");
    const giveUpAt = Date.now() + POINT_LIMIT_MS;
    while (Date.now() < giveUpAt) {
      const found = lease.safeParse(query.get());
      if (found.success && isThere(found.data)) return found.data;
      await nextTurn();
    }
  } finally {
    database.close();
  }
  throw new GaveUp(`the lease was not seen within ${POINT_LIMIT_MS / 1000} s`);
}
