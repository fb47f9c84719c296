// One stored delivery is handed to its run again: read with today's code, and applied where it says something else.
import type { Env } from "../env.ts";
import { now } from "../platform/clock.ts";
import { objectName } from "../platform/ids.ts";
import { type Refusal, refuse } from "../platform/refusal.ts";
import type { Reading } from "../sync/run/events.ts";
import { readingOf } from "../sync/run/reading.ts";
import type { StoredDelivery } from "../sync/stored.ts";
import type { NormalisedDelivery } from "../webhooks/normalise.ts";
import { newDeliveryId, readDelivery, takeIn } from "../webhooks/receive.ts";
import { examine } from "../webhooks/replay.ts";
import { inboxOf, sessionOf } from "./owner.ts";
import type { StoredEvent } from "./stored-event.ts";

export interface Redelivered {
  readonly ok: true;
  readonly isChanged: boolean;
  /** Why it stays as it is; null when it does not, or because it is read as before. */
  readonly why: string | null;
  readonly before: Judged;
  readonly after: Judged;
  /** That were written, or would be. */
  readonly events: readonly EventSummary[];
}

interface EventSummary {
  /** Null where only the kind of event is known. */
  readonly seq: number | null;
  readonly type: string;
  readonly rule: string | null;
}

export interface Judged {
  readonly verdict: string;
  readonly reading: readonly Reading[] | null;
}

export interface Redelivery {
  readonly actor: string;
  /** Says what would change, and changes nothing. */
  readonly isDryRun: boolean;
  readonly requestId: string;
}

/** Refuses: delivery_expired, resource_not_found, and what the run refuses. */
export async function redeliver(
  env: Env,
  event: StoredEvent,
  bytes: Uint8Array,
  { actor, isDryRun, requestId }: Redelivery,
): Promise<Redelivered | Refusal> {
  if (inboxOf(event.session_id) !== null) return handInAgain(env, event, bytes, { actor, isDryRun, requestId });
  const session = sessionOf(env, event);
  const { delivery_id: deliveryId } = event;
  const stored: StoredDelivery | undefined = (await session.deliveries()).find((one) => one.deliveryId === deliveryId);
  if (stored === undefined) return refuse("resource_not_found", { detail: "The run does not know this delivery." });
  const bodyOf = async () => [bytes.slice().buffer];
  const examination = await examine([stored], bodyOf, { fromOffset: 0, isForced: true });
  if (!examination.ok) return examination;
  const before = { verdict: stored.verdict, reading: stored.reading };
  const [changed] = examination.changed;
  if (changed === undefined) {
    const why = examination.unreadable[0]?.why ?? null;
    return { ok: true, isChanged: false, why, before, after: before, events: [] };
  }
  const results = isDryRun ? [] : changed.results;
  const outcome = await session.reprocess([changed.reprocessing], results, { actor, isDryRun });
  if ("ok" in outcome) return outcome;
  const read = outcome.events.find((event) => event.type === "reprocessed");
  const after = read === undefined ? before : { verdict: read.verdict, reading: read.reading };
  const events = outcome.events.map(({ seq, type, rule }) => ({ seq, type, rule }));
  return { ok: true, isChanged: read !== undefined, why: null, before, after, events };
}

/** What was in an inbox is handed in anew, under an id of its own, once there is a run that it belongs to. */
async function handInAgain(
  env: Env,
  { workspace, source, secret, verdict }: StoredEvent,
  bytes: Uint8Array,
  { isDryRun, requestId }: Redelivery,
): Promise<Redelivered | Refusal> {
  const before = { verdict, reading: null };
  const unchanged = (why: string) => ({ ok: true, isChanged: false, why, before, after: before, events: [] }) as const;
  if (!isOpals(source)) return unchanged("it belongs to no run");
  const receipt = { deliveryId: newDeliveryId(), source, receivedAt: now(), secret };
  const read = await readDelivery(bytes, receipt);
  if (!read.ok) return unchanged(read.detail ?? read.code);
  if (!(await hasRun(env, workspace, read))) return unchanged("its run is still unknown");
  if (isDryRun) return { ok: true, isChanged: true, why: null, before, after: before, events: [] };
  const taken = await takeIn(env, { workspace, requestId }, read);
  if (!taken.ok) return taken;
  const { result } = taken;
  if (result.outcome !== "recorded" || !("events" in result)) return unchanged("its run had it already");
  const after = { verdict: result.verdict, reading: readingOf(read.incoming.reports) };
  const events = result.events.map((type) => ({ seq: null, type, rule: null }));
  return { ok: true, isChanged: true, why: null, before, after, events };
}

function isOpals(source: string): boolean {
  return source === "opal" || source.startsWith("opal_");
}

async function hasRun(env: Env, workspace: string, { ourRun, incoming }: NormalisedDelivery): Promise<boolean> {
  const { remoteId } = incoming.delivery;
  if (remoteId !== null) {
    const bound = await env.WORKSPACE.getByName(objectName(workspace, "workspace")).locate(remoteId);
    if (bound !== undefined) return true;
  }
  if (ourRun === undefined) return false;
  const named = await env.SYNC_SESSION.getByName(objectName(workspace, ourRun.sessionId)).read();
  return named !== undefined;
}

export function redeliveredAnswer(deliveryId: string, isDryRun: boolean, outcome: Redelivered) {
  const { isChanged, why, before, after, events } = outcome;
  return {
    success: true as const,
    delivery_id: deliveryId,
    dry_run: isDryRun,
    changed: isChanged,
    reason: why,
    before,
    after,
    events,
  };
}
