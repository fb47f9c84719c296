// Plays one workflow: each agent takes its time and reports. Deliveries run beside it and never hold up the clock.

import { setMaxListeners } from "node:events";
import { type Call, closingCalls, contextCall, deliveringCall } from "./calls.ts";
import { createDiscovery } from "./discovery.ts";
import { needsToken } from "./faults.ts";
import { createOutbox } from "./outbox.ts";
import { payload, type Report } from "./payload.ts";
import type { AgentPlan } from "./plan.ts";
import { drawFrom } from "./random.ts";
import type { AgentRecord, ExecutionStatus, Run } from "./records.ts";
import { createStop, rest, untilStopped } from "./rest.ts";
import { dataSources, draftFailure, draftInvalidResult, draftResult, type Subject } from "./results/result.ts";
import type { Settings } from "./settings.ts";
import { callShipment, type Shipment, webhookShipment } from "./shipment.ts";

/** Between two agents of a chain, at real speed: an end and the next start do not race each other to OSA. */
const HAND_OVER_MS = 1_000;

export interface Performance {
  /** Resolves with the first answer that a webhook of the run meets, or when there will be none. */
  readonly firstAnswer: Promise<void>;
  /** Resolves when the last agent has ended and every delivery is settled. */
  readonly settled: Promise<void>;
}

/**
 * The life of a run: `perform` > `work` for each agent > `report` > the outbox. `stopped` ends everything at once; the
 * run's own death (fault stopAfterAgents) still delivers what was said before.
 */
export function play(
  run: Run,
  plans: readonly AgentPlan[],
  subject: Subject,
  { settings, speed, stopped }: { settings: Settings; speed: number; stopped: AbortSignal },
): Performance {
  const outbox = createOutbox(run, settings, stopped);
  const discovery = createDiscovery(settings.target, stopped);
  const death = createStop();
  const working = AbortSignal.any([stopped, death.signal]);
  setMaxListeners(0, working);
  const lateResults: Promise<void>[] = [];
  let agentsEnded = 0;

  async function perform(): Promise<void> {
    if (run.faults.stopAfterAgents === 0) death.abort();
    await untilStopped(working, async () => {
      if (run.order === "parallel") await Promise.all(plans.map(work));
      else await workInTurn();
      await Promise.all(lateResults);
    });
    run.state = stopped.aborted ? "stopped" : death.signal.aborted ? "died" : "ended";
    run.endedAt = new Date().toISOString();
    settings.log(`${run.workflowId} ${run.state}`);
    await outbox.finish();
  }

  async function workInTurn(): Promise<void> {
    for (const [index, plan] of plans.entries()) {
      if (index > 0) await rest(HAND_OVER_MS / speed, working);
      await work(plan);
    }
  }

  async function work(plan: AgentPlan): Promise<void> {
    working.throwIfAborted();
    const { outcome = "complete", noStart = false, resultAfterMs } = plan.fault;
    const record = run.agents.find((agent) => agent.agentId === plan.agentId);
    if (record === undefined) throw new Error(`no record of ${plan.agentId}`);
    const startedMs = Date.now();
    const speaksBeforeItsEnd = outcome !== "silent" && !noStart;
    const hasResult = outcome !== "silent" && outcome !== "stall";

    record.state = "running";
    record.startedAt = new Date(startedMs).toISOString();
    if (plan !== plans[0]) ask(plan, contextCall(run, plan));
    if (speaksBeforeItsEnd) report(plan, "started", {});
    if (hasResult && resultAfterMs !== undefined) {
      const late = () => rest(resultAfterMs, working).then(() => end(plan, record, startedMs));
      lateResults.push(untilStopped(working, late));
    }

    await rest(plan.durationMs / 2, working);
    if (speaksBeforeItsEnd && plan.reportsHalfway && record.state === "running") report(plan, "running", {});
    await rest(plan.durationMs / 2, working);

    if (hasResult && resultAfterMs === undefined) end(plan, record, startedMs);
    if (plan === plans.at(-1)) for (const question of closingCalls(run)) ask(plan, question);
    if (outcome === "silent") record.state = "silent";
    if (outcome === "stall") record.state = "stalled";
    outbox.agentDone(plan.agentId);
    agentsEnded += 1;
    if (agentsEnded === run.faults.stopAfterAgents) death.abort();
  }

  function end(plan: AgentPlan, record: AgentRecord, startedMs: number): void {
    const failed = plan.fault.outcome === "fail";
    const at = new Date();
    record.state = failed ? "failed" : "completed";
    record.endedAt = at.toISOString();
    const durationMs = at.getTime() - startedMs;
    if (failed) {
      const words = draftFailure(drawFrom(run.seed, plan.agentId, "failure"), plan.fault.errorCode);
      report(plan, "failed", words, { durationMs });
      return;
    }
    const result =
      plan.fault.outcome === "invalid"
        ? draftInvalidResult(drawFrom(run.seed, plan.agentId, "invalid"))
        : draftResult(plan, { seed: run.seed, subject, at });
    const sources = dataSources(subject.syncScope, drawFrom(run.seed, plan.agentId, "sources"));
    report(plan, "completed", result, { durationMs, dataSources: sources });
  }

  function report(
    plan: AgentPlan,
    status: ExecutionStatus,
    agentData: object,
    { durationMs, dataSources = [] }: { durationMs?: number; dataSources?: readonly string[] } = {},
  ): void {
    const facts = { plan, status, agentData, dataSources, ...(durationMs !== undefined && { durationMs }) };
    outbox.post({ plan, status, shipment: shipmentOf(facts, new Date()) });
  }

  function shipmentOf(facts: Report, at: Date): Shipment {
    const { plan, status } = facts;
    const { deliver = "webhooks" } = run.faults;
    const callsNow = deliver === "mixed" && drawFrom(run.seed, "way", plan.agentId, status, plan.play).chance(0.5);
    return deliver === "tools" || callsNow
      ? callShipment(settings, discovery, deliveringCall(run, facts, at))
      : webhookShipment(settings, payload(run, facts, at));
  }

  /** Only a workflow that calls OSA's functions asks anything. */
  function ask({ agentId }: AgentPlan, question: Call): void {
    if (needsToken(run.faults)) outbox.ask(agentId, callShipment(settings, discovery, question));
  }

  return { firstAnswer: outbox.firstAnswer, settled: perform() };
}
