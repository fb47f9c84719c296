// One workspace. The object that can say no to a second run, knows which workflow id belongs to which run, keeps
// deliveries that belong to none yet, and shows every run in one live feed. It watches a session until it has settled.
import { DurableObject } from "cloudflare:workers";
import { type Env, settingsFrom } from "../env.ts";
import { armAlarm, armSafety } from "../platform/alarm.ts";
import { now } from "../platform/clock.ts";
import { objectName, runIds } from "../platform/ids.ts";
import {
  answerClose,
  closeStalled,
  type NumberedLog,
  nextStall,
  openSocket,
  pumpSockets,
  receiveMessage,
} from "../platform/live.ts";
import { describeError, log } from "../platform/log.ts";
import { flush, nextDelivery, type OutboxMessage, type OutboxPort } from "../platform/outbox.ts";
import { random, randomLetters } from "../platform/random.ts";
import { type Refusal, refuse } from "../platform/refusal.ts";
import { sleep, withinLimit } from "../platform/wait.ts";
import type { DeliveryOutcome, IncomingDelivery } from "../sync/delivery.ts";
import type { SyncSession } from "../sync/object.ts";
import { FOREIGN_SYNC, planRun, type SyncCommand } from "../sync/plan.ts";
import type { RunReport } from "../sync/report.ts";
import type { RunRequest } from "../sync/run/events.ts";
import { WorkspaceJournal } from "./journal.ts";
import { LATENESS_MS, mustAskHolder } from "./lease.ts";
import type { HeldDelivery, Overview } from "./overview.ts";
import {
  bindRemote,
  nextHeldRetry,
  type Placement,
  type PlacingParts,
  placeDelivery,
  retryHeld,
  tell,
  toSession,
} from "./placing.ts";

/** Letters that tell runs of one millisecond apart. */
const RUN_LETTERS = 5;
const SWEEP_MS = 60_000;
/** A session that does not answer a question in this time counts as not answering, in ms. */
const ASK_LIMIT_MS = 5_000;
/** How long a trigger waits for the session to confirm its start before it answers all the same, in ms. */
const START_WAIT_MS = 1_500;

export type SyncAnswer = { readonly ok: true; readonly sessionId: string; readonly isRepeat: boolean } | Refusal;

export interface IdempotencyKey {
  readonly key: string;
  readonly requestHash: string;
}

export class Workspace extends DurableObject<Env> {
  readonly #journal: WorkspaceJournal;
  readonly #outboxInFlight = new Set<string>();
  readonly #name: string;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.#journal = new WorkspaceJournal(ctx.storage);
    if (this.#journal.lastTime("created") === 0) this.#journal.setLastTime("created", now());
    const workspace = this.#journal.workspace() ?? ctx.id.name?.split(":")[0];
    if (workspace === undefined) throw new Error("a workspace object must be called by its name first");
    this.#journal.setWorkspace(workspace);
    this.#name = workspace;
  }

  /** Grants the lease and starts a run, or names the run that holds it. The answer comes once the run is durable. */
  async requestSync(command: SyncCommand, idempotency: IdempotencyKey | undefined): Promise<SyncAnswer> {
    await this.#askDoubtfulHolder();
    // From here to the grant nothing waits, so no other request can come in between.
    const earlier = idempotency && this.#journal.idempotentAnswer(idempotency.key, now());
    if (earlier) {
      return earlier.requestHash === idempotency.requestHash
        ? { ok: true, sessionId: earlier.sessionId, isRepeat: true }
        : refuse("idempotency_key_reused");
    }
    const lease = this.#journal.lease();
    if (lease) return refuse("run_active", { members: this.#describeHolder(lease.sessionId) });
    const sessionId = this.#grant(command, idempotency);
    // Armed before anything is waited for: whatever happens now, the alarm starts the session.
    const flushed = this.#flush();
    await this.#arm();
    await Promise.race([flushed, sleep(START_WAIT_MS)]);
    return { ok: true, sessionId, isRepeat: false };
  }

  /** A session says how its run is. Older news than what is known is ignored. */
  async report(report: RunReport): Promise<void> {
    this.#takeIn(report);
    await this.#moved();
  }

  /** The session that a workflow id of OPAL's belongs to. */
  async locate(remoteId: string): Promise<string | undefined> {
    return this.#journal.sessionOfRemote(remoteId);
  }

  /** A delivery that names no run of ours: binds it to one, or keeps it until its run is known. */
  async place(incoming: IncomingDelivery): Promise<Placement> {
    const placement = await placeDelivery(this.#placingParts(), incoming);
    await this.#arm();
    return placement;
  }

  /** Deliveries that wait for their run, oldest first. */
  async held(limit: number): Promise<{ readonly total: number; readonly deliveries: readonly HeldDelivery[] }> {
    return { total: this.#journal.heldTotal().count, deliveries: this.#journal.heldDeliveries(limit) };
  }

  async overview(): Promise<Overview> {
    return this.#overview();
  }

  /** The cron minute: whatever the alarm should have done and may not have. */
  async sweep(): Promise<void> {
    await this.#sweep();
    await this.#moved();
  }

  /** Opens a WebSocket on the overview: a snapshot, or what came after `?since=epoch.seq`, then every change. */
  override async fetch(request: Request): Promise<Response> {
    return openSocket(this.ctx, request, this.#numberedLog(), now());
  }

  override async webSocketMessage(socket: WebSocket, message: string | ArrayBuffer): Promise<void> {
    receiveMessage(socket, message, this.#numberedLog(), now());
    await this.#arm();
  }

  override async webSocketClose(socket: WebSocket, code: number): Promise<void> {
    answerClose(socket, code);
  }

  override async alarm(): Promise<void> {
    const startedAt = now();
    await this.#withoutThrowing("safety", () => armSafety(this.ctx.storage, startedAt));
    await this.#withoutThrowing("held_retry", async () => {
      if ((this.#nextHeldRetry() ?? Number.POSITIVE_INFINITY) <= startedAt) await this.#retryHeld();
    });
    await this.#withoutThrowing("sweep", async () => {
      if ((this.#nextSweep() ?? Number.POSITIVE_INFINITY) <= startedAt) await this.#sweep();
    });
    await this.#withoutThrowing("flush", async () => {
      closeStalled(this.ctx, startedAt);
      await this.#flush();
    });
    this.#log("info", "alarm", { duration_ms: now() - startedAt });
  }

  /** An alarm that throws is given up by the platform after a few tries; and one step that fails stops no other. */
  async #withoutThrowing(step: string, act: () => Promise<void>): Promise<void> {
    try {
      await act();
    } catch (error) {
      this.#log("error", "alarm_failed", { step, error: describeError(error) });
    }
  }

  /** Lease, key and the message that starts the session, in one transaction: granted is as good as started. */
  #grant(command: SyncCommand, idempotency: IdempotencyKey | undefined): string {
    const at = now();
    const request = this.#plan(command, at);
    this.ctx.storage.transactionSync(() => {
      this.#journal.grantLease(request.sessionId, at);
      if (idempotency) {
        this.#journal.keepIdempotencyKey(idempotency.key, idempotency.requestHash, request.sessionId, at);
      }
      tell(this.ctx.storage.sql, request.sessionId, { say: "start", request });
    });
    return request.sessionId;
  }

  #plan(command: SyncCommand, at: number): RunRequest {
    const settings = settingsFrom(this.env);
    const context = {
      workspace: this.#name,
      deadlineScale: settings.deadlineScale,
      callMs: settings.opal.timeoutMs,
      order: settings.opal.order,
    };
    return planRun(command, runIds(at, randomLetters(RUN_LETTERS)), context);
  }

  /** Frees the lease of a holder that has ended, or that lost its storage; whoever still runs keeps it. */
  async #askDoubtfulHolder(): Promise<void> {
    const lease = this.#journal.lease();
    if (lease === undefined || !mustAskHolder(lease, now())) return;
    // A grant that was never confirmed is started again first: only a session that answers can lose its lease.
    if (lease.state === "granted") await Promise.race([this.#flush(), sleep(START_WAIT_MS)]);
    else await this.#poke(lease.sessionId);
  }

  async #poke(sessionId: string): Promise<void> {
    try {
      const report = await withinLimit(this.#session(sessionId).poke(), ASK_LIMIT_MS);
      if (report) this.#takeIn(report);
      else this.#forgetLost(sessionId);
    } catch (error) {
      this.#log("warn", "poke_failed", { session_id: sessionId, error: describeError(error) });
    }
  }

  /** A session that confirmed its start and now knows nothing of it has lost its storage. */
  #forgetLost(sessionId: string): void {
    const summary = this.#journal.summaryOf(sessionId);
    if (summary === undefined) return;
    this.#log("error", "session_lost", { session_id: sessionId });
    this.#takeIn({
      sessionId,
      seq: Number.MAX_SAFE_INTEGER,
      summary: {
        ...summary,
        status: "failed",
        isOver: true,
        message: "The run's own record was lost.",
        endedAt: now(),
      },
      remoteIds: [],
      isOver: true,
      isSettled: true,
      dueAt: null,
    });
  }

  #takeIn(report: RunReport): void {
    this.ctx.storage.transactionSync(() => {
      const { sessionId } = report;
      for (const remoteId of report.remoteIds) bindRemote(this.ctx.storage.sql, this.#journal, remoteId, sessionId);
      if (!this.#journal.storeRun(report)) return;
      if (report.isOver) this.#journal.releaseLease(sessionId);
      else this.#journal.confirmLease(sessionId, report.dueAt);
      const activeSessionId = this.#journal.lease()?.sessionId ?? null;
      this.#journal.appendFeed({ run: report.summary, activeSessionId });
      if (report.isSettled) this.#journal.forgetOldRuns();
    });
  }

  #placingParts(): PlacingParts {
    return {
      storage: this.ctx.storage,
      journal: this.#journal,
      claim: (sessionId, remoteId, since) =>
        withinLimit(this.#session(sessionId).claimRemote(remoteId, since), ASK_LIMIT_MS),
      planForeign: () => this.#plan(FOREIGN_SYNC, now()),
    };
  }

  async #retryHeld(): Promise<void> {
    for (const sessionId of await retryHeld(this.#placingParts())) {
      this.#log("info", "foreign_run_adopted", { session_id: sessionId });
    }
  }

  #nextHeldRetry(): number | undefined {
    return nextHeldRetry(this.#journal.oldestHeld(), this.#journal.lastTime("held"));
  }

  async #deliverOutbox(sessionId: string, messages: readonly OutboxMessage[]): Promise<number> {
    const session = this.#session(sessionId);
    for (const { message } of messages) {
      const told = toSession.parse(JSON.parse(message));
      if (told.say === "start") this.#takeInIfAny(await session.start(told.request));
      if (told.say === "adopt") this.#takeInIfAny(await session.adopt(told.request, told.remoteId));
      if (told.say === "deliver") await this.#deliverHeld(session, told.deliveryId);
    }
    return messages.length;
  }

  #takeInIfAny(report: RunReport | undefined): void {
    if (report) this.#takeIn(report);
  }

  async #deliverHeld(session: DurableObjectStub<SyncSession>, deliveryId: string): Promise<void> {
    const incoming = this.#journal.readHeld(deliveryId);
    if (incoming === undefined) return;
    const outcome: DeliveryOutcome = await session.deliver(incoming);
    if (outcome.outcome === "unknown") throw new Error("the session does not know its run yet");
    this.ctx.storage.transactionSync(() => this.#journal.dropHeld(incoming));
  }

  /** Pokes every session that should have moved or settled by now. */
  async #sweep(): Promise<void> {
    const at = now();
    this.#journal.setLastTime("sweep", at);
    await Promise.all(this.#journal.overdueSessions(at - LATENESS_MS).map((sessionId) => this.#poke(sessionId)));
  }

  #nextSweep(): number | undefined {
    const isWatching = this.#journal.unsettledCount() > 0 || this.#journal.lease() !== undefined;
    return isWatching ? this.#journal.lastTime("sweep") + SWEEP_MS : undefined;
  }

  async #moved(): Promise<void> {
    pumpSockets(this.ctx, this.#numberedLog(), now());
    this.ctx.waitUntil(this.#flush());
    await this.#arm();
  }

  async #flush(): Promise<void> {
    await flush(this.#outboxPort());
    pumpSockets(this.ctx, this.#numberedLog(), now());
    await this.#arm();
  }

  /** The one place that sets the alarm. */
  async #arm(): Promise<void> {
    await armAlarm(
      this.ctx.storage,
      () => [nextDelivery(this.ctx.storage.sql), nextStall(this.ctx), this.#nextHeldRetry(), this.#nextSweep()],
      now,
    );
  }

  #outboxPort(): OutboxPort {
    return {
      storage: this.ctx.storage,
      inFlight: this.#outboxInFlight,
      now,
      random,
      deliver: (destination, messages) => this.#deliverOutbox(destination, messages),
      onFailure: (destination, error, retryAt) => {
        this.#log("warn", "outbox_failed", { destination, error: describeError(error), retry_in_ms: retryAt - now() });
        // Other destinations may still be under way; this one's retry does not wait for them.
        this.ctx.waitUntil(this.#arm());
      },
    };
  }

  #describeHolder(sessionId: string): NonNullable<Refusal["members"]> {
    const summary = this.#journal.summaryOf(sessionId);
    return {
      active_session: sessionId,
      session_id: sessionId,
      status_url: `/api/force-sync/status/${sessionId}`,
      ...(summary
        ? {
            state: summary.status,
            progress: summary.progressPercent,
            completed_agents: summary.completedAgents,
            expected_agents: summary.expectedAgents,
            started_at: new Date(summary.requestedAt).toISOString(),
            started_by: summary.actor,
          }
        : {}),
    };
  }

  #session(sessionId: string): DurableObjectStub<SyncSession> {
    return this.env.SYNC_SESSION.getByName(objectName(this.#name, sessionId));
  }

  #overview(): Overview {
    return { activeSessionId: this.#journal.lease()?.sessionId ?? null, runs: this.#journal.recentRuns() };
  }

  #numberedLog(): NumberedLog {
    const { oldestSeq, lastSeq } = this.#journal.feedRange();
    return {
      epoch: String(this.#journal.lastTime("created")),
      lastSeq,
      oldestSeq,
      snapshot: () => this.#overview(),
      after: (seq, limit) => this.#journal.feedAfter(seq, limit),
    };
  }

  #log(level: "info" | "warn" | "error", event: string, fields: Parameters<typeof log>[2]): void {
    log(level, event, { workspace: this.#name, ...fields });
  }
}
