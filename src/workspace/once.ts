// Idempotency keys: the same key and request get the first answer again; another request with the same key is refused;
// and one that is still being answered is not begun twice.
import { refuse } from "../platform/refusal.ts";
import type { GrantedSync, IdempotencyKey, SyncAnswer } from "./granted.ts";
import type { WorkspaceJournal } from "./journal.ts";

export interface OnceParts {
  readonly journal: WorkspaceJournal;
  /** Keys of requests that this instance is answering right now; with the instance, the requests are gone too. */
  readonly inFlight: Set<string>;
}

export async function oncePerKey(
  { journal, inFlight }: OnceParts,
  idempotency: IdempotencyKey | undefined,
  now: number,
  act: () => Promise<SyncAnswer>,
): Promise<SyncAnswer> {
  if (idempotency === undefined) return act();
  const { key, requestHash } = idempotency;
  const earlier = journal.idempotentAnswer(key, now);
  if (earlier) {
    return earlier.requestHash === requestHash
      ? { ok: true, sync: earlier.answer, isRepeat: true }
      : refuse("idempotency_key_reused");
  }
  if (inFlight.has(key)) return refuse("idempotency_key_in_flight", { retryAfterSeconds: 1 });
  inFlight.add(key);
  try {
    return await act();
  } finally {
    inFlight.delete(key);
  }
}

/** Call inside the transaction that does what the answer says. */
export function keepAnswer(
  journal: WorkspaceJournal,
  idempotency: IdempotencyKey | undefined,
  sync: GrantedSync,
  now: number,
): void {
  if (idempotency === undefined) return;
  const { key, requestHash } = idempotency;
  journal.keepIdempotencyKey(key, { requestHash, sessionId: sync.sessionId, answer: sync }, now);
}
