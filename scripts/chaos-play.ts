// Plays one scenario against a lane: faults, trigger, kills and an operator's actions, until everything is calm again.
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { type Answer, refusalCode } from "./chaos-client.ts";
import { statusAnswer } from "./chaos-facts.ts";
import type { Fault } from "./chaos-faults.ts";
import { type Lane, untilCalm } from "./chaos-lane.ts";
import type { Action, Scenario } from "./chaos-plan.ts";

/** A caller gives up after this long; no refusal that passes by itself lasts longer, in ms. */
const PATIENCE_MS = 150_000;

const RERUN_TRIES = 6;
const RERUN_AGAIN_MS = 500;

const startedAnswer = z.object({ session_id: z.string() });
const cancelAnswer = z.object({ confirmed: z.boolean() });

/** Rejects with GaveUp when a run does not end or nobody answers, otherwise when the Worker does not come back. */
export async function playScenario(lane: Lane, scenario: Scenario): Promise<string> {
  await setFaults(lane, scenario.faults);
  const sessionId = await bothEnd(startAndAct(lane, scenario), killAtTimes(lane, scenario.killsAtMs));
  await untilCalm(lane);
  await actAfterwards(lane, scenario, sessionId);
  return (await readStatus(lane, sessionId)).state;
}

/** Whatever becomes of the one, the other is not left running. */
async function bothEnd<Value>(acting: Promise<Value>, killing: Promise<void>): Promise<Value> {
  await Promise.allSettled([acting, killing]);
  await killing;
  return acting;
}

/** For every run from now on; those before keep theirs. */
export async function setFaults({ simulator, order }: Lane, faults: Fault): Promise<void> {
  await simulator.ask({ method: "DELETE", path: "/simulator/faults" });
  const body = { ...faults, scope: "all", order };
  await mustSucceed(simulator.ask({ method: "POST", path: "/simulator/faults", body }));
}

async function killAtTimes(lane: Lane, times: readonly number[]): Promise<void> {
  for (const ms of times) {
    await sleep(ms);
    await lane.kill();
  }
}

async function startAndAct(lane: Lane, scenario: Scenario): Promise<string> {
  const { agentFilter, action } = scenario;
  const body = agentFilter === null ? {} : { agent_filter: agentFilter };
  const key = keyOf(scenario, "trigger");
  const press = () => start(lane, key, "/api/force-sync/trigger", body);
  const pressed = await Promise.all(action.what === "same key twice" ? [press(), press()] : [press()]);
  const [sessionId] = pressed;
  if (sessionId === undefined) throw new Error(`the trigger of scenario ${scenario.number} was refused for good`);
  await act(lane, scenario, sessionId);
  // The same request once more, however the run goes on, is the same run.
  await press();
  return sessionId;
}

async function act(lane: Lane, scenario: Scenario, sessionId: string): Promise<void> {
  const { action } = scenario;
  if ("afterMs" in action) await sleep(action.afterMs);
  switch (action.what) {
    case "cancel":
      await cancel(lane, sessionId);
      return;
    case "rerun of failed agents":
      await rerun(lane, scenario, sessionId);
      return;
    case "queue":
    case "queue and withdraw":
      await queue(lane, scenario, action);
      return;
    case "force restart":
      await start(lane, keyOf(scenario, "force"), "/api/force-sync/trigger", { force_restart: true });
      return;
    case "switch off and on":
      await turn(lane, { enabled: false, reason: "crash test" });
      await sleep(action.waitMs);
      await turn(lane, { enabled: true });
      return;
    default:
      return;
  }
}

/** What needs a run that has ended. */
async function actAfterwards(lane: Lane, scenario: Scenario, sessionId: string): Promise<void> {
  const { what } = scenario.action;
  if (what !== "retry" && what !== "resume") return;
  if (what === "resume") await mustSucceed(lane.simulator.ask({ method: "POST", path: "/simulator/credential" }));
  const body = what === "retry" ? { failed_only: scenario.action.failedOnly } : { credential_confirmed: true };
  for (let time = 0; time < 2; time++) {
    await start(lane, keyOf(scenario, what), `/api/force-sync/${what}/${sessionId}`, body);
  }
  await untilCalm(lane);
}

async function queue(lane: Lane, scenario: Scenario, action: Extract<Action, { what: `queue${string}` }>) {
  const key = keyOf(scenario, "queue");
  const waiting = await start(lane, key, "/api/force-sync/trigger", { on_busy: "queue" });
  if (action.what === "queue" || waiting === undefined) return;
  await sleep(action.waitMs);
  await cancel(lane, waiting);
}

/** Tried for a while, because an agent has to have failed first; a run that has ended is repeated as a new one. */
async function rerun(lane: Lane, scenario: Scenario, sessionId: string): Promise<void> {
  for (let time = 0; time < RERUN_TRIES; time++) {
    const path = `/api/force-sync/retry/${sessionId}`;
    if ((await start(lane, keyOf(scenario, "rerun"), path, { on_busy: "queue" })) !== undefined) return;
    await sleep(RERUN_AGAIN_MS);
  }
}

/** Answers that are final: nothing was started, and asking again would not change that. */
const FINAL = new Set(["nothing_to_retry", "not_resumable", "run_ended", "queue_full", "credential_unchanged"]);

/** Asks with the same key until there is an answer; undefined when there was nothing to start. */
export async function start(lane: Lane, key: string, path: string, body: object): Promise<string | undefined> {
  const request = { method: "POST", path, body, headers: { "Idempotency-Key": key } };
  const isOver = (answer: Answer) => isSuccess(answer) || FINAL.has(refusalCode(answer));
  const answer = await lane.worker.askUntil(request, isOver, PATIENCE_MS);
  if (!isSuccess(answer)) return undefined;
  const { session_id: sessionId } = startedAnswer.parse(answer.json);
  lane.notes.started.push({ key, sessionId });
  return sessionId;
}

/** Until it is confirmed, or the run has ended otherwise. */
async function cancel(lane: Lane, sessionId: string): Promise<void> {
  const isOver = (answer: Answer) =>
    (isSuccess(answer) && cancelAnswer.parse(answer.json).confirmed) || FINAL.has(refusalCode(answer));
  const request = { method: "DELETE", path: `/api/force-sync/status/${sessionId}` };
  const answer = await lane.worker.askUntil(request, isOver, PATIENCE_MS);
  if (isSuccess(answer)) lane.notes.cancelled.push({ sessionId, at: Date.now() });
}

async function turn(lane: Lane, body: { readonly enabled: boolean; readonly reason?: string }): Promise<void> {
  await lane.worker.askUntil({ method: "PUT", path: "/api/force-sync/switch", body }, isSuccess, PATIENCE_MS);
}

export async function readStatus(lane: Lane, sessionId: string) {
  return lane.worker.read(`/api/force-sync/status/${sessionId}`, statusAnswer);
}

/** Unlike any other key of the lane, and the same when the scenario is played again. */
function keyOf({ number }: Scenario, purpose: string): string {
  return `scenario-${number}-${purpose}`;
}

async function mustSucceed(asked: Promise<Answer>): Promise<void> {
  const answer = await asked;
  if (!isSuccess(answer)) throw new Error(`the simulator answered ${answer.status}: ${JSON.stringify(answer.json)}`);
}

function isSuccess({ status }: Answer): boolean {
  return status >= 200 && status < 300;
}
