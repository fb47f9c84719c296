// Which run does a delivery belong to, when it names none of ours? A known binding, the active run that still waits for
// its workflow id, or nobody yet: then it is held, tried again, and after a while its workflow is a foreign run.
import { now } from "../platform/clock.ts";
import { enqueue } from "../platform/outbox.ts";
import type { IncomingDelivery } from "../sync/delivery.ts";
import type { SyncSession } from "../sync/object.ts";
import type { RunRequest } from "../sync/run/events.ts";
import type { WorkspaceJournal } from "./journal.ts";

/** How often a held delivery is tried again, and when its workflow is taken for a foreign one, in ms. */
const HELD_RETRY_MS = 10_000;
const ADOPT_AFTER_MS = 60_000;

export type Placement =
  | { readonly outcome: "bound"; readonly sessionId: string }
  | { readonly outcome: "held"; readonly deliveryId: string }
  | { readonly outcome: "duplicate"; readonly deliveryId: string };

/** What a workspace tells a session, in order, until the session has taken it. */
export type ToSession =
  | { readonly say: "start"; readonly request: RunRequest }
  | { readonly say: "adopt"; readonly request: RunRequest; readonly remoteId: string }
  | { readonly say: "deliver"; readonly deliveryId: string };

/** The parts of the workspace object that placing needs. */
export interface Place {
  readonly storage: DurableObjectStorage;
  readonly journal: WorkspaceJournal;
  readonly session: (sessionId: string) => DurableObjectStub<SyncSession>;
  /** A new run's facts for a workflow that OPAL started by itself. */
  readonly planForeign: () => RunRequest;
}

export async function placeDelivery(place: Place, incoming: IncomingDelivery): Promise<Placement> {
  const { storage, journal } = place;
  const { remoteId, deliveryId } = incoming.delivery;
  const repeated = journal.repeatHeld(incoming);
  if (repeated !== undefined) return { outcome: "duplicate", deliveryId: repeated };
  const sessionId = remoteId === null ? undefined : await findRun(place, remoteId);
  if (sessionId !== undefined) return { outcome: "bound", sessionId };
  // The same delivery may have been held while this one was looking for its run.
  const repeatedMeanwhile = journal.repeatHeld(incoming);
  if (repeatedMeanwhile !== undefined) return { outcome: "duplicate", deliveryId: repeatedMeanwhile };
  storage.transactionSync(() => journal.hold(incoming));
  return { outcome: "held", deliveryId };
}

/** The session alone decides whether an unknown workflow id is its own, so that no two runs can claim it. */
async function findRun({ storage, journal, session }: Place, remoteId: string): Promise<string | undefined> {
  const known = journal.sessionOfRemote(remoteId);
  if (known !== undefined) return known;
  const lease = journal.lease();
  if (lease === undefined) return undefined;
  if (await session(lease.sessionId).claimRemote(remoteId)) {
    storage.transactionSync(() => bindRemote(storage.sql, journal, remoteId, lease.sessionId));
  }
  return journal.sessionOfRemote(remoteId);
}

/** Call inside a transaction. Deliveries held for this workflow id go to its session; the first binding stays. */
export function bindRemote(sql: SqlStorage, journal: WorkspaceJournal, remoteId: string, sessionId: string): void {
  journal.bindRemote(remoteId, sessionId, now());
  const owner = journal.sessionOfRemote(remoteId) ?? sessionId;
  for (const { deliveryId } of journal.heldOf(remoteId)) tell(sql, owner, { say: "deliver", deliveryId });
}

/** Call inside a transaction. */
export function tell(sql: SqlStorage, sessionId: string, message: ToSession): void {
  enqueue(sql, sessionId, JSON.stringify(message), now());
}

/** Tries every held delivery's workflow again; answers the ids of the runs that were adopted. */
export async function retryHeld(place: Place): Promise<readonly string[]> {
  const { journal } = place;
  const at = now();
  journal.setLastTime("held", at);
  const adopted: string[] = [];
  for (const { remoteId, oldestAt } of journal.heldWorkflows()) {
    if ((await findRun(place, remoteId)) !== undefined) continue;
    if (oldestAt + ADOPT_AFTER_MS <= at) adopted.push(adopt(place, remoteId));
  }
  return adopted;
}

/** Shown like any other run; it takes the lease only if that is free. */
function adopt({ storage, journal, planForeign }: Place, remoteId: string): string {
  const request = planForeign();
  storage.transactionSync(() => {
    if (journal.lease() === undefined) journal.grantLease(request.sessionId, now());
    tell(storage.sql, request.sessionId, { say: "adopt", request, remoteId });
    bindRemote(storage.sql, journal, remoteId, request.sessionId);
  });
  return request.sessionId;
}

/** When held deliveries are due for another try; undefined when none waits for a binding. */
export function nextHeldRetry(oldestHeldAt: number | undefined, lastTriedAt: number): number | undefined {
  return oldestHeldAt === undefined ? undefined : Math.max(lastTriedAt, oldestHeldAt) + HELD_RETRY_MS;
}
