// Who stands in the way of a start, as the refusal says it, and when that run will probably end, in words. Pure.
import { AGENTS } from "../opal/agents.ts";
import type { RunSummary } from "../sync/report.ts";
import { objectOf, type Problem, textOf } from "./api.ts";
import { listOf, plural } from "./format.ts";

export type ExpectedEnd =
  | {
      readonly isKnown: true;
      /** Half of the past runs that count, and nine in ten of them, would have ended by these; ms since the epoch. */
      readonly p50At: number;
      readonly p90At: number;
      readonly basedOnRuns: number;
      readonly isOverdue: boolean;
    }
  | { readonly isKnown: false; readonly why: string | null };

export interface Holder {
  readonly sessionId: string;
  readonly startedBy: string | null;
  readonly agentsAtWork: readonly string[];
  readonly expectedEnd: ExpectedEnd;
}

/** Null when another run is not the reason, or is not named. */
export function holderOf({ code, members }: Problem): Holder | null {
  const sessionId = textOf(members.active_session);
  if (code !== "run_active" || sessionId === null) return null;
  const { current_agents: agents } = members;
  return {
    sessionId,
    startedBy: textOf(members.started_by),
    agentsAtWork: Array.isArray(agents) ? agents.filter((name) => typeof name === "string") : [],
    expectedEnd: expectedEndOf(objectOf(members.estimated_end)),
  };
}

function expectedEndOf({ p50, p90, based_on_runs, overdue, reason }: Readonly<Record<string, unknown>>): ExpectedEnd {
  const [p50At, p90At] = [Date.parse(textOf(p50) ?? ""), Date.parse(textOf(p90) ?? "")];
  if (Number.isNaN(p50At) || Number.isNaN(p90At)) return { isKnown: false, why: textOf(reason) };
  const basedOnRuns = typeof based_on_runs === "number" ? based_on_runs : 0;
  return { isKnown: true, p50At, p90At, basedOnRuns, isOverdue: overdue === true };
}

/** The same run as the overview shows it meanwhile, where it does. */
export function refreshHolder(holder: Holder, known: RunSummary | undefined): Holder {
  if (known === undefined) return holder;
  return { ...holder, startedBy: known.actor, agentsAtWork: known.workingAgents.map((id) => AGENTS[id].name) };
}

/** `Started by ada. At work: GEO audit. It ends probably in 4 to 7 min, from 12 past runs.` */
export function describeHolder({ startedBy, agentsAtWork, expectedEnd }: Holder, now: number): string {
  return [
    ...(startedBy === null ? [] : [`Started by ${startedBy}.`]),
    agentsAtWork.length === 0 ? "No agent is at work yet." : `At work: ${listOf(agentsAtWork)}.`,
    endSentence(expectedEnd, now),
  ].join(" ");
}

function endSentence(end: ExpectedEnd, now: number): string {
  if (!end.isKnown) return `When it will end cannot be said. ${end.why ?? ""}`.trim();
  const source = `from ${plural(end.basedOnRuns, "past run", "past runs")}`;
  // Nobody asks again while the notice stands, so time may have passed what was expected.
  if (end.isOverdue || end.p90At <= now) return `It takes longer than was to be expected ${source}.`;
  return `It ends probably ${minutesUntil(end.p50At - now, end.p90At - now)}, ${source}.`;
}

/** `in 4 to 7 min`, `in about 4 min`, `within a minute`. Rounded up: better early than late. */
function minutesUntil(soonestMs: number, latestMs: number): string {
  const [soonest, latest] = [soonestMs, latestMs].map((ms) => Math.max(1, Math.ceil(ms / 60_000)));
  if (latest === 1) return "within a minute";
  return soonest === latest ? `in about ${latest} min` : `in ${soonest} to ${latest} min`;
}
