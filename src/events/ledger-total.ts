// The accounts of a whole workspace: D1's sums for whoever has settled, everybody else asked directly.
import { drizzle } from "drizzle-orm/d1";
import type { Env } from "../env.ts";
import { INBOXES, inboxId } from "../inbox/delivery.ts";
import { objectName } from "../platform/ids.ts";
import { EMPTY_LEDGER, type Ledger, unaccounted } from "../platform/ledger.ts";
import type { SessionAccount } from "../sync/account.ts";
import type { WorkspaceAccount } from "../workspace/account.ts";
import { addsUpForInbox, sumOf } from "./ledger.ts";
import { storedLedgers, storedRowCounts, storedTotal } from "./ledger-store.ts";

/** Sessions that are asked themselves; of more than these D1's word is taken, and the answer says so. */
const ASKED = 100;

export interface InboxSays {
  readonly owner: string;
  readonly ledger: Ledger;
  readonly waiting: number;
  /** In D1; null when it was not asked for. */
  readonly rows: number | null;
  readonly expired: number;
  readonly addsUp: boolean;
}

export interface WorkspaceLedger {
  /** Without what is held. */
  readonly counted: Ledger;
  /** Deliveries held and their repeats; those handed over are here until their owner has them. */
  readonly held: { readonly count: number; readonly repeats: number };
  readonly unaccounted: number;
  /** Owners whose counters do not add up, in D1 or by their own word. */
  readonly unbalanced: readonly string[];
  /** Owners of whom D1's word was taken. */
  readonly settled: number;
  /** Sessions asked themselves. */
  readonly asked: readonly string[];
  /** There were more than could be asked, so that D1 may know less of some. */
  readonly isPartial: boolean;
  readonly inboxes: readonly InboxSays[];
}

/** Rejects when D1 or an object does not answer. */
export async function workspaceLedger(env: Env, workspace: string, verifiesRows: boolean): Promise<WorkspaceLedger> {
  const db = drizzle(env.DB);
  // First, so that what has left it meanwhile is found with its owner and not missed.
  const known: WorkspaceAccount = await env.WORKSPACE.getByName(objectName(workspace, "workspace")).account(ASKED + 1);
  const receivers = known.handedOver.map(({ owner }) => owner).filter((owner) => !isInbox(owner));
  const asked = [...new Set([...known.unsettled.slice(0, ASKED), ...receivers])];
  const sessions = await sessionAccounts(env, workspace, asked);
  const inboxes = await askInboxes(env, workspace, verifiesRows);
  const held = await stillHeld(env, workspace, known, sessions);
  const own = new Map<string, Ledger>([
    ...[...sessions].map(([owner, { ledger }]) => [owner, ledger] as const),
    ...inboxes.map(({ owner, ledger }) => [owner, ledger] as const),
  ]);
  const stored = await storedTotal(db, workspace, [...own.keys()]);
  const counted = sumOf([stored.total, ...own.values()]);
  const byOwnWord = [...own].filter(([, ledger]) => unaccounted(ledger) !== 0).map(([owner]) => owner);
  return {
    ...{ counted, held, inboxes, asked, settled: stored.owners, unaccounted: unaccounted(counted) },
    unbalanced: [...byOwnWord, ...stored.unbalanced],
    isPartial: known.unsettled.length > ASKED,
  };
}

/** Of each session that has a record, in order. Rejects when one does not answer. */
export async function sessionAccounts(
  env: Env,
  workspace: string,
  sessionIds: readonly string[],
): Promise<ReadonlyMap<string, SessionAccount>> {
  const accounts = new Map<string, SessionAccount>();
  for (const sessionId of sessionIds) {
    const account = await env.SYNC_SESSION.getByName(objectName(workspace, sessionId)).account();
    if (account) accounts.set(sessionId, account);
  }
  return accounts;
}

async function askInboxes(env: Env, workspace: string, verifiesRows: boolean): Promise<InboxSays[]> {
  const db = drizzle(env.DB);
  const owners = INBOXES.map(inboxId);
  const said = await Promise.all(owners.map((owner) => env.INBOX.getByName(objectName(workspace, owner)).account()));
  const rows = verifiesRows ? await storedRowCounts(db, workspace, owners) : undefined;
  const ledgers = await storedLedgers(db, workspace, owners);
  return owners.map((owner, index) => {
    const { ledger, waiting } = said[index] ?? { ledger: EMPTY_LEDGER, waiting: 0 };
    const expired = ledgers.find((stored) => stored.owner === owner)?.expired ?? 0;
    const stored = rows && { rows: rows.get(owner) ?? 0, expired };
    const addsUp = addsUpForInbox({ ledger, waiting }, stored);
    return { owner, ledger, waiting, rows: stored?.rows ?? null, expired, addsUp };
  });
}

/** A delivery that its owner has taken already counts there. */
async function stillHeld(
  env: Env,
  workspace: string,
  { held, handedOver }: WorkspaceAccount,
  sessions: ReadonlyMap<string, SessionAccount>,
): Promise<{ count: number; repeats: number }> {
  let { count, repeats } = held;
  for (const delivery of handedOver) {
    const hasArrived = isInbox(delivery.owner)
      ? (await env.INBOX.getByName(objectName(workspace, delivery.owner)).find(delivery.deliveryId)) !== undefined
      : sessions.get(delivery.owner)?.receipts.some(({ deliveryId }) => deliveryId === delivery.deliveryId);
    if (!hasArrived) continue;
    count -= 1;
    repeats -= delivery.repeats;
  }
  return { count, repeats };
}

function isInbox(owner: string): boolean {
  return INBOXES.some((name) => inboxId(name) === owner);
}
