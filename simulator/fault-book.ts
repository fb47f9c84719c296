// Which faults a call meets: queued sets belong to one run each, the standing set to every run.

import type { FaultScope, Faults, TriggerFault } from "./faults.ts";

export interface Claim {
  readonly faults: Faults;
  /** The misbehaviour for one trigger call; undefined when the list is used up. */
  takeTriggerFault(): TriggerFault | undefined;
}

export interface FaultBook {
  add(scope: FaultScope, faults: Faults): void;
  clear(): void;
  view(): { all: Faults; next: readonly Faults[] };
  claim(run: string): Claim;
  /** For a run that no trigger call stands for. */
  claimForeign(): Faults;
  release(run: string): void;
}

/**
 * A run is known here by its idempotency key: it claims its set with the first call and keeps it, so that the retries
 * of a refused trigger meet the rest of the same list. What a queued set leaves open is taken from the standing one.
 */
export function createFaultBook(standing: Faults): FaultBook {
  let all = standing;
  let next: Faults[] = [];
  const claims = new Map<string, Claim & { queued: boolean }>();

  return {
    add(scope, faults) {
      if (scope === "next") {
        next.push(faults);
        return;
      }
      all = faults;
      for (const [run, claim] of claims) if (!claim.queued) claims.delete(run);
    },
    clear() {
      all = {};
      next = [];
      claims.clear();
    },
    view: () => ({ all, next }),
    claim(run) {
      const known = claims.get(run);
      if (known) return known;
      const queued = next.shift();
      const faults: Faults = { ...all, ...queued };
      const calls = (faults.trigger ?? []).flatMap((fault) => Array.from({ length: fault.times }, () => fault));
      const claim = { faults, queued: queued !== undefined, takeTriggerFault: () => calls.shift() };
      claims.set(run, claim);
      return claim;
    },
    claimForeign: () => ({ ...all, ...next.shift() }),
    release(run) {
      claims.delete(run);
    },
  };
}
