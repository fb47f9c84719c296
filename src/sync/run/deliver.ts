// A delivery reaches its run: what it changes, and what the log says became of it.
import type { Delivery, Report } from "./commands.ts";
import type { Draft } from "./draft.ts";
import { end, endIfAllAgentsEnded, stoppedStatus } from "./endings.ts";
import type { Verdict } from "./events.ts";
import { readingOf } from "./reading.ts";
import { credentialRefused, recoverInvalid } from "./recovery.ts";
import { isEnded, isOutOfTime, type KnownRun, rerunOfRemote } from "./state.ts";
import { bindCorrelated, rerunToBind } from "./trigger.ts";

export type AgentReport = Extract<Report, { about: "agent" }>;

export function deliver(draft: Draft, run: KnownRun, delivery: Delivery, reports: readonly Report[]): void {
  const { deliveryId, remoteId } = delivery;
  const isBound = delivery.correlated && remoteId !== null;
  const newRerun = isBound ? rerunToBind(run, remoteId) : undefined;
  const rerun = newRerun?.rerun ?? rerunOfRemote(run, remoteId)?.rerun ?? null;
  const { verdict, reason } = judge(run, reports, { remoteId, rerun });
  const recorded = record(draft, delivery, reports, { verdict, reason });
  if (isBound) bindCorrelated(draft, remoteId, recorded);
  const isSign = verdict !== "ignored" || isBound;
  takeIn(draft, { deliveryId, remoteId, rerun, cause: recorded }, reports, isSign);
  endIfAllAgentsEnded(draft);
}

/** What a delivery changes; what it says of agents once the run has ended, or has been stopped by it, is attached. */
export function takeIn(draft: Draft, origin: ReportOrigin, reports: readonly Report[], isSign: boolean): void {
  const { deliveryId, rerun, cause } = origin;
  if (isSign && provesAcceptance(draft, rerun)) {
    draft.add({ type: "accepted_by_delivery", deliveryId, rerun }, "delivery_proves_acceptance", cause);
  }
  for (const report of reports) {
    if (report.about === "agent") reported(draft, origin, report);
    if (report.about === "workflow" && report.outcome !== "under_way" && draft.active()) {
      if (rerun === null) draft.add({ type: "workflow_over", outcome: report.outcome }, "sender_reported", cause);
      else draft.add({ type: "rerun_closing", rerun }, "sender_reported", cause);
    }
  }
}

/** The try that a report of an agent comes from. Without OPAL's workflow id, an accepted re-run of it is the likely one. */
function tryOf(run: KnownRun, { remoteId, rerun }: Source, agentId: AgentReport["agentId"]): number | null {
  const agent = run.agents[agentId];
  if (remoteId !== null || agent?.state !== "rerunning") return rerun;
  return run.reruns.some((known) => known.rerun === agent.rerun && known.acceptedAt !== null) ? agent.rerun : rerun;
}

interface Judgement {
  readonly verdict: Verdict;
  readonly reason: string | null;
}

function record(draft: Draft, delivery: Delivery, reports: readonly Report[], judgement: Judgement): number {
  const about = reports.find((report) => report.about === "agent")?.agentId;
  const { correlated: _correlated, ...facts } = delivery;
  return draft.add(
    {
      type: "delivery_recorded",
      ...facts,
      ...(about === undefined ? {} : { agentId: about }),
      ...judgement,
      reading: readingOf(reports),
    },
    "authenticated_delivery",
    null,
  );
}

/** A delivery of a call that has not been answered yet shows that OPAL took it. */
function provesAcceptance(draft: Draft, rerun: number | null): boolean {
  const run = draft.active();
  if (run === undefined) return false;
  if (rerun === null) return run.status === "requested";
  return run.reruns.some((known) => known.rerun === rerun && known.acceptedAt === null);
}

interface Source {
  readonly remoteId: string | null;
  /** The re-run whose workflow it came from; null for the workflow itself, and without a workflow id. */
  readonly rerun: number | null;
}

export interface ReportOrigin extends Source {
  readonly deliveryId: string;
  readonly cause: number;
}

/** What an agent's report changes while the run is active. */
export function reported(draft: Draft, origin: ReportOrigin, report: AgentReport): void {
  const run = draft.active();
  const { agentId, outcome, result } = report;
  const { deliveryId, cause } = origin;
  if (run === undefined) {
    attach(draft, deliveryId, report, cause);
    return;
  }
  const rerun = tryOf(run, origin, agentId);
  if (!isAskedFor(run, agentId, rerun)) {
    if (outcome !== "started") {
      draft.add({ type: "unrequested_result", agentId, deliveryId, result }, "nobody_asked", cause);
    }
  } else if (outcome === "started") {
    draft.add({ type: "agent_started", agentId, deliveryId }, "sender_reported", cause);
  } else if (outcome !== "completed") {
    failed(draft, { ...origin, rerun }, report);
  } else if (result.family === "unrecognised") {
    const type = "result_quarantined";
    const quarantined = draft.add({ type, agentId, deliveryId, result, rerun }, "result_shape_unknown", cause);
    if (run.agents[agentId]?.state !== "completed") recoverInvalid(draft, agentId, quarantined);
  } else {
    draft.add({ type: "agent_completed", agentId, deliveryId, result, rerun }, "sender_reported", cause);
  }
}

/** A re-run answers for its own agents only: others that OPAL ran all the same do not replace what there is. */
function isAskedFor(run: KnownRun, agentId: AgentReport["agentId"], rerun: number | null): boolean {
  if (run.agents[agentId] === undefined) return false;
  return rerun === null || run.reruns.some((known) => known.rerun === rerun && known.agents.includes(agentId));
}

function failed(draft: Draft, { deliveryId, rerun, cause }: ReportOrigin, report: AgentReport): void {
  const { agentId, outcome, result } = report;
  const said = outcome === "failed" ? "reported_failure" : "reported_timeout";
  const reason = report.isCredentialRefused ? "credential_refused" : said;
  const failure = { type: "agent_failed", agentId, deliveryId, reason, result, rerun } as const;
  const known = draft.add(failure, "sender_reported", cause);
  if (!report.isCredentialRefused) return;
  const credential = `OPAL agent ${agentId}`;
  const refused = credentialRefused(draft, { credential, fingerprint: null, httpStatus: null, agentId }, known);
  const run = draft.active();
  if (run && run.cancelRequestedAt === null)
    end(draft, stoppedStatus(run, "failed"), "credential_refused", "credential_refused", refused);
}

/** After the end nothing changes any more, but a result is not thrown away. */
function attach(draft: Draft, deliveryId: string, { agentId, outcome, result }: AgentReport, cause: number): void {
  if (outcome === "started") return;
  draft.add({ type: "result_attached", agentId, deliveryId, result }, "run_states_absorb", cause);
}

export function judge(run: KnownRun, reports: readonly Report[], source: Source): Judgement {
  const nothing = reports.find((report) => report.about === "nothing");
  if (nothing) return { verdict: nothing.verdict, reason: nothing.reason };
  if (reports.some((report) => report.about === "agent" && isInvalid(report))) {
    return { verdict: "quarantined", reason: "unrecognised_result" };
  }
  if (isEnded(run)) return { verdict: "late", reason: "run_ended" };
  const agents = reports.filter((report) => report.about === "agent");
  if (agents.length > 0 && agents.every((report) => run.agents[report.agentId] === undefined)) {
    return { verdict: "processed", reason: "unrequested" };
  }
  const late = agents.some((report) => report.outcome !== "started" && wasGivenUp(run, report, source));
  return late ? { verdict: "late", reason: "agent_given_up" } : { verdict: "processed", reason: null };
}

function isInvalid({ outcome, result }: AgentReport): boolean {
  return outcome === "completed" && result.family === "unrecognised";
}

function wasGivenUp(run: KnownRun, { agentId }: AgentReport, source: Source): boolean {
  const agent = run.agents[agentId];
  if (agent === undefined) return false;
  if (agent.state !== "rerunning") return isOutOfTime(agent);
  return tryOf(run, source, agentId) !== agent.rerun && isOutOfTime(agent.before);
}
