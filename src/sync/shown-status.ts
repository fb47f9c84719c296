// A run's status as callers read it. They read it far more often than it changes, so it is written out once, and kept for
// as long as nothing it says can have changed.
import { estimateAnswer } from "../workspace/estimate-answers.ts";
import { expectedAt, type Foreseen } from "../workspace/learn.ts";
import { type Repeats, statusAnswer } from "./answers.ts";
import { nextWakeUp } from "./run/deadlines.ts";
import type { KnownRun, Run } from "./run/state.ts";
import { viewRun } from "./run/view.ts";

interface Sheet {
  readonly run: KnownRun;
  readonly isCalling: boolean;
  /** When the run has to move, in ms since the epoch. */
  readonly dueAt: number;
  readonly text: string;
}

export class ShownStatus {
  #sheet: Sheet | undefined;
  #foreseen: Promise<Foreseen> | undefined;

  /** What was written out of this run, without an estimate. Undefined when it has to be written anew. */
  read(run: Run, isCalling: boolean, now: number): string | undefined {
    const sheet = this.#sheet;
    return sheet?.run === run && sheet.isCalling === isCalling && now < sheet.dueAt ? sheet.text : undefined;
  }

  /** Call with a run that has just moved as far as it can. */
  write(run: KnownRun, isCalling: boolean, repeats: Repeats): string {
    const text = JSON.stringify(statusAnswer(viewRun(run), repeats));
    this.#sheet = { run, isCalling, dueAt: nextWakeUp(run) ?? Number.POSITIVE_INFINITY, text };
    return text;
  }

  /** Something may have changed that does not show in the run, like the number of repeats. */
  forget(): void {
    this.#sheet = undefined;
  }

  /** Past runs as the workspace told of them; it is asked once for each report that it has been given. */
  async foreseen(ask: () => Promise<Foreseen>): Promise<Foreseen> {
    const asked = this.#foreseen ?? ask();
    this.#foreseen = asked;
    try {
      return await asked;
    } catch (error) {
      if (this.#foreseen === asked) this.#foreseen = undefined;
      throw error;
    }
  }

  /** The workspace has been given another report. */
  reported(): void {
    this.#foreseen = undefined;
  }
}

/** A status that was written out, with an estimate for this very time. */
export function withEstimate(status: string, foreseen: Foreseen, now: number): string {
  const { estimate, record } = expectedAt(foreseen, now);
  return `${status.slice(0, -1)},${JSON.stringify(estimateAnswer(estimate, record)).slice(1)}`;
}
