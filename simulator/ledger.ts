// Every trigger call ever received, and the sums that tell whether the other side behaved.

import { NOTHING_ASKED, type Run, type TriggerCall } from "./records.ts";
import type { Workflow } from "./workflows.ts";

interface FirstStart {
  readonly workflow: Workflow;
  readonly body: Buffer;
}

export interface Counters {
  readonly triggerCalls: number;
  /** How many calls were answered with each HTTP status, or left without one. */
  readonly triggerAnswers: Readonly<Record<string, number>>;
  readonly workflowsStarted: number;
  readonly foreignWorkflows: number;
  /** More than 1 only when the fault ignoreIdempotencyKey let a repeated call start another workflow. */
  readonly workflowsPerIdempotencyKey: Readonly<Record<string, number>>;
  /** One per webhook and copy, however often it was sent. */
  readonly deliveries: number;
  readonly attempts: number;
  readonly acknowledged: number;
  readonly refused: number;
  readonly givenUp: number;
  readonly stopped: number;
  readonly pending: number;
  /** Never sent, by a fault. */
  readonly lost: number;
  /** Attempts with a wrong signature that got a 2xx: always 0 when the receiver checks. */
  readonly wrongSignaturesAcknowledged: number;
}

export interface LedgerView {
  readonly triggers: readonly TriggerCall[];
  readonly counters: Counters;
}

export interface Ledger {
  open(ids: Pick<TriggerCall, "idempotencyKey" | "correlationId" | "sessionId">): TriggerCall;
  firstStart(idempotencyKey: string): FirstStart | undefined;
  /** Only the first start of a key is kept. */
  rememberStart(idempotencyKey: string, start: FirstStart): void;
  view(runs: readonly Run[]): LedgerView;
}

export function createLedger(): Ledger {
  const triggers: TriggerCall[] = [];
  const starts = new Map<string, FirstStart>();

  return {
    open(ids) {
      const entry: TriggerCall = {
        at: new Date().toISOString(),
        ...ids,
        asked: NOTHING_ASKED,
        accepted: false,
        repeated: false,
        bodyDiffers: false,
        workflowId: null,
        fault: null,
        answered: "pending",
        reason: null,
      };
      triggers.push(entry);
      return entry;
    },
    firstStart: (idempotencyKey) => starts.get(idempotencyKey),
    rememberStart(idempotencyKey, start) {
      if (!starts.has(idempotencyKey)) starts.set(idempotencyKey, start);
    },
    view: (runs) => ({ triggers, counters: count(triggers, runs) }),
  };
}

function count(triggers: readonly TriggerCall[], runs: readonly Run[]): Counters {
  const deliveries = runs.flatMap((run) => run.deliveries);
  const attempts = deliveries.flatMap((delivery) => delivery.attempts);
  const settledAs = (outcome: string) => deliveries.filter((delivery) => delivery.outcome === outcome).length;
  return {
    triggerCalls: triggers.length,
    triggerAnswers: tally(triggers.map(({ answered }) => String(answered))),
    workflowsStarted: runs.length,
    foreignWorkflows: runs.filter((run) => run.foreign).length,
    workflowsPerIdempotencyKey: tally(runs.flatMap(({ idempotencyKey }) => idempotencyKey ?? [])),
    deliveries: deliveries.length,
    attempts: attempts.length,
    acknowledged: settledAs("acknowledged"),
    refused: settledAs("refused"),
    givenUp: settledAs("given up"),
    stopped: settledAs("stopped"),
    pending: settledAs("pending"),
    lost: settledAs("lost"),
    wrongSignaturesAcknowledged: attempts.filter(
      ({ signature, status }) => signature === "wrong" && status !== null && status >= 200 && status < 300,
    ).length,
  };
}

function tally(names: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}
