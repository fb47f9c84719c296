// The object that took an event in: a session, or the inbox of what belongs to no run.
import type { Env } from "../env.ts";
import { INBOXES, type InboxName, inboxId } from "../inbox/delivery.ts";
import { objectName } from "../platform/ids.ts";

/** An event as far as its owner has to know it; `session_id` is D1's word for the owner's name. */
export interface Owned {
  readonly workspace: string;
  readonly session_id: string;
  readonly delivery_id: string;
}

/** The inbox that an owner's name in D1 stands for; null when it is a session. */
export function inboxOf(owner: string): InboxName | null {
  return INBOXES.find((name) => inboxId(name) === owner) ?? null;
}

export function sessionOf(env: Env, { workspace, session_id: owner }: Owned) {
  return env.SYNC_SESSION.getByName(objectName(workspace, owner));
}

export function inboxObjectOf(env: Env, { workspace, session_id: owner }: Owned) {
  return env.INBOX.getByName(objectName(workspace, owner));
}

/** The body in its parts, as the owner has it; empty when it has none. */
export async function bodyOf(env: Env, event: Owned): Promise<ArrayBuffer[]> {
  const isInbox = inboxOf(event.session_id) !== null;
  return (isInbox ? inboxObjectOf(env, event) : sessionOf(env, event)).body(event.delivery_id);
}

/** How often it came again; undefined when its owner does not know it. */
export async function repeatsOf(env: Env, event: Owned): Promise<number | undefined> {
  if (inboxOf(event.session_id) === null) return sessionOf(env, event).repeatsOf(event.delivery_id);
  return (await inboxObjectOf(env, event).find(event.delivery_id))?.repeats;
}
