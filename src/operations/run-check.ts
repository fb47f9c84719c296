// One run held against its own log, and D1 against both.
import { sleep } from "../platform/wait.ts";
import { isSameJson, type RowDifference } from "../sync/check.ts";
import type { sessionOf } from "../sync/finding.ts";

/** How often D1 is looked at again while it may not have been told of the last events, and after what time, in ms. */
export const LOOKS_AGAIN = 5;
const LOOK_AGAIN_MS = 300;

type Session = ReturnType<typeof sessionOf>;

export interface RunCheck {
  readonly isStateFold: boolean;
  /** Rows that D1 should have; 0 when the session has no log. */
  readonly rows: number;
  readonly differences: readonly RowDifference[];
  /** How often it was looked at again. */
  readonly looksAgain: number;
}

/**
 * D1 hears of events a moment after they happened, perhaps while it is being read: a difference counts when it is found
 * twice and D1's cursor is not behind, or after `looksAgain` further looks. Rejects when D1 does not answer.
 */
export async function checkRun(session: Session, looksAgain: number): Promise<RunCheck> {
  let before: readonly RowDifference[] | undefined;
  for (let looks = 0; ; looks++) {
    const { isStateFold, rows, differences } = await session.check();
    const isSettled = differences.length === 0 || (!isBehind(differences) && isSameJson(differences, before));
    if (isSettled || looks >= looksAgain) return { isStateFold, rows, differences, looksAgain: looks };
    before = differences;
    await sleep(LOOK_AGAIN_MS);
  }
}

function isBehind(differences: readonly RowDifference[]): boolean {
  return differences.some(({ table }) => table === "projection_cursor");
}

/** Whether the stored state follows from the log, as far as that can be said without D1. */
export async function isStateFold(session: Session): Promise<boolean> {
  const read = await session.read();
  return read === undefined || isSameJson(await session.stateAt(read.run.seq), read.run);
}
