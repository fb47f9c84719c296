// Runs force syncs against real processes while the Worker is killed again and again, then compares three ledgers:
// what the simulator was told "yes" to, what the sessions' logs hold, and what D1 holds.
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { freePort } from "../../../scripts/processes.ts";
import { type Stack, startStack } from "../../../scripts/stack.ts";
import { CHAOS_KEY, type Draw, drawFrom } from "./draw.ts";

export interface KillLoop {
  readonly seed: number;
  readonly runs: number;
  readonly killsPerRun: number;
  readonly say: (line: string) => void;
}

export interface RunLedger {
  readonly sessionId: string;
  readonly state: string;
  readonly kills: number;
  readonly agentStates: readonly string[];
  /** Workflows that OPAL started for this run. */
  readonly workflows: number;
  readonly doubleStarts: number;
  /** SHA-256 of every body that the simulator was told "yes" to; once each. */
  readonly acknowledged: readonly string[];
  /** SHA-256 of every delivery in the session's log, in its order. */
  readonly recorded: readonly string[];
  /** Seq of every event in the session's log, and in D1. */
  readonly logSeqs: readonly number[];
  readonly d1Seqs: readonly number[];
  /** The same, of the deliveries in D1. */
  readonly d1Deliveries: readonly string[];
  readonly completedEventsPerAgent: Readonly<Record<string, number>>;
}

/** A run may last this long with all its kills, in ms. */
const RUN_LIMIT_MS = 180_000;
/** D1 has heard of everything this long after the end, in ms. */
const SETTLE_LIMIT_MS = 60_000;

export async function killLoop({ seed, runs, killsPerRun, say }: KillLoop): Promise<RunLedger[]> {
  const draw = drawFrom(seed);
  const stateDirectory = mkdtempSync(join(tmpdir(), "osa-chaos-"));
  const [port, simulatorPort] = [await freePort(), await freePort()];
  const stack = await startStack({ port, simulatorPort, stateDirectory, simulatorSpeed: 40 });
  const ledgers: RunLedger[] = [];
  try {
    for (let run = 1; run <= runs; run++) {
      const ledger = await oneRun(stack, stateDirectory, draw, killsPerRun);
      say(`run ${run} of ${runs}: ${ledger.state} after ${ledger.kills} kills, ${ledger.recorded.length} deliveries`);
      ledgers.push(ledger);
    }
  } finally {
    await stack.stop();
  }
  rmSync(stateDirectory, { recursive: true, force: true });
  return ledgers;
}

async function oneRun(stack: Stack, stateDirectory: string, draw: Draw, kills: number): Promise<RunLedger> {
  const started = trigger(stack);
  for (let kill = 0; kill < kills; kill++) {
    // The first kill falls into the start of the run, where the call to OPAL is made and its answer recorded.
    await sleep(kill === 0 ? draw.between(0, 400) : draw.between(0, 6_000));
    stack.worker.kill("SIGKILL");
    await stack.worker.exited();
    await stack.worker.restart();
  }
  const sessionId = await started;
  const status = await waitFor(
    () => read(stack, `/api/force-sync/status/${sessionId}`, statusSchema),
    (now) => now.status === "completed" || now.status === "failed",
    RUN_LIMIT_MS,
  );
  const { events } = await read(stack, `/api/force-sync/events/${sessionId}`, eventsSchema);
  const d1 = await waitFor(
    async () => readD1(stateDirectory, sessionId),
    (rows) => rows.seqs.length === events.length,
    SETTLE_LIMIT_MS,
  );
  const simulated = await simulatorLedger(stack, sessionId);
  return {
    sessionId,
    state: status.state,
    kills,
    agentStates: status.agents.map((agent) => agent.status),
    workflows: simulated.workflows,
    doubleStarts: status.double_starts,
    acknowledged: simulated.acknowledged,
    recorded: events.flatMap((event) => (event.type === "delivery_recorded" && event.sha256 ? [event.sha256] : [])),
    logSeqs: events.map((event) => event.seq),
    d1Seqs: d1.seqs,
    d1Deliveries: d1.deliveries,
    completedEventsPerAgent: countBy(
      events.flatMap((event) => (event.type === "agent_completed" ? [event.agentId ?? ""] : [])),
    ),
  };
}

/** Repeats the same request with the same key until the Worker has answered it, as a careful client does. */
async function trigger(stack: Stack): Promise<string> {
  const idempotencyKey = crypto.randomUUID();
  const answer = await waitFor(
    async () => {
      const response = await fetch(`${stack.url}/api/force-sync/trigger`, {
        method: "POST",
        headers: { Authorization: `Bearer ${CHAOS_KEY}`, "Idempotency-Key": idempotencyKey },
        signal: AbortSignal.timeout(5_000),
      });
      return triggerSchema.parse(await response.json());
    },
    (given) => given.session_id !== undefined,
    RUN_LIMIT_MS,
  );
  return answer.session_id ?? "";
}

async function read<Schema extends z.ZodType>(stack: Stack, path: string, schema: Schema): Promise<z.infer<Schema>> {
  const headers = { Authorization: `Bearer ${CHAOS_KEY}` };
  const response = await fetch(`${stack.url}${path}`, { headers, signal: AbortSignal.timeout(5_000) });
  return schema.parse(await response.json());
}

/** While the Worker is down a question fails; it is asked again until the limit. */
async function waitFor<Value>(
  ask: () => Promise<Value>,
  isDone: (value: Value) => boolean,
  limitMs: number,
): Promise<Value> {
  const giveUpAt = Date.now() + limitMs;
  let last: unknown;
  while (Date.now() < giveUpAt) {
    try {
      const value = await ask();
      if (isDone(value)) return value;
      last = value;
    } catch (error) {
      last = error;
    }
    await sleep(250);
  }
  throw new Error(`not reached in ${limitMs / 1000} s: ${last instanceof Error ? last.message : JSON.stringify(last)}`);
}

function readD1(stateDirectory: string, sessionId: string): { seqs: number[]; deliveries: string[] } {
  const folder = join(stateDirectory, "v3", "d1", "miniflare-D1DatabaseObject");
  const file = readdirSync(folder).find((name) => name.endsWith(".sqlite") && name !== "metadata.sqlite");
  const database = new DatabaseSync(join(folder, file ?? ""), { readOnly: true });
  try {
    const seqs = database.prepare("SELECT seq FROM run_events WHERE session_id = ? ORDER BY seq").all(sessionId);
    const deliveries = database
      .prepare("SELECT sha256 FROM webhook_events WHERE session_id = ? ORDER BY seq")
      .all(sessionId);
    return {
      seqs: seqs.map((row) => Number(row.seq)),
      deliveries: deliveries.map((row) => String(row.sha256)),
    };
  } finally {
    database.close();
  }
}

async function simulatorLedger(
  stack: Stack,
  sessionId: string,
): Promise<{ workflows: number; acknowledged: string[] }> {
  const ask = async <Schema extends z.ZodType>(path: string, schema: Schema) =>
    schema.parse(await (await fetch(`${stack.simulatorUrl}${path}`)).json());
  const { triggers } = await ask("/simulator/ledger", ledgerSchema);
  const workflowIds = new Set(
    triggers.flatMap((call) => (call.idempotencyKey === sessionId && call.workflowId ? [call.workflowId] : [])),
  );
  const acknowledged = new Set<string>();
  for (const workflowId of workflowIds) {
    const run = await ask(`/simulator/runs/${workflowId}`, simulatedRunSchema);
    for (const delivery of run.deliveries)
      if (delivery.outcome === "acknowledged") acknowledged.add(delivery.bodySha256);
  }
  return { workflows: workflowIds.size, acknowledged: [...acknowledged] };
}

function countBy(names: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}

const triggerSchema = z.object({ session_id: z.string().optional() });
const statusSchema = z.object({
  status: z.string(),
  state: z.string(),
  double_starts: z.number(),
  agents: z.array(z.object({ status: z.string() })),
});
const eventsSchema = z.object({
  events: z.array(
    z.object({ seq: z.number(), type: z.string(), agentId: z.string().optional(), sha256: z.string().optional() }),
  ),
});
const ledgerSchema = z.object({
  triggers: z.array(z.object({ idempotencyKey: z.string().nullable(), workflowId: z.string().nullable() })),
});
const simulatedRunSchema = z.object({
  deliveries: z.array(z.object({ bodySha256: z.string(), outcome: z.string() })),
});
