// A stored delivery is read again with today's code. What it says now and did not say before is applied: to a run that
// is active like any report, to one that has ended without touching how it ended.
import { restsOn } from "./agents.ts";
import type { Report, Reprocessing } from "./commands.ts";
import { type AgentReport, judge, takeIn } from "./deliver.ts";
import type { Draft } from "./draft.ts";
import { readingOf } from "./reading.ts";
import { recoverInvalid } from "./recovery.ts";
import { isEnded, type KnownRun, rerunOfRemote } from "./state.ts";

export function reprocess(draft: Draft, { deliveryId, remoteId, was, reports }: Reprocessing, actor: string): void {
  const { run } = draft;
  if (run.status === "absent") return;
  const source = { remoteId, rerun: rerunOfRemote(run, remoteId)?.rerun ?? null };
  const judged = judge(run, reports, source);
  // That the run has ended since makes no delivery late that was not.
  const isOnlyOver = judged.reason === "run_ended" && was !== "late";
  const { verdict, reason } = isOnlyOver ? ({ verdict: "processed", reason: null } as const) : judged;
  const cause = draft.add(
    { type: "reprocessed", deliveryId, remoteId, was, verdict, reason, reading: readingOf(reports), actor },
    "read_again",
    null,
  );
  if (isEnded(run)) {
    for (const report of reports) if (report.about === "agent") correct(draft, deliveryId, report, cause);
    return;
  }
  // What an agent's result rests on is corrected; anything else counts like a report that comes now.
  const isCorrection = (report: Report): report is AgentReport =>
    report.about === "agent" && report.outcome !== "started" && isDoneBy(run, report, deliveryId);
  for (const report of reports) {
    if (!isCorrection(report)) continue;
    const corrected = correct(draft, deliveryId, report, cause);
    if (isInvalid(report) && corrected !== undefined) recoverInvalid(draft, report.agentId, corrected);
  }
  const rest = reports.filter((report) => !isCorrection(report));
  takeIn(draft, { deliveryId, ...source, cause }, rest, verdict !== "ignored");
}

/** The agent has completed with what this delivery was read to hand over. */
function isDoneBy(run: KnownRun, { agentId }: AgentReport, deliveryId: string): boolean {
  const agent = run.agents[agentId];
  return agent?.state === "completed" && restsOn(agent, deliveryId);
}

function isInvalid({ outcome, result }: AgentReport): boolean {
  return outcome === "completed" && result.family === "unrecognised";
}

function correct(draft: Draft, deliveryId: string, report: AgentReport, cause: number): number | undefined {
  const { agentId, outcome, result } = report;
  if (outcome === "started") return undefined;
  const said = isInvalid(report) ? "quarantined" : outcome;
  return draft.add({ type: "agent_corrected", agentId, deliveryId, result, outcome: said }, "read_again", cause);
}
