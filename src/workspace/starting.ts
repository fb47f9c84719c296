// May a run start? The order is: switch and breaker, what is to be repeated, the lease, the queue. The grant is one
// transaction with the message that starts the session, so granted is as good as started.
import { AGENT_IDS } from "../opal/agents.ts";
import { now } from "../platform/clock.ts";
import { type RunIds, runIdsFrom } from "../platform/ids.ts";
import { type Refusal, refuse } from "../platform/refusal.ts";
import type { Heritage, SyncCommand } from "../sync/plan.ts";
import type { Checkpoint } from "../sync/run/checkpoint.ts";
import type { RunRequest } from "../sync/run/request.ts";
import type { ControlJournal } from "./control-journal.ts";
import type { Estimate } from "./estimate.ts";
import type { GrantedSync, IdempotencyKey, SyncAnswer } from "./granted.ts";
import { whyNotStart } from "./guard.ts";
import type { WorkspaceJournal } from "./journal.ts";
import type { Expected } from "./learn.ts";
import { keepAnswer } from "./once.ts";
import { type PlannedSync, planRetry, type RetryOrder, type SyncOrder } from "./order.ts";
import { tell } from "./placing.ts";

/** A run that waits longer than this for its turn is withdrawn, in ms. */
const QUEUE_LIMIT_MS = 2 * 60 * 60_000;

/** The parts of the workspace object that starting a run needs. */
export interface StartingParts {
  readonly storage: DurableObjectStorage;
  readonly journal: WorkspaceJournal;
  readonly control: ControlJournal;
  readonly newIds: () => RunIds;
  readonly plan: (command: SyncCommand, ids: RunIds, heritage: Heritage) => RunRequest;
  readonly checkpoint: (sessionId: string) => Promise<Checkpoint | undefined>;
  /** Tells whether the credential for OPAL is the one that was refused. */
  readonly fingerprint: () => Promise<string>;
  readonly askDoubtfulHolder: () => Promise<void>;
  /** Cancels the run that holds the lease; answers its id once the cancel was asked for. */
  readonly cancelHolder: (actor: string) => Promise<string | null>;
  readonly describeHolder: (sessionId: string) => NonNullable<Refusal["members"]>;
  /** When a run like this one would end if OPAL accepted it now. */
  readonly foresee: (planned: PlannedSync) => Expected;
  /** Inside a transaction: whoever watches is told how things stand. */
  readonly showControl: () => void;
}

interface StartRequest {
  readonly planned: PlannedSync;
  /** The run that had to make room. */
  readonly cancelled: string | null;
  readonly idempotency: IdempotencyKey | undefined;
}

export async function startOrQueue(
  parts: StartingParts,
  order: SyncOrder,
  idempotency: IdempotencyKey | undefined,
): Promise<SyncAnswer> {
  const answer = await tryToStart(parts, order, idempotency);
  if (!answer.ok) recordRefusal(parts, order, answer);
  return answer;
}

async function tryToStart(
  parts: StartingParts,
  order: SyncOrder,
  idempotency: IdempotencyKey | undefined,
): Promise<SyncAnswer> {
  const { journal, control } = parts;
  const stopped = whyNotStart(control, now());
  if (stopped) return stopped;
  const planned = order.retry ? await repeat(parts, order, order.retry) : newSync(order.command);
  if (!planned.ok) return planned;
  await parts.askDoubtfulHolder();
  // Nothing is cancelled for a run that could not even wait for its turn then.
  const full = order.isForced ? queueFull(parts) : undefined;
  if (full) return full;
  const cancelled = order.isForced ? await parts.cancelHolder(order.command.actor) : null;
  // From here to the grant nothing waits, so no other request can come in between.
  const stoppedMeanwhile = whyNotStart(control, now());
  if (stoppedMeanwhile) return stoppedMeanwhile;
  // Two requests to repeat one run may both have found it unrepeated.
  const retryOf = planned.lineage?.retryOf;
  const repeatedBy = retryOf === undefined ? undefined : control.repeatedBy(retryOf);
  if (repeatedBy !== undefined) return refuse("nothing_to_retry", { members: { retried_as: repeatedBy } });
  const lease = journal.lease();
  if (lease === undefined) return start(parts, { planned, cancelled, idempotency });
  // Whoever forces a restart waits for the cancelled run's last call to end.
  const mayWait = order.onBusy === "queue" || cancelled !== null;
  if (!mayWait) return refuse("run_active", { members: parts.describeHolder(lease.sessionId) });
  return queueFull(parts) ?? enqueue(parts, { planned, cancelled, idempotency });
}

function queueFull({ journal, control, describeHolder }: StartingParts): Refusal | undefined {
  const waiting = control.queue()?.queued.sessionId;
  const holder = journal.lease()?.sessionId;
  if (waiting === undefined || holder === undefined) return undefined;
  return refuse("queue_full", { members: { ...describeHolder(holder), queued_session: waiting } });
}

function newSync(command: SyncCommand): { readonly ok: true } & PlannedSync {
  return { ok: true, command, lineage: null, carriedOver: [] };
}

async function repeat(
  { journal, checkpoint, fingerprint }: StartingParts,
  order: SyncOrder,
  retry: RetryOrder,
): Promise<({ readonly ok: true } & PlannedSync) | Refusal> {
  const of = retry.of ?? journal.recentRuns().find((run) => run.isRetriable)?.sessionId;
  if (of === undefined) {
    return refuse("nothing_to_retry", { detail: "No run of this workspace ended without all of its agents." });
  }
  const known = await checkpoint(of);
  return known === undefined ? refuse("session_not_found") : planRetry(order, retry, known, await fingerprint());
}

/** An attempt that was refused is on record like any other. */
function recordRefusal({ storage, control }: StartingParts, { command, retry }: SyncOrder, refusal: Refusal): void {
  const { actor, source, scope } = command;
  const { code, detail = null } = refusal;
  storage.transactionSync(() => {
    control.log("sync_refused", actor, now(), { code, detail, source, scope, retry_of: retry?.of ?? null });
    control.count("syncs_refused");
  });
}

function start(parts: StartingParts, { planned, cancelled, idempotency }: StartRequest): SyncAnswer {
  const ids = parts.newIds();
  const sync = grantedSync(planned, ids.sessionId, { outcome: "started", cancelled, ...parts.foresee(planned) });
  parts.storage.transactionSync(() => {
    if (planned.lineage) parts.control.keepRepeat(planned.lineage.retryOf, ids.sessionId);
    grant(parts, planned, ids);
    keepAnswer(parts.journal, idempotency, sync, now());
  });
  return { ok: true, sync, isRepeat: false };
}

function enqueue(parts: StartingParts, { planned, cancelled, idempotency }: StartRequest): SyncAnswer {
  const { storage, journal, control } = parts;
  const { sessionId } = parts.newIds();
  const { actor, scope } = planned.command;
  const queuedAt = now();
  const { record } = parts.foresee(planned);
  const estimate: Estimate = { known: false, reason: "not_accepted_yet" };
  const sync = grantedSync(planned, sessionId, { outcome: "queued", cancelled, estimate, record });
  storage.transactionSync(() => {
    control.enqueue({ sessionId, actor, scope, queuedAt, expiresAt: queuedAt + QUEUE_LIMIT_MS }, planned);
    if (planned.lineage) control.keepRepeat(planned.lineage.retryOf, sessionId);
    control.log("sync_queued", actor, queuedAt, { session_id: sessionId });
    keepAnswer(journal, idempotency, sync, queuedAt);
    parts.showControl();
  });
  return { ok: true, sync, isRepeat: false };
}

function grantedSync(
  { command, lineage }: PlannedSync,
  sessionId: string,
  granted: Pick<GrantedSync, "outcome" | "cancelled" | "estimate" | "record">,
): GrantedSync {
  return {
    ...{ sessionId, ...granted, at: now(), scope: command.scope },
    expectedAgents: command.agentFilter ?? AGENT_IDS,
    attempt: lineage?.attempt ?? 1,
    retryOf: lineage?.retryOf ?? null,
  };
}

/** Inside a transaction: the lease, and the message that starts the session. */
function grant(parts: StartingParts, { command, lineage, carriedOver }: PlannedSync, ids: RunIds): void {
  const { storage, journal, control } = parts;
  const { sessionId } = ids;
  const { actor, source, scope } = command;
  const request = parts.plan(command, ids, { lineage, carriedOver, agentPasts: control.agentPasts() });
  journal.grantLease(sessionId, now());
  tell(storage.sql, sessionId, { say: "start", request, withdrawnBy: null });
  if (lineage) {
    const { attempt, how, retryOf } = lineage;
    tell(storage.sql, retryOf, { say: "retried", bySessionId: sessionId, attempt, how, actor });
  }
  control.log("sync_granted", actor, now(), {
    session_id: sessionId,
    source,
    scope,
    retry_of: lineage?.retryOf ?? null,
  });
  control.count("syncs_granted");
}

/** Inside a transaction: when the lease is free, the run that waits has its turn. */
export function grantQueued(parts: StartingParts): void {
  const { journal, control } = parts;
  const waiting = control.queue();
  if (!waiting || journal.lease() !== undefined || control.switchedOff()) return;
  // The alarm is late; it withdraws it.
  if (waiting.queued.expiresAt <= now()) return;
  control.clearQueue();
  const ids = runIdsFrom(waiting.queued.sessionId);
  if (ids) grant(parts, waiting.planned, ids);
  parts.showControl();
}

/** The run that waits ends without having begun, and is in the history like any other. */
export function withdrawQueued(parts: StartingParts, actor: string): void {
  const { storage, control } = parts;
  const waiting = control.queue();
  const ids = waiting && runIdsFrom(waiting.queued.sessionId);
  if (!waiting || !ids) return;
  const { command, lineage, carriedOver } = waiting.planned;
  const request = parts.plan(command, ids, { lineage, carriedOver, agentPasts: [] });
  storage.transactionSync(() => {
    control.clearQueue();
    control.forgetRepeat(ids.sessionId);
    tell(storage.sql, ids.sessionId, { say: "start", request, withdrawnBy: actor });
    control.log("sync_withdrawn", actor, now(), { session_id: ids.sessionId });
    parts.showControl();
  });
}
