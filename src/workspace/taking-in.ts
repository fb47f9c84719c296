// A session says how its run is: what the workspace concludes from it, in one transaction.
import type { BreakerRules } from "../platform/breaker.ts";
import { now } from "../platform/clock.ts";
import type { RunReport, RunSummary } from "../sync/report.ts";
import type { EstimateJournal } from "./estimate-journal.ts";
import { takeInCalls } from "./guard.ts";
import { learnFrom } from "./learn.ts";
import { bindRemote } from "./placing.ts";
import { grantQueued, type StartingParts } from "./starting.ts";

export interface TakingInParts extends StartingParts {
  readonly estimates: EstimateJournal;
  readonly rules: BreakerRules;
  /** Inside the transaction: whoever watches is told of the run, when there is something to see. */
  readonly showRun: (run: RunSummary) => void;
}

/** Older news than what is known changes nothing. */
export function takeIn(parts: TakingInParts, report: RunReport): void {
  const { storage, journal, control, estimates, rules } = parts;
  const { sessionId } = report;
  storage.transactionSync(() => {
    for (const remoteId of report.remoteIds) bindRemote(storage.sql, journal, remoteId, sessionId);
    const areCallsNew = takeInCalls(control, rules, report, now());
    const stored = journal.storeRun(report);
    if (stored === undefined) return;
    const isFirstEnd = report.isOver && journal.countEnd(sessionId);
    // What later runs learn follows from the facts.
    if (stored.isOtherFacts || isFirstEnd) learnFrom({ control, estimates }, report, isFirstEnd, now());
    if (report.isOver) journal.releaseLease(sessionId);
    else journal.confirmLease(sessionId, report.dueAt);
    grantQueued(parts);
    if (stored.isOtherSummary || areCallsNew) parts.showRun(report.summary);
  });
}

/** What is concluded of a session that confirmed its start and now knows nothing of it: it has lost its storage. */
export function lostReport(summary: RunSummary, at: number): RunReport {
  return {
    sessionId: summary.sessionId,
    seq: Number.MAX_SAFE_INTEGER,
    summary: {
      ...summary,
      status: "failed",
      isOver: true,
      isRetriable: false,
      isResumable: false,
      message: "The run's own record was lost.",
      workingAgents: [],
      endedAt: at,
    },
    remoteIds: [],
    isOver: true,
    isSettled: true,
    dueAt: null,
    order: "sequence",
    acceptedAt: null,
    calls: [],
    agents: [],
  };
}
