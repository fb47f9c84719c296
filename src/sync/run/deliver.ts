// A delivery reaches its run: what it changes, and what the log says became of it.
import type { Delivery, Report } from "./commands.ts";
import type { Draft } from "./draft.ts";
import { endIfAllAgentsEnded } from "./endings.ts";
import type { Verdict } from "./events.ts";
import { isEnded, type KnownRun } from "./state.ts";
import { bindOwnRemote } from "./trigger.ts";

type AgentReport = Extract<Report, { about: "agent" }>;

export function deliver(draft: Draft, run: KnownRun, delivery: Delivery, reports: readonly Report[]): void {
  const { verdict, reason } = judge(run, reports);
  const about = reports.find((report) => report.about === "agent")?.agentId;
  draft.add({
    type: "delivery_recorded",
    ...(about === undefined ? {} : { agentId: about }),
    deliveryId: delivery.deliveryId,
    remoteId: delivery.remoteId,
    source: delivery.source,
    eventType: delivery.eventType,
    bytes: delivery.bytes,
    sha256: delivery.sha256,
    verdict,
    reason,
    receivedAt: delivery.receivedAt,
    secret: delivery.secret,
  });
  if (delivery.correlated && delivery.remoteId !== null) bindOwnRemote(draft, delivery.remoteId, "correlation");
  if (isEnded(run)) {
    for (const report of reports) if (report.about === "agent") attach(draft, delivery, report);
    return;
  }
  const isBound = delivery.correlated && delivery.remoteId !== null;
  if ((verdict !== "ignored" || isBound) && run.status === "requested") {
    draft.add({ type: "accepted_by_delivery", deliveryId: delivery.deliveryId });
  }
  for (const report of reports) {
    if (report.about === "agent") reported(draft, run, delivery, report);
    if (report.about === "workflow" && report.outcome !== "under_way") {
      draft.add({ type: "workflow_over", outcome: report.outcome });
    }
  }
  endIfAllAgentsEnded(draft);
}

function reported(draft: Draft, run: KnownRun, delivery: Delivery, report: AgentReport): void {
  const { agentId, outcome, result } = report;
  const { deliveryId } = delivery;
  if (run.agents[agentId] === undefined) {
    if (outcome !== "started") draft.add({ type: "unrequested_result", agentId, deliveryId, result });
  } else if (outcome === "started") {
    draft.add({ type: "agent_started", agentId, deliveryId });
  } else if (outcome === "completed") {
    draft.add({ type: "agent_completed", agentId, deliveryId, result });
  } else {
    const reason = outcome === "failed" ? "reported_failure" : "reported_timeout";
    draft.add({ type: "agent_failed", agentId, deliveryId, reason, result });
  }
}

/** After the end nothing changes any more, but a result is not thrown away. */
function attach(draft: Draft, delivery: Delivery, report: AgentReport): void {
  if (report.outcome === "started") return;
  const { agentId, result } = report;
  draft.add({ type: "result_attached", agentId, deliveryId: delivery.deliveryId, result });
}

function judge(run: KnownRun, reports: readonly Report[]): { verdict: Verdict; reason: string | null } {
  const nothing = reports.find((report) => report.about === "nothing");
  if (nothing) return { verdict: nothing.verdict, reason: nothing.reason };
  if (reports.some((report) => report.about === "agent" && report.result.family === "unrecognised")) {
    return { verdict: "quarantined", reason: "unrecognised_result" };
  }
  if (isEnded(run)) return { verdict: "late", reason: "run_ended" };
  const agents = reports.filter((report) => report.about === "agent");
  if (agents.length > 0 && agents.every((report) => run.agents[report.agentId] === undefined)) {
    return { verdict: "processed", reason: "unrequested" };
  }
  const late = agents.some((report) => report.outcome !== "started" && wasGivenUp(run, report));
  return late ? { verdict: "late", reason: "agent_given_up" } : { verdict: "processed", reason: null };
}

function wasGivenUp(run: KnownRun, report: AgentReport): boolean {
  const agent = run.agents[report.agentId];
  return agent?.state === "timed_out" || (agent?.state === "failed" && agent.reason === "no_result");
}
