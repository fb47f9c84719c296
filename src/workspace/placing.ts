// Which run does a delivery belong to, when it names none of ours? A known binding, the active run that still waits for
// its workflow id, or nobody yet: then it is held, tried again, and after a while its workflow is a foreign run.
import { z } from "zod";
import { now } from "../platform/clock.ts";
import { enqueue } from "../platform/outbox.ts";
import { type IncomingDelivery, saysSomething } from "../sync/delivery.ts";
import { type RunRequest, runRequest } from "../sync/run/request.ts";
import { TO_INBOX, type Waits, type WorkspaceJournal } from "./journal.ts";

/** How often a held delivery is tried again, and when its workflow is taken for a foreign one, in ms. */
const HELD_RETRY_MS = 10_000;
const ADOPT_AFTER_MS = 60_000;
/** What proves no workflow by itself waits this long for one that does, in ms. */
const GIVE_UP_AFTER_MS = 60 * 60_000;

export type Placement =
  | { readonly outcome: "bound"; readonly sessionId: string }
  | { readonly outcome: "held"; readonly deliveryId: string }
  | { readonly outcome: "duplicate"; readonly deliveryId: string }
  /** Nothing will ever say which run it belongs to. */
  | { readonly outcome: "without_run" }
  /** Too much is held already; nothing was stored. */
  | { readonly outcome: "full" };

/** What a workspace tells a session, in order, until the session has taken it. */
export const toSession = z.discriminatedUnion("say", [
  z.object({ say: z.literal("start"), request: runRequest, withdrawnBy: z.string().nullable().default(null) }),
  z.object({
    say: z.literal("retried"),
    bySessionId: z.string(),
    attempt: z.number(),
    how: z.enum(["retry", "resume"]),
    actor: z.string(),
  }),
  z.object({ say: z.literal("adopt"), request: runRequest, remoteId: z.string() }),
  z.object({ say: z.literal("deliver"), deliveryId: z.string() }),
]);

type ToSession = z.infer<typeof toSession>;

/** The parts of the workspace object that finding a delivery's run needs. */
export interface PlacingParts {
  readonly storage: DurableObjectStorage;
  readonly journal: WorkspaceJournal;
  /** Asks a session whether a workflow id, first heard of at `since`, is its own. */
  readonly claim: (sessionId: string, remoteId: string, since: number) => Promise<boolean>;
  /** A new run's facts for a workflow that OPAL started by itself. */
  readonly planForeign: () => RunRequest;
}

/** More than this is not held; the sender keeps the rest and sends it again. */
const HELD_LIMIT = 5_000;
const HELD_LIMIT_BYTES = 1024 * 1024 * 1024;

export async function placeDelivery(parts: PlacingParts, incoming: IncomingDelivery): Promise<Placement> {
  const { storage, journal } = parts;
  const { remoteId, deliveryId, receivedAt, correlated } = incoming.delivery;
  // Once bound, a repeat is the session's to count, also while the first one is still on its way there.
  if (remoteId === null) return { outcome: "without_run" };
  const bound = journal.sessionOfRemote(remoteId);
  if (bound !== undefined) return { outcome: "bound", sessionId: bound };
  const repeated = journal.repeatHeld(incoming);
  if (repeated !== undefined) return { outcome: "duplicate", deliveryId: repeated };
  const found = saysSomething(incoming)
    ? await findRun(parts, { remoteId, oldestAt: receivedAt, correlated })
    : undefined;
  if (found !== undefined) return { outcome: "bound", sessionId: found };
  // The same delivery may have been held while this one was looking for its run.
  const repeatedMeanwhile = journal.repeatHeld(incoming);
  if (repeatedMeanwhile !== undefined) return { outcome: "duplicate", deliveryId: repeatedMeanwhile };
  const held = journal.heldTotal();
  if (held.count >= HELD_LIMIT || held.bytes >= HELD_LIMIT_BYTES) return { outcome: "full" };
  storage.transactionSync(() => journal.hold(incoming));
  return { outcome: "held", deliveryId };
}

interface UnknownWorkflow {
  readonly remoteId: string;
  /** When it was first heard of. */
  readonly oldestAt: number;
  /** It named a run of ours that does not exist here, so it is not the active one. */
  readonly correlated: boolean;
}

/** The session alone decides whether an unknown workflow id is its own, so that no two runs can claim it. */
async function findRun(
  parts: PlacingParts,
  { remoteId, oldestAt, correlated }: UnknownWorkflow,
): Promise<string | undefined> {
  const { storage, journal, claim } = parts;
  const lease = journal.lease();
  if (lease !== undefined && !correlated && (await claim(lease.sessionId, remoteId, oldestAt))) {
    storage.transactionSync(() => bindRemote(storage.sql, journal, remoteId, lease.sessionId));
  }
  return journal.sessionOfRemote(remoteId);
}

/** Call inside a transaction. The first binding stays, and brings the deliveries held for it to its session. */
export function bindRemote(sql: SqlStorage, journal: WorkspaceJournal, remoteId: string, sessionId: string): void {
  if (!journal.bindRemote(remoteId, sessionId, now())) return;
  for (const deliveryId of journal.heldOf(remoteId)) tell(sql, sessionId, { say: "deliver", deliveryId });
}

/** Call inside a transaction. */
export function tell(sql: SqlStorage, sessionId: string, message: ToSession): void {
  enqueue(sql, sessionId, JSON.stringify(message), now());
}

/** Gives up waiting for the run of what says nothing by itself: it goes to the inbox. */
export function giveUpHeld({ storage, journal }: PlacingParts): void {
  const at = now();
  storage.transactionSync(() => {
    for (const deliveryId of journal.unplaceableHeld(at - GIVE_UP_AFTER_MS)) {
      enqueue(storage.sql, TO_INBOX, deliveryId, at);
    }
  });
}

/** When the next one is given up; undefined when none is held. */
export function nextGiveUp({ oldestUnplaceable }: Waits): number | undefined {
  return oldestUnplaceable === undefined ? undefined : oldestUnplaceable + GIVE_UP_AFTER_MS;
}

/** Tries every workflow that held deliveries speak of again; answers the ids of the runs that were adopted. */
export async function retryHeld(parts: PlacingParts): Promise<readonly string[]> {
  const { journal } = parts;
  const at = now();
  journal.setLastTime("held", at);
  const adopted: string[] = [];
  for (const workflow of journal.heldWorkflows()) {
    if ((await findRun(parts, workflow)) !== undefined) continue;
    if (workflow.oldestAt + ADOPT_AFTER_MS <= at) adopted.push(adopt(parts, workflow.remoteId));
  }
  return adopted;
}

/** Shown like any other run; it takes the lease only if that is free. */
function adopt({ storage, journal, planForeign }: PlacingParts, remoteId: string): string {
  const request = planForeign();
  storage.transactionSync(() => {
    if (journal.lease() === undefined) journal.grantLease(request.sessionId, now());
    tell(storage.sql, request.sessionId, { say: "adopt", request, remoteId });
    bindRemote(storage.sql, journal, remoteId, request.sessionId);
  });
  return request.sessionId;
}

/** When held deliveries are due for another try; undefined when none waits for a binding. */
export function nextHeldRetry({ oldestHeld, heldRetriedAt }: Waits): number | undefined {
  return oldestHeld === undefined ? undefined : Math.max(heldRetriedAt, oldestHeld) + HELD_RETRY_MS;
}
