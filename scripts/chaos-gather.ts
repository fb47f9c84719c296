// Reads everything there is to judge about the runs of a lane that were not judged before.
import { setTimeout as sleep } from "node:timers/promises";
import {
  breakerAnswer,
  type Consistency,
  consistencyAnswer,
  controlAnswer,
  eventsAnswer,
  type Facts,
  heldAnswer,
  ledgerAnswer,
  type Session,
  statusAnswer,
  workflowAnswer,
  workflowsAnswer,
} from "./chaos-facts.ts";
import type { Lane } from "./chaos-lane.ts";

/** D1 has heard of everything this long after the end, in ms. */
const D1_LIMIT_MS = 60_000;

/** What was judged before. */
export interface Judged {
  /** Sessions up to this id, in the order of ids. */
  readonly lastSession: string;
  readonly workflows: ReadonlySet<string>;
  readonly calls: number;
  readonly started: number;
  readonly cancelled: number;
}

export const NOTHING_JUDGED: Judged = {
  lastSession: "",
  workflows: new Set(),
  calls: 0,
  started: 0,
  cancelled: 0,
};

export interface Gathered {
  readonly facts: Facts;
  readonly judged: Judged;
}

/** Call when the lane is quiet, so that nothing that is read here changes any more. */
export async function gather({ worker, simulator, notes }: Lane, before: Judged): Promise<Gathered> {
  const consistency = await checkedRuns(worker, before.lastSession);
  const { triggers } = await simulator.read("/simulator/ledger", ledgerAnswer);
  const { runs } = await simulator.read("/simulator/runs", workflowsAnswer);
  const calls = triggers.slice(before.calls);
  const told = {
    started: notes.started.slice(before.started),
    cancelled: notes.cancelled.slice(before.cancelled),
  };
  const workflowIds = runs.map(({ workflowId }) => workflowId).filter((id) => !before.workflows.has(id));
  const workflows = await inTurn(workflowIds, (id) => simulator.read(`/simulator/runs/${id}`, workflowAnswer));
  // A run that somebody was told of, or that OPAL was called for, has to be found even if the workspace forgot it.
  const sessionIds = new Set([
    ...consistency.map(({ session_id }) => session_id),
    ...told.started.map(({ sessionId }) => sessionId),
    ...calls.flatMap(({ sessionId }) => sessionId ?? []),
  ]);
  const sessions = await inTurn([...sessionIds].toSorted(), (id) => readSession(worker, id));
  const { active_session: active, queued } = await worker.read("/api/force-sync/control", controlAnswer);
  const { deliveries } = await worker.read("/api/force-sync/held", heldAnswer);
  return {
    facts: {
      ...{ told, calls, workflows, consistency, active },
      sessions: sessions.flatMap((session) => session ?? []),
      held: deliveries.map((held) => held.webhook_id),
      queued: queued?.session_id ?? null,
    },
    judged: {
      lastSession: consistency.at(-1)?.session_id ?? before.lastSession,
      workflows: new Set([...before.workflows, ...workflowIds]),
      calls: triggers.length,
      started: notes.started.length,
      cancelled: notes.cancelled.length,
    },
  };
}

/** Counters of the workspace since it began, such as `breaker_opened`. */
export async function readCounters({ worker }: Lane): Promise<Readonly<Record<string, number>>> {
  return (await worker.read("/api/force-sync/breaker", breakerAnswer)).counters;
}

/** Every run after this one compared with D1; asked again for a while, because D1 may be the last to hear. */
export async function checkedRuns(worker: Lane["worker"], after: string): Promise<Consistency[]> {
  const giveUpAt = Date.now() + D1_LIMIT_MS;
  for (;;) {
    const checked = await readConsistency(worker, after);
    if (checked.every(({ consistent }) => consistent) || Date.now() > giveUpAt) return checked;
    await sleep(1_000);
  }
}

async function readConsistency(worker: Lane["worker"], after: string): Promise<Consistency[]> {
  const found: Consistency[] = [];
  for (let next: string | null = after; next !== null; ) {
    const page: { runs: Consistency[]; next_after: string | null } = await worker.read(
      `/api/admin/consistency?limit=20&after=${encodeURIComponent(next)}`,
      consistencyAnswer,
    );
    found.push(...page.runs);
    next = page.next_after;
  }
  return found;
}

/** Undefined when the Worker says that there is no such run. */
async function readSession(worker: Lane["worker"], sessionId: string): Promise<Session | undefined> {
  const question = { path: `/api/force-sync/status/${sessionId}` };
  const answer = await worker.askUntil(question, ({ status }) => status === 200 || status === 404, D1_LIMIT_MS);
  if (answer.status === 404) return undefined;
  // One that waits for its turn has a status, but neither agents nor a log.
  const status = statusAnswer.safeParse(answer.json);
  if (!status.success) return undefined;
  const { events } = await worker.read(`/api/force-sync/events/${sessionId}`, eventsAnswer);
  return { sessionId, status: status.data, events };
}

async function inTurn<Id, Value>(ids: readonly Id[], read: (id: Id) => Promise<Value>): Promise<Value[]> {
  const values: Value[] = [];
  for (const id of ids) values.push(await read(id));
  return values;
}
