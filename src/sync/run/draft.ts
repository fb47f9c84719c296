// Events decided so far and the run they lead to, so that a later rule sees what an earlier one decided.
import type { Refusal } from "../../platform/refusal.ts";
import type { EventBody, RunEvent } from "./events.ts";
import { reduce } from "./reduce.ts";
import type { RuleId } from "./rules.ts";
import { type ActiveRun, isActive, type Run } from "./state.ts";

export interface Decided {
  readonly ok: true;
  readonly events: readonly RunEvent[];
  readonly run: Run;
}

export type Decision = Decided | Refusal;

/** Raised when an event changes shape; older ones are then upcast where the log is read. */
const EVENT_VERSION = 2;

export class Draft {
  run: Run;
  readonly now: number;
  readonly #events: RunEvent[] = [];

  constructor(run: Run, now: number) {
    this.run = run;
    this.now = now;
  }

  /** Adds an event with the rule that decides it and the event it follows from; answers its number. */
  add(body: EventBody, rule: RuleId, causedBy: number | null): number {
    const seq = this.run.seq + 1;
    const event: RunEvent = { ...body, seq, at: this.now, version: EVENT_VERSION, rule, causedBy };
    this.#events.push(event);
    this.run = reduce(this.run, event);
    return seq;
  }

  /** The run while it is active, and undefined afterwards: what ends a run ends it once. */
  active(): ActiveRun | undefined {
    return isActive(this.run) ? this.run : undefined;
  }

  decision(): Decision {
    return { ok: true, events: this.#events, run: this.run };
  }
}
