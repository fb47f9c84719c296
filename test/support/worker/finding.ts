// Deliveries that do not say whose they are, and the workspace that keeps them.
import { type Answer, agentEvent, runningSync, status, trigger, webhook } from "./client.ts";
import { advanceClock } from "./faults.ts";
import { query, ring, sessionObject, workspaceObject } from "./objects.ts";

type Fields = Readonly<Record<string, unknown>>;

/** A result that names no run of ours, only what `names` says. */
export function report(agentId: string, names: Fields, outcome = "completed") {
  return {
    ...agentEvent({ session_id: "", correlation_id: "" }, agentId, outcome),
    correlation_id: undefined,
    ...names,
  };
}

export async function completedAgents(id: string): Promise<number> {
  return (await status(id)).completed_agents;
}

export async function heldCount(): Promise<unknown> {
  const [row] = await query(workspaceObject(), "SELECT count(*) AS n FROM held");
  return row?.n;
}

/** The workspace's alarm rings every ten seconds. */
export async function passSeconds(seconds: number): Promise<void> {
  for (let passed = 0; passed < seconds; passed += 10) {
    advanceClock(10_000);
    await ring(workspaceObject());
  }
}

export async function activeSession(): Promise<string | null> {
  return (await workspaceObject().overview()).activeSessionId;
}

/** A running sync while the clock is ahead of the real one, so that no alarm rings by itself. */
export async function runningByHand(opal: string): Promise<Answer["body"]> {
  const { body } = await trigger(opal);
  await ring(sessionObject(body.session_id));
  return status(body.session_id);
}

/** A run that OPAL already runs under `ours`, so that no other workflow id can be taken for it. */
export async function boundRun(ours = "ours"): Promise<Answer["body"]> {
  const run = await runningSync("empty");
  await webhook(agentEvent(run, "integration_health", "started", { workflow_id: ours }));
  return run;
}
