// What the workspace has to tell a session: told in order, and until the session has taken it.
import { withoutRun } from "../inbox/delivery.ts";
import type { Inbox } from "../inbox/object.ts";
import type { OutboxMessage } from "../platform/outbox.ts";
import type { DeliveryOutcome } from "../sync/delivery.ts";
import type { SyncSession } from "../sync/object.ts";
import type { RunReport } from "../sync/report.ts";
import type { WorkspaceJournal } from "./journal.ts";
import { toSession } from "./placing.ts";

export interface TellingParts {
  readonly storage: DurableObjectStorage;
  readonly journal: WorkspaceJournal;
  readonly takeIn: (report: RunReport) => void;
}

/** Rejects when the session did not take one of them; those before it are told again, which the session bears. */
export async function tellSession(
  parts: TellingParts,
  session: DurableObjectStub<SyncSession>,
  messages: readonly OutboxMessage[],
): Promise<void> {
  for (const { message } of messages) {
    const told = toSession.parse(JSON.parse(message));
    switch (told.say) {
      case "start":
        takeInIfAny(parts, await session.start(told.request, told.withdrawnBy));
        break;
      case "adopt":
        takeInIfAny(parts, await session.adopt(told.request, told.remoteId));
        break;
      case "retried":
        await session.markRetried(told.bySessionId, told.attempt, told.how, told.actor);
        break;
      case "deliver":
        await handOver(parts, session, told.deliveryId);
        break;
    }
  }
}

/** Deliveries that no run claimed. Rejects when the inbox did not take one; a repeat it knows by its id. */
export async function tellInbox(
  { storage, journal }: Pick<TellingParts, "storage" | "journal">,
  inbox: DurableObjectStub<Inbox>,
  messages: readonly OutboxMessage[],
): Promise<void> {
  for (const { message: deliveryId } of messages) {
    const incoming = journal.readHeld(deliveryId);
    if (incoming === undefined) continue;
    const outcome = await inbox.take(withoutRun(incoming));
    if (outcome.outcome === "throttled") throw new Error("the inbox takes in no more for the moment");
    storage.transactionSync(() => journal.dropHeld(incoming));
  }
}

function takeInIfAny({ takeIn }: TellingParts, report: RunReport | undefined): void {
  if (report) takeIn(report);
}

async function handOver(
  { storage, journal }: TellingParts,
  session: DurableObjectStub<SyncSession>,
  deliveryId: string,
): Promise<void> {
  const incoming = journal.readHeld(deliveryId);
  if (incoming === undefined) return;
  const outcome: DeliveryOutcome = await session.deliver(incoming);
  if (outcome.outcome === "unknown") throw new Error("the session does not know its run yet");
  storage.transactionSync(() => journal.dropHeld(incoming));
}
