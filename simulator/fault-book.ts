// Which faults a call meets: queued sets belong to one run each, the standing set to every run.

import type { FaultScope, Faults, Outage, TriggerFault } from "./faults.ts";

export interface Claim {
  readonly faults: Faults;
  /** The misbehaviour for one trigger call; undefined when the list is used up. */
  takeTriggerFault(): TriggerFault | undefined;
}

/** What befalls a trigger call before anybody asks which run it is for. `retryAfter` in seconds. */
export type Trouble =
  | { readonly kind: "outage"; readonly retryAfter: number | undefined }
  | { readonly kind: "credentialRefused" };

export interface FaultBook {
  add(scope: FaultScope, faults: Faults): void;
  clear(): void;
  view(): { all: Faults; next: readonly Faults[] };
  /** To be asked once for every trigger call that shows the right key: it counts them. */
  meetTrouble(nowMs: number): Trouble | undefined;
  /** Ends the fault credentialRefusedFrom. */
  acceptCredential(): void;
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
  let calls = 0;
  let outageSinceMs: number | undefined;

  function stand(faults: Faults): void {
    all = faults;
    calls = 0;
    outageSinceMs = undefined;
  }

  return {
    add(scope, faults) {
      if (scope === "next") {
        next.push(faults);
        return;
      }
      stand(faults);
      for (const [run, claim] of claims) if (!claim.queued) claims.delete(run);
    },
    clear() {
      stand({});
      next = [];
      claims.clear();
    },
    view: () => ({ all, next }),
    meetTrouble(nowMs) {
      calls += 1;
      const { outage, credentialRefusedFrom } = all;
      if (outage !== undefined) {
        outageSinceMs ??= nowMs;
        if (lasts(outage, calls, nowMs - outageSinceMs)) return { kind: "outage", retryAfter: outage.retryAfter };
      }
      const isRefused = credentialRefusedFrom !== undefined && calls >= credentialRefusedFrom;
      return isRefused ? { kind: "credentialRefused" } : undefined;
    },
    acceptCredential() {
      const { credentialRefusedFrom: _, ...others } = all;
      all = others;
    },
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

function lasts(outage: Outage, calls: number, sinceFirstMs: number): boolean {
  return "ms" in outage ? sinceFirstMs < outage.ms : calls <= outage.calls;
}
