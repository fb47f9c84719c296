// What a run leaves to the ones after it: how long it took, what its agents gave, and how good our estimates were.
import type { RunReport } from "../sync/report.ts";
import type { ControlJournal } from "./control-journal.ts";
import {
  type Estimate,
  type EstimateRecord,
  estimateAt,
  estimateEnd,
  judgeEstimates,
  type Outlook,
  outlookFor,
  pastRunOf,
  type RunFacts,
  type RunSoFar,
} from "./estimate.ts";
import type { EstimateJournal } from "./estimate-journal.ts";
import type { RunFactsKept } from "./journal.ts";

interface Journals {
  readonly control: ControlJournal;
  readonly estimates: EstimateJournal;
}

/** Call inside the transaction that takes the report in; `isFirstEnd` once for each run. */
export function learnFrom({ control, estimates }: Journals, report: RunReport, isFirstEnd: boolean, now: number): void {
  const { sessionId, summary, agents, isOver } = report;
  for (const agent of agents) control.keepResult(sessionId, agent);
  // A workflow of OPAL's own is known from its first webhook on, so its times are not whole.
  if (summary.origin === "foreign") return;
  if (isFirstEnd) {
    control.count(`runs_${summary.status}`);
    for (const { agentId, isTimedOut } of agents) control.countTimeout(agentId, isTimedOut);
    judge(estimates, report);
  } else if (!isOver && agents.length < summary.expectedAgents) {
    const estimate = estimateEnd(estimates.pastRuns(), soFar(report, summary), now);
    if (estimate.known) estimates.keepEstimate(sessionId, agents.length, now, estimate.p50At, estimate.p90At);
  }
}

function judge(estimates: EstimateJournal, report: RunReport): void {
  const { sessionId, summary } = report;
  const facts: RunFacts = { ...soFar(report, summary), sessionId, endedAt: summary.endedAt, status: summary.status };
  const past = pastRunOf(facts);
  if (past === undefined) {
    estimates.forgetEstimates(sessionId);
    return;
  }
  estimates.closeEstimates(sessionId, past.endedAt);
  estimates.keepPastRun(past);
}

/** When a run will probably end, and how good such answers have been. */
export interface Expected {
  readonly estimate: Estimate;
  readonly record: EstimateRecord;
}

/** For a run that OPAL accepts now. */
export function foresee(estimates: EstimateJournal, { agents, ...run }: NewRun, now: number): Expected {
  const soFar = { ...run, expectedAgents: agents, acceptedAt: now, agentEnds: [] };
  return { estimate: estimateEnd(estimates.pastRuns(), soFar, now), record: judgeEstimates(estimates.judged()) };
}

interface NewRun {
  readonly scope: string;
  readonly order: RunSoFar["order"];
  /** How many are asked for. */
  readonly agents: number;
}

/** What there is to tell when the run will end, and how good such answers have been. */
export interface Foreseen {
  readonly outlook: Outlook;
  readonly record: EstimateRecord;
}

/** Facts and summary as the run reported them last; undefined before its first report. */
export function foreseenOf(
  estimates: EstimateJournal,
  facts: RunFactsKept | undefined,
  summary: RunReport["summary"] | undefined,
): Foreseen {
  const record = judgeEstimates(estimates.judged());
  if (!summary || !facts) return { outlook: { known: false, reason: "not_accepted_yet" }, record };
  return { outlook: outlookFor(estimates.pastRuns(), soFar(facts, summary)), record };
}

export function expectedAt({ outlook, record }: Foreseen, now: number): Expected {
  return { estimate: estimateAt(outlook, now), record };
}

function soFar({ order, acceptedAt, agents }: RunFactsKept, summary: RunReport["summary"]): RunSoFar {
  const { scope, expectedAgents } = summary;
  return { scope, order, expectedAgents, acceptedAt, agentEnds: agents.map((agent) => agent.endedAt) };
}
