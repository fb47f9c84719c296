// When will this run end? Pure: the remaining times of past runs at the same point, and how good past answers were.
// Every time speaks of runs that gave a result: one that fails or is cancelled says nothing about how long work takes.
import { z } from "zod";
import type { RunView } from "../sync/run/view.ts";

const ms = z.number().int().nonnegative();

/** A run that gave a result, as far as later runs can learn from it. */
export const pastRun = z
  .object({
    sessionId: z.string(),
    scope: z.string(),
    order: z.enum(["sequence", "parallel"]),
    expectedAgents: z.number().int().positive(),
    endedAt: ms,
    /** From acceptance to the end. */
    durationMs: ms,
    /** At index c: from the moment the c-th agent had ended (0: acceptance) until the run's end. */
    remainingMs: z.array(ms).min(1),
  })
  .refine((run) => run.remainingMs.length <= run.expectedAgents + 1, "more remainders than agents");

export type PastRun = z.infer<typeof pastRun>;

/** A run that was accepted, up to now. Times in ms since the epoch. */
export interface RunSoFar {
  readonly scope: string;
  readonly order: PastRun["order"];
  readonly expectedAgents: number;
  readonly acceptedAt: number | null;
  /** One for each agent that has ended, however it ended, in any order. */
  readonly agentEnds: readonly number[];
}

export interface RunFacts extends RunSoFar {
  readonly sessionId: string;
  readonly endedAt: number | null;
  readonly status: RunView["status"];
}

export type Estimate =
  | {
      readonly known: true;
      /** Half of the past runs that count, and nine in ten of them, would have ended by these; never before now. */
      readonly p50At: number;
      readonly p90At: number;
      /** How many past runs that is; when none took as long as this one, how many it was compared with. */
      readonly basedOn: number;
      /** This point has lasted longer than it did in nine of ten past runs, or at least as long as in all of them. */
      readonly isOverdue: boolean;
    }
  | { readonly known: false; readonly reason: "no_past_run" | "not_accepted_yet" };

/** From so many on, past runs of the same scope are enough and others are left out. */
const SAME_SCOPE_RUNS = 5;

/** What later runs can learn from this one; undefined unless it was accepted and gave a result. */
export function pastRunOf(run: RunFacts): PastRun | undefined {
  const { sessionId, scope, order, expectedAgents, acceptedAt, endedAt, status } = run;
  const gaveResult = status === "completed" || status === "partially_completed";
  if (!gaveResult || acceptedAt === null || endedAt === null || endedAt < acceptedAt) return undefined;
  const ends = run.agentEnds
    .filter((at) => at <= endedAt)
    .toSorted((a, b) => a - b)
    .slice(0, expectedAgents);
  const moments = [acceptedAt, ...ends.map((at) => Math.max(at, acceptedAt))];
  return {
    ...{ sessionId, scope, order, expectedAgents, endedAt },
    durationMs: endedAt - acceptedAt,
    remainingMs: moments.map((at) => endedAt - at),
  };
}

/** What past runs tell of a run that has come this far, whatever the time is. */
export type Outlook =
  | {
      readonly known: true;
      /** When it came this far, in ms since the epoch. */
      readonly since: number;
      /** How long each of them took from there, in ms: one at least. */
      readonly remainders: readonly number[];
    }
  | Extract<Estimate, { known: false }>;

export function outlookFor(past: readonly PastRun[], running: RunSoFar): Outlook {
  const { acceptedAt, agentEnds } = running;
  if (acceptedAt === null) return { known: false, reason: "not_accepted_yet" };
  const remainders = comparableRemainders(past, running);
  if (remainders.length === 0) return { known: false, reason: "no_past_run" };
  return { known: true, since: Math.max(acceptedAt, ...agentEnds), remainders };
}

/**
 * When the run ends, if it gives a result. Only past runs that had longer to go from the same point than this one has
 * waited there already can tell; when there is none, the answer is now, and overdue.
 */
export function estimateAt(outlook: Outlook, now: number): Estimate {
  if (!outlook.known) return outlook;
  const { since, remainders } = outlook;
  const waitedMs = now - since;
  const longer = remainders.filter((remainingMs) => remainingMs > waitedMs);
  const p50Ms = nearestRank(longer, 50);
  const p90Ms = nearestRank(longer, 90);
  if (p50Ms === undefined || p90Ms === undefined) {
    return { known: true, p50At: now, p90At: now, basedOn: remainders.length, isOverdue: true };
  }
  const lateAfterMs = nearestRank(remainders, 90) ?? 0;
  return {
    known: true,
    p50At: since + p50Ms,
    p90At: since + p90Ms,
    basedOn: longer.length,
    isOverdue: waitedMs > lateAfterMs,
  };
}

export function estimateEnd(past: readonly PastRun[], running: RunSoFar, now: number): Estimate {
  return estimateAt(outlookFor(past, running), now);
}

/** How long past runs of the same shape took from the same point on, in ms; of the same scope, if there are enough. */
function comparableRemainders(past: readonly PastRun[], running: RunSoFar): number[] {
  const endedAgents = running.agentEnds.length;
  const comparable = past.filter(
    (run) =>
      run.expectedAgents === running.expectedAgents &&
      run.order === running.order &&
      run.remainingMs.length > endedAgents,
  );
  const sameScope = comparable.filter((run) => run.scope === running.scope);
  const chosen = sameScope.length >= SAME_SCOPE_RUNS ? sameScope : comparable;
  return chosen.flatMap((run) => run.remainingMs[endedAgents] ?? []);
}

/** An estimate that was made, and when its run then ended. Times in ms since the epoch. */
export interface JudgedEstimate {
  readonly p50At: number;
  readonly p90At: number;
  readonly madeAt: number;
  readonly endedAt: number;
}

export interface EstimateRecord {
  /** How many estimates were judged. */
  readonly estimates: number;
  /** 0 to 1; honest estimates come to a half and to nine tenths. Null while there is nothing to judge. */
  readonly endedByP50Share: number | null;
  readonly endedByP90Share: number | null;
  /** How far the end was from p50At, either way. */
  readonly medianErrorMs: number | null;
}

/** How good estimates were. One that was made when its run had ended already foretold nothing and is left out. */
export function judgeEstimates(made: readonly JudgedEstimate[]): EstimateRecord {
  const judged = made.filter((estimate) => estimate.madeAt < estimate.endedAt);
  const share = (isSo: (estimate: JudgedEstimate) => boolean) =>
    judged.length === 0 ? null : judged.filter(isSo).length / judged.length;
  const errors = judged.map(({ endedAt, p50At }) => Math.abs(endedAt - p50At));
  return {
    estimates: judged.length,
    endedByP50Share: share(({ endedAt, p50At }) => endedAt <= p50At),
    endedByP90Share: share(({ endedAt, p90At }) => endedAt <= p90At),
    medianErrorMs: nearestRank(errors, 50) ?? null,
  };
}

export interface AgentDuration {
  readonly p50Ms: number;
  readonly p90Ms: number;
  readonly runs: number;
}

/** How long each agent worked, by agent id; an agent without a row is not in it. */
export function agentDurations(
  rows: readonly { readonly agentId: string; readonly durationMs: number }[],
): Record<string, AgentDuration> {
  const byAgent = Map.groupBy(rows, (row) => row.agentId);
  return Object.fromEntries(
    [...byAgent].flatMap(([agentId, own]) => {
      const durations = own.map((row) => row.durationMs);
      const p50Ms = nearestRank(durations, 50);
      const p90Ms = nearestRank(durations, 90);
      if (p50Ms === undefined || p90Ms === undefined) return [];
      return [[agentId, { p50Ms, p90Ms, runs: own.length }] as const];
    }),
  );
}

/** The smallest of the values that at least `percent` (1 to 100) of them do not exceed; undefined when there is none. */
export function nearestRank(values: readonly number[], percent: number): number | undefined {
  const rank = Math.max(Math.ceil((percent * values.length) / 100), 1);
  return values.toSorted((a, b) => a - b)[rank - 1];
}
