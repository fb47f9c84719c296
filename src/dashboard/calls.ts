// The calls to OPAL of a run, counted for each purpose: its start, and each re-run of agents. Pure.
import type { Attempt } from "../sync/run/state.ts";
import type { RunView } from "../sync/run/view.ts";
import { countdown } from "./control-words.ts";
import { runningClock } from "./format.ts";

/** Which attempt at its purpose it was, from 1. */
export function placeOf(attempts: readonly Attempt[], attempt: Attempt): number {
  return attempts.filter((known) => known.rerun === attempt.rerun && known.attempt <= attempt.attempt).length;
}

export interface CallWords {
  readonly value: string;
  readonly more: string;
}

/** How it stands with the last call, or the one that is due next. */
export function callWords(view: RunView, now: number): CallWords {
  const { attempts, attemptsAllowed, nextAttemptAt, isOver } = view;
  const last = attempts.at(-1);
  if (view.origin === "foreign") return { value: "None", more: "started by OPAL" };
  if (view.postponed !== null && nextAttemptAt !== null) {
    return { value: "Has to wait", more: `asked again in ${countdown(nextAttemptAt, now)}` };
  }
  if (last === undefined) return { value: `Attempt 1 of ${attemptsAllowed}`, more: isOver ? "never made" : "is next" };
  const value = `Attempt ${placeOf(attempts, last)} of ${attemptsAllowed}`;
  const about = last.rerun === null ? "" : "again: ";
  return { value, more: about + outcomeWords(view, last, now) };
}

function outcomeWords({ nextAttemptAt, acceptedAt }: RunView, last: Attempt, now: number): string {
  switch (last.state) {
    case "calling":
      return `calling, ${runningClock(now - last.startedAt)}`;
    case "accepted":
      return "accepted";
    case "failed":
      if (nextAttemptAt !== null) return `failed, next in ${countdown(nextAttemptAt, now)}`;
      return last.rerun === null && acceptedAt !== null ? "answer lost" : "failed, the last one";
  }
}
