// The whole life of a run and of those that follow it, step by step, and what is left of it in the end.
import { agentEvent, CHAIN, type RunNames, status, webhook } from "./client.ts";
import { type Body, oddResult, othersThan, report, retry, start, takeOverClock } from "./control.ts";
import { advanceClock, fixLuck } from "./faults.ts";
import { eventsOf, quiet, sessionObject, workspaceObject } from "./objects.ts";

const [SILENT, SECOND] = CHAIN;
const ODD = "geo_audit";
const FAILING = "customer_journey";
const LAST = "cmp_organizer";

/** What is left: answers, logs and overview, with names and times that are the same in every life. */
export interface WholeLife {
  readonly statuses: readonly Body[];
  readonly events: readonly (readonly Body[])[];
  readonly checks: readonly Body[];
  readonly overview: Body;
}

/**
 * A run whose first three calls fail, so that it waits for the circuit breaker. One of its agents stays silent and one
 * hands over what nobody can read; both run once more, through the breaker again. One fails for good, so the run ends
 * partially completed. Its successor waited in the queue and takes a result of the first run in place of a missing one.
 * Then the first run is retried. `disturb` comes between every two steps, and before everybody has heard of a step.
 */
export async function wholeLife(disturb: () => Promise<void>): Promise<WholeLife> {
  takeOverClock();
  fixLuck(0.5);
  const startedAt = Date.now();

  async function step<Value>(act: () => Promise<Value>): Promise<Value> {
    const value = await act();
    await disturb();
    await quiet();
    await disturb();
    return value;
  }
  /** So many seconds pass, one wait after the other. */
  async function pass(...waits: readonly number[]): Promise<void> {
    for (const seconds of waits) await step(async () => advanceClock(seconds * 1_000));
  }
  async function begin(asked: ReturnType<typeof start>): Promise<RunNames> {
    const { status: code, body } = await step(() => asked);
    if (code !== 200 && code !== 202) throw new Error(`not started: ${JSON.stringify(body)}`);
    return body;
  }
  async function tell(run: RunNames, agents: readonly string[], outcome = "completed"): Promise<void> {
    for (const agent of agents) await step(() => report(run, [agent], outcome));
  }
  /** An agent that runs once more reports from a workflow of its own. */
  async function tellAgain(run: RunNames, agent: string, rerun: number): Promise<void> {
    const workflow_id = `opal-${run.session_id}.rerun-${rerun}`;
    await step(() => webhook(agentEvent(run, agent, "completed", { workflow_id })));
  }

  const first = await begin(start("503 503 503 ok"));
  await pass(1, 2, 4, 26);
  await tell(first, [SILENT], "started");
  await pass(60, 1);
  await tell(first, [SECOND]);
  await pass(29, 30, 30);
  await tellAgain(first, SILENT, 1);
  await step(() => oddResult(first, ODD));
  await tell(first, ["audience_suggester", "experiment_blueprinter"]);
  await pass(30, 30, 30);
  const second = await begin(start("ok", { on_busy: "queue" }));
  await tellAgain(first, ODD, 2);
  await tell(first, [FAILING], "failed");
  await tell(first, othersThan(SILENT, SECOND, ODD, "audience_suggester", "experiment_blueprinter", FAILING, LAST));
  await tell(first, [LAST]);

  await pass(60);
  await tell(second, othersThan(SILENT));

  const third = await begin(retry(first.session_id, { client_context: { client_name: "ok" } }));
  await tell(first, [SECOND]);
  await tell(third, [FAILING], "started");
  await tell(third, [FAILING]);
  await pass(120);

  const ids = [first.session_id, second.session_id, third.session_id];
  return inOwnTerms(ids, startedAt, {
    statuses: await Promise.all(ids.map(status)),
    events: await Promise.all(ids.map(eventsOf)),
    checks: await Promise.all(ids.map((id) => sessionObject(id).check())),
    overview: await workspaceObject().overview(),
  });
}

/** Runs, deliveries and hashes by the order in which they appear, times by what has passed. */
function inOwnTerms(ids: readonly string[], startedAt: number, life: WholeLife): WholeLife {
  let text = JSON.stringify(life);
  for (const [index, id] of ids.entries()) text = text.replaceAll(id.slice("sync-".length), `run${index + 1}`);
  text = numbered(text, /whd_[a-z0-9]{20}/g, "delivery");
  text = numbered(text, /[0-9a-f]{64}/g, "hash");
  text = text.replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, (time) => `after ${Date.parse(time) - startedAt} ms`);
  text = text.replaceAll(/\b\d{13}\b/g, (time) => String(Number(time) - startedAt));
  return JSON.parse(text);
}

function numbered(text: string, pattern: RegExp, name: string): string {
  const known = new Map<string, string>();
  return text.replaceAll(pattern, (found) => {
    const own = known.get(found) ?? `${name} ${known.size + 1}`;
    known.set(found, own);
    return own;
  });
}
