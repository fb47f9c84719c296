// One workspace. The object that can say no to a second run, knows which workflow id belongs to which run, keeps
// deliveries that belong to none yet, and shows every run in one live feed. It watches a session until it has settled.
import { DurableObject } from "cloudflare:workers";
import { type Env, type Settings, settingsFrom } from "../env.ts";
import type { Inbox } from "../inbox/object.ts";
import { snapshotAnswer } from "../live/answers.ts";
import type { LiveEvent, News } from "../live/event.ts";
import { isFeedRequest, LiveFeed } from "../live/feed.ts";
import { AGENT_IDS, type AgentId } from "../opal/agents.ts";
import { type AlarmClock, alarmClock, armAlarm, armSafety } from "../platform/alarm.ts";
import type { BreakerRules } from "../platform/breaker.ts";
import { now } from "../platform/clock.ts";
import { objectName, type RunIds, runIds } from "../platform/ids.ts";
import { answerClose, LiveSockets, unfiltered } from "../platform/live.ts";
import type { NumberedEntry, NumberedLog } from "../platform/live-log.ts";
import { describeError, log } from "../platform/log.ts";
import { flush, nextDelivery, type OutboxMessage, type OutboxPort, waiting } from "../platform/outbox.ts";
import { pressureOf } from "../platform/pressure.ts";
import { random, randomLetters } from "../platform/random.ts";
import type { Refusal } from "../platform/refusal.ts";
import { sleep, withinLimit } from "../platform/wait.ts";
import { fireDueSchedules, scheduleSync } from "../schedules/fire.ts";
import { ScheduleJournal } from "../schedules/journal.ts";
import {
  changeSchedule,
  createSchedule,
  deleteSchedule,
  type ScheduleOutcome,
  type ScheduleParts,
  type ScheduleRevision,
  type ShownSchedule,
  showSchedule,
  showSchedules,
} from "../schedules/keeping.ts";
import type { Schedule, ScheduleSettings } from "../schedules/schedule.ts";
import { opalCredential } from "../sync/calling.ts";
import type { IncomingDelivery } from "../sync/delivery.ts";
import type { Leave, SyncSession } from "../sync/object.ts";
import { FOREIGN_SYNC, type Heritage, NO_HERITAGE, planRun, type SyncCommand } from "../sync/plan.ts";
import type { RunReport, RunSummary } from "../sync/report.ts";
import type { RunRequest } from "../sync/run/request.ts";
import type { WorkspaceAccount } from "./account.ts";
import type { ControlDetails, SweepCounts } from "./control.ts";
import { ControlJournal } from "./control-journal.ts";
import { EstimateJournal } from "./estimate-journal.ts";
import { type Fallback, fallbackOf } from "./fallback.ts";
import type { GrantedSync, IdempotencyKey, SyncAnswer } from "./granted.ts";
import { breakerRules, breakerState, leaveToCall, resetBreaker, whyNotStart } from "./guard.ts";
import { describeHolder } from "./holder.ts";
import { TO_INBOX, type Waits, WorkspaceJournal } from "./journal.ts";
import { type Expected, expectedAt, type Foreseen, foresee, foreseenOf } from "./learn.ts";
import { LATENESS_MS, mustAskHolder } from "./lease.ts";
import { ITSELF, type LogEntry, type LogType } from "./log.ts";
import { keepAnswer, oncePerKey } from "./once.ts";
import type { PlannedSync, SyncOrder } from "./order.ts";
import type { Control, HeldDelivery, Overview } from "./overview.ts";
import {
  giveUpHeld,
  nextGiveUp,
  nextHeldRetry,
  type Placement,
  type PlacingParts,
  placeDelivery,
  retryHeld,
} from "./placing.ts";
import { grantQueued, type StartingParts, startOrQueue, withdrawQueued } from "./starting.ts";
import { lostReport, takeIn } from "./taking-in.ts";
import { tellInbox, tellSession } from "./telling.ts";

/** Letters that tell runs of one millisecond apart. */
const RUN_LETTERS = 5;
/** Calls shown with the breaker. */
const CALLS_SHOWN = 20;
const SWEEP_MS = 60_000;
/** A session that does not answer a question in this time counts as not answering, in ms. */
const ASK_LIMIT_MS = 5_000;
/** How long a trigger waits for the session to confirm its start before it answers all the same, in ms. */
const START_WAIT_MS = 1_500;
const SCHEDULE_ID_LETTERS = 12;

export class Workspace extends DurableObject<Env> {
  readonly #journal: WorkspaceJournal;
  readonly #control: ControlJournal;
  readonly #estimates: EstimateJournal;
  readonly #schedules: ScheduleJournal;
  readonly #sockets: LiveSockets<NumberedEntry, null>;
  readonly #live: LiveFeed;
  readonly #alarmClock: AlarmClock;
  readonly #outboxInFlight = new Set<string>();
  /** Idempotency keys of requests that this instance is answering right now. */
  readonly #keysInFlight = new Set<string>();
  readonly #name: string;
  /** Made once: every report needs them. */
  readonly #starting: StartingParts;
  /** When the workspace's storage was created, in ms since the epoch. */
  readonly #createdAt: number;
  /** The control as it was last shown to whoever watches; shown once more by a new instance. */
  #controlTold = "";

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.#journal = new WorkspaceJournal(ctx.storage);
    this.#alarmClock = alarmClock(ctx.storage, now);
    this.#control = new ControlJournal(ctx.storage.sql);
    this.#estimates = new EstimateJournal(ctx.storage.sql);
    this.#schedules = new ScheduleJournal(ctx.storage.sql);
    this.#sockets = new LiveSockets(ctx, unfiltered("overview"));
    if (this.#journal.lastTime("created") === 0) this.#journal.setLastTime("created", now());
    this.#createdAt = this.#journal.lastTime("created");
    this.#live = new LiveFeed(ctx, {
      createdAt: this.#createdAt,
      snapshot: () => snapshotAnswer(this.#overview()),
      sessionOfRemote: (remoteId) => this.#journal.sessionOfRemote(remoteId),
      earlierMs: (agentId, sessionId) => this.#journal.earlierMs(agentId, sessionId),
      logged: () => this.#control.logged,
      logAfter: (seq, limit) => this.#control.logEntriesAfter(seq, limit),
    });
    const workspace = this.#journal.workspace() ?? ctx.id.name?.split(":")[0];
    if (workspace === undefined) throw new Error("a workspace object must be called by its name first");
    this.#journal.setWorkspace(workspace);
    this.#name = workspace;
    this.#starting = this.#startingParts();
  }

  /** Grants the lease and starts a run, lets it wait for its turn, or says why not and who stands in the way. */
  async requestSync(order: SyncOrder, idempotency: IdempotencyKey | undefined): Promise<SyncAnswer> {
    return this.#oncePerKey(idempotency, async () => {
      const answer = await startOrQueue(this.#starting, order, idempotency);
      if (!answer.ok) return answer;
      // Armed before anything is waited for: whatever happens now, the alarm starts the session.
      const flushed = this.#flush();
      await this.#arm();
      await Promise.race([flushed, sleep(START_WAIT_MS)]);
      return answer;
    });
  }

  /** Runs agents of a run under way once more; without a list, all that gave no result so far. */
  async requestRerun(
    sessionId: string,
    agents: readonly AgentId[] | null,
    actor: string,
    idempotency: IdempotencyKey | undefined,
  ): Promise<SyncAnswer> {
    return this.#oncePerKey(idempotency, async () => {
      const stopped = whyNotStart(this.#control, now());
      if (stopped) return stopped;
      const outcome = await this.#session(sessionId).rerun(agents, actor);
      if (!outcome.ok) return outcome;
      const rerun = outcome.run.reruns.at(-1);
      const sync: GrantedSync = {
        ...{ sessionId, outcome: "rerun", at: now(), scope: outcome.run.request.scope, cancelled: null },
        ...this.#estimate(sessionId),
        expectedAgents: rerun?.agents ?? [],
        attempt: outcome.run.request.lineage?.attempt ?? 1,
        retryOf: null,
      };
      this.ctx.storage.transactionSync(() => keepAnswer(this.#journal, idempotency, sync, now()));
      return { ok: true, sync, isRepeat: false };
    });
  }

  /** Takes the run that waits for its turn out of the queue; it ends cancelled. Undefined when it does not wait. */
  async withdraw(sessionId: string, actor: string): Promise<boolean> {
    const isWaiting = this.#control.queue()?.queued.sessionId === sessionId;
    if (isWaiting) withdrawQueued(this.#starting, actor);
    await this.#moved();
    return isWaiting;
  }

  /** Whether a session may call OPAL now. */
  async leaveToCall(sessionId: string, attempt: number, callMs: number): Promise<Leave> {
    const call = { sessionId, attempt, callMs, holder: this.#journal.lease()?.sessionId };
    const leave = this.ctx.storage.transactionSync(() => leaveToCall(this.#control, this.#rules(), call, now()));
    this.#showControl();
    return leave;
  }

  async switchOff(actor: string, reason: string): Promise<Control> {
    this.ctx.storage.transactionSync(() => {
      this.#control.switchOff({ by: actor, at: now(), reason });
      this.#control.log("switched_off", actor, now(), { reason });
    });
    return this.#showControl();
  }

  async switchOn(actor: string, reason: string | null): Promise<Control> {
    this.ctx.storage.transactionSync(() => {
      if (this.#control.switchedOff() === undefined) return;
      this.#control.switchOn();
      this.#control.log("switched_on", actor, now(), { reason });
      grantQueued(this.#starting);
    });
    await this.#moved();
    await this.#endWait();
    return this.#showControl();
  }

  async resetBreaker(actor: string, reason: string | null): Promise<Control> {
    this.ctx.storage.transactionSync(() => resetBreaker(this.#control, actor, reason, now()));
    await this.#endWait();
    return this.#showControl();
  }

  async control(): Promise<ControlDetails> {
    const calls = this.#control.lastCalls(CALLS_SHOWN);
    return { ...this.#describeControl(), rules: this.#rules(), calls, counters: this.#control.counters() };
  }

  /** The workspace's own log, newest first, before entry `before`. */
  async log(before: number, limit: number): Promise<LogEntry[]> {
    return this.#control.logEntries(before, limit);
  }

  /** Somebody did something elsewhere to what belongs to this workspace. */
  async note(type: LogType, actor: string, data: LogEntry["data"]): Promise<void> {
    this.#control.log(type, actor, now(), data);
  }

  /** The last run that went well, while it is recent, and the latest ones. Old data, for orientation only. */
  async fallback(): Promise<Fallback> {
    return fallbackOf(this.#journal.recentRuns(), this.#journal.lastTime("fallback_cleared"), now());
  }

  /** Forgets every earlier result that could stand in for a missing one. */
  async clearFallback(actor: string): Promise<void> {
    this.ctx.storage.transactionSync(() => {
      this.#journal.setLastTime("fallback_cleared", now());
      this.#control.forgetResults();
      this.#control.log("fallback_cleared", actor, now(), {});
    });
  }

  /** Ids of every run the workspace knows of, in their order, after `after`. */
  async sessions(after: string, limit: number): Promise<string[]> {
    return this.#journal.sessionsAfter(after, limit);
  }

  /** When a run will probably end, with the record of earlier answers. */
  async estimate(sessionId: string): Promise<Expected> {
    return this.#estimate(sessionId);
  }

  /** The same for whoever asks often: true until the run reports again. */
  async foreseen(sessionId: string): Promise<Foreseen> {
    return this.#foreseen(sessionId);
  }

  async createSchedule(settings: ScheduleSettings, actor: string): Promise<ScheduleOutcome> {
    const id = `schedule-${randomLetters(SCHEDULE_ID_LETTERS)}`;
    return createSchedule(this.#scheduleParts(), settings, { id, actor, now: now() });
  }

  async changeSchedule(id: string, revision: ScheduleRevision, actor: string): Promise<ScheduleOutcome> {
    return changeSchedule(this.#scheduleParts(), id, revision, { actor, now: now() });
  }

  async deleteSchedule(id: string, actor: string): Promise<Refusal | undefined> {
    return deleteSchedule(this.#scheduleParts(), id, actor, now());
  }

  async schedule(id: string): Promise<ScheduleOutcome> {
    return showSchedule(this.#scheduleParts(), id);
  }

  async schedules(): Promise<ShownSchedule[]> {
    return showSchedules(this.#scheduleParts());
  }

  /** A session says how its run is, and what happened to it. What is known already, or is older, is ignored. */
  async report(report: RunReport, news: readonly News[] = []): Promise<void> {
    this.ctx.storage.transactionSync(() => {
      this.#takeIn(report);
      this.#live.take(report.sessionId, news);
    });
    await this.#moved();
  }

  /** Another object says what happened there, numbered in its own order: what has been heard is not told twice. */
  async announce(source: string, events: readonly { seq: number; event: LiveEvent }[]): Promise<void> {
    this.#live.take(source, events);
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

  /** What neither the runs' accounts nor D1 show yet of deliveries; at most so many sessions. */
  async account(limit: number): Promise<WorkspaceAccount> {
    const journal = this.#journal;
    const unsettled = journal.unsettledSessions(limit);
    const pressure = pressureOf(this.ctx.storage.sql, now());
    return { held: journal.heldCounts(), handedOver: journal.handedOver(), unsettled, pressure };
  }

  /** Whether a session has still to be told something. */
  async hasToTell(sessionId: string): Promise<boolean> {
    return waiting(this.ctx.storage.sql, sessionId) > 0;
  }

  async overview(): Promise<Overview> {
    return this.#overview();
  }

  /** The cron minute: schedules that are due, and whatever the alarm should have done and may not have. */
  async sweep(): Promise<SweepCounts> {
    const found = await this.#sweep();
    await this.#moved();
    // Last, so that a lease which the sweep recovered is free for what is due.
    const parts = { ...this.#scheduleParts(), start: this.#startScheduled };
    return { ...found, ...(await fireDueSchedules(parts, now())) };
  }

  /**
   * Opens a WebSocket on the overview: a snapshot, or what came after `?since=epoch.seq`, then every change. Or one on
   * the feed of live events.
   */
  override async fetch(request: Request): Promise<Response> {
    if (isFeedRequest(request)) return this.#live.open(request, now());
    const since = new URL(request.url).searchParams.get("since");
    return this.#sockets.open({ since, filter: null }, this.#numberedLog(), now());
  }

  override async webSocketMessage(socket: WebSocket, message: string | ArrayBuffer): Promise<void> {
    if (this.#live.has(socket)) this.#live.receive(socket, message, now());
    else this.#sockets.receive(socket, message, this.#numberedLog(), now());
    await this.#arm();
  }

  override async webSocketClose(socket: WebSocket, code: number): Promise<void> {
    answerClose(socket, code);
  }

  override async alarm(): Promise<void> {
    const startedAt = now();
    await this.#withoutThrowing("safety", () => armSafety(this.#alarmClock));
    await this.#withoutThrowing("held_retry", async () => {
      if ((nextHeldRetry(this.#journal.waits()) ?? Number.POSITIVE_INFINITY) <= startedAt) await this.#retryHeld();
    });
    await this.#withoutThrowing("give_up_held", async () => giveUpHeld(this.#placingParts()));
    await this.#withoutThrowing("sweep", async () => {
      if ((nextSweep(this.#journal.waits()) ?? Number.POSITIVE_INFINITY) <= startedAt) await this.#sweep();
    });
    await this.#withoutThrowing("queue", async () => {
      if ((this.#control.queue()?.queued.expiresAt ?? Number.POSITIVE_INFINITY) <= startedAt) {
        withdrawQueued(this.#starting, ITSELF);
      }
    });
    await this.#withoutThrowing("flush", async () => {
      this.#sockets.closeStalled(this.#numberedLog().epoch, startedAt);
      this.#live.closeStalled(startedAt);
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

  #oncePerKey(idempotency: IdempotencyKey | undefined, act: () => Promise<SyncAnswer>): Promise<SyncAnswer> {
    return oncePerKey({ journal: this.#journal, inFlight: this.#keysInFlight }, idempotency, now(), act);
  }

  #startingParts(): StartingParts {
    return {
      storage: this.ctx.storage,
      journal: this.#journal,
      control: this.#control,
      newIds: () => runIds(now(), randomLetters(RUN_LETTERS)),
      plan: (command, ids, heritage) => this.#plan(command, ids, heritage),
      checkpoint: (sessionId) => this.#session(sessionId).checkpoint(),
      fingerprint: async () => (await opalCredential(settingsFrom(this.env))).fingerprint,
      askDoubtfulHolder: () => this.#askDoubtfulHolder(),
      cancelHolder: (actor) => this.#cancelHolder(actor),
      describeHolder: (sessionId) => this.#describeHolder(sessionId),
      foresee: (planned) => this.#foresee(planned),
      showControl: () => this.#appendFeed(null),
    };
  }

  /** The run that has to make room; null when the lease is free. */
  async #cancelHolder(actor: string): Promise<string | null> {
    const lease = this.#journal.lease();
    if (lease === undefined) return null;
    const outcome = await this.#session(lease.sessionId).cancel(actor);
    // One that is over, by this or by itself, may not have been heard of.
    if (!outcome.ok || outcome.isConfirmed) await this.#poke(lease.sessionId);
    return outcome.ok ? lease.sessionId : null;
  }

  #plan(command: SyncCommand, ids: RunIds, heritage: Heritage): RunRequest {
    const settings = settingsFrom(this.env);
    const context = {
      workspace: this.#name,
      deadlineScale: settings.deadlineScale,
      callMs: settings.opal.timeoutMs,
      order: settings.opal.order,
    };
    return planRun(command, ids, context, heritage);
  }

  readonly #startScheduled = async (schedule: Schedule, key: string): Promise<SyncAnswer> => {
    const order = scheduleSync(schedule, { actor: `schedule ${schedule.name}`, source: "scheduled" });
    return this.requestSync(order, { key, requestHash: key });
  };

  #scheduleParts(): ScheduleParts {
    return { storage: this.ctx.storage, schedules: this.#schedules, control: this.#control };
  }

  #rules(): BreakerRules {
    const settings = this.#settings();
    return breakerRules(settings?.deadlineScale ?? 1);
  }

  /** Undefined when they are wrong: what runs already is watched all the same. */
  #settings(): Settings | undefined {
    try {
      return settingsFrom(this.env);
    } catch (error) {
      this.#log("error", "configuration_error", { error: describeError(error) });
      return undefined;
    }
  }

  /** The run that waits for leave need not wait out its time; if it cannot be told, it asks again by itself. */
  async #endWait(): Promise<void> {
    const holder = this.#journal.lease()?.sessionId;
    if (holder === undefined) return;
    try {
      await withinLimit(this.#session(holder).endWait(), ASK_LIMIT_MS);
    } catch (error) {
      this.#log("warn", "wait_not_ended", { session_id: holder, error: describeError(error) });
    }
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
    const { isOver, origin } = summary;
    this.#control.log("session_lost", ITSELF, now(), { session_id: sessionId, was_over: isOver, origin });
    this.#takeIn(lostReport(summary, now()));
  }

  #takeIn(report: RunReport): void {
    const parts = { ...this.#starting, estimates: this.#estimates, rules: this.#rules() };
    takeIn({ ...parts, showRun: (run) => this.#appendFeed(run) }, report);
  }

  /** Call inside a transaction. */
  #appendFeed(run: RunSummary | null): void {
    const activeSessionId = this.#journal.lease()?.sessionId ?? null;
    this.#journal.appendFeed({ run, activeSessionId, ...this.#describeControl() });
  }

  /** Tells whoever watches how things stand, if they have changed since they were last told. */
  #showControl(): Control {
    const control = this.#describeControl();
    const told = JSON.stringify(control);
    if (told !== this.#controlTold) {
      this.#controlTold = told;
      this.ctx.storage.transactionSync(() => this.#appendFeed(null));
    }
    this.#show();
    return control;
  }

  /** Sends whoever watches what they have not seen. */
  #show(): void {
    this.#sockets.show(() => this.#numberedLog(), now());
    this.#live.show(now());
  }

  #describeControl(): Control {
    return {
      switchedOff: this.#control.switchedOff() ?? null,
      breaker: breakerState(this.#control, this.#rules(), now()),
      queued: this.#control.queue()?.queued ?? null,
    };
  }

  #placingParts(): PlacingParts {
    return {
      storage: this.ctx.storage,
      journal: this.#journal,
      claim: (sessionId, remoteId, since) =>
        withinLimit(this.#session(sessionId).claimRemote(remoteId, since), ASK_LIMIT_MS),
      planForeign: () => {
        const heritage = { ...NO_HERITAGE, agentPasts: this.#control.agentPasts() };
        return this.#plan(FOREIGN_SYNC, runIds(now(), randomLetters(RUN_LETTERS)), heritage);
      },
    };
  }

  async #retryHeld(): Promise<void> {
    for (const sessionId of await retryHeld(this.#placingParts())) {
      this.#log("info", "foreign_run_adopted", { session_id: sessionId });
      this.#control.log("foreign_run_adopted", ITSELF, now(), { session_id: sessionId });
    }
  }

  async #deliverOutbox(destination: string, messages: readonly OutboxMessage[]): Promise<number> {
    const { storage } = this.ctx;
    const parts = { storage, journal: this.#journal, takeIn: (report: RunReport) => this.#takeIn(report) };
    if (destination === TO_INBOX) await tellInbox(parts, this.#opalInbox(), messages);
    else await tellSession(parts, this.#session(destination), messages);
    return messages.length;
  }

  /** Pokes every session that should have moved or settled by now, and counts what it found. */
  async #sweep(): Promise<Pick<SweepCounts, "overdue" | "leasesRecovered">> {
    const at = now();
    this.#journal.setLastTime("sweep", at);
    const lease = this.#journal.lease();
    const holder = lease?.sessionId;
    const sessions = this.#journal.overdueSessions(at - LATENESS_MS);
    // A holder that never confirmed is in no list of runs yet.
    if (lease?.state === "granted") await this.#askDoubtfulHolder();
    await Promise.all(sessions.map((sessionId) => this.#poke(sessionId)));
    const isRecovered = holder !== undefined && this.#journal.lease()?.sessionId !== holder;
    this.ctx.storage.transactionSync(() => {
      if (sessions.length > 0) this.#control.count("sweep_overdue", sessions.length);
      if (!isRecovered) return;
      this.#control.count("sweep_leases_recovered");
      this.#control.log("lease_recovered", ITSELF, at, { session_id: holder });
    });
    return { overdue: sessions.length, leasesRecovered: Number(isRecovered) };
  }

  async #moved(): Promise<void> {
    this.#show();
    if (nextDelivery(this.ctx.storage.sql) !== undefined) this.ctx.waitUntil(this.#flush());
    await this.#arm();
  }

  async #flush(): Promise<void> {
    await flush(this.#outboxPort());
    this.#show();
    await this.#arm();
  }

  /** The one place that sets the alarm. */
  async #arm(): Promise<void> {
    await armAlarm(this.#alarmClock, () => {
      const waits = this.#journal.waits();
      return [
        nextDelivery(this.ctx.storage.sql),
        this.#sockets.nextStall(),
        this.#live.nextStall(),
        nextHeldRetry(waits),
        nextGiveUp(waits),
        nextSweep(waits),
        waits.queueExpiresAt,
      ];
    });
  }

  #outboxPort(): OutboxPort {
    return {
      storage: this.ctx.storage,
      inFlight: this.#outboxInFlight,
      now,
      random,
      gatherMs: () => 0,
      deliver: (destination, messages) => this.#deliverOutbox(destination, messages),
      onFailure: (destination, error, retryAt) => {
        this.#log("warn", "outbox_failed", { destination, error: describeError(error), retry_in_ms: retryAt - now() });
        // Other destinations may still be under way; this one's retry does not wait for them.
        this.ctx.waitUntil(this.#arm());
      },
    };
  }

  #describeHolder(sessionId: string): NonNullable<Refusal["members"]> {
    return describeHolder({ sessionId, summary: this.#journal.summaryOf(sessionId), ...this.#estimate(sessionId) });
  }

  #foresee({ command }: PlannedSync): Expected {
    const { scope, agentFilter } = command;
    const order = this.#settings()?.opal.order ?? "sequence";
    return foresee(this.#estimates, { scope, order, agents: agentFilter?.length ?? AGENT_IDS.length }, now());
  }

  #estimate(sessionId: string): Expected {
    return expectedAt(this.#foreseen(sessionId), now());
  }

  #foreseen(sessionId: string): Foreseen {
    return foreseenOf(this.#estimates, this.#journal.factsOf(sessionId), this.#journal.summaryOf(sessionId));
  }

  #session(sessionId: string): DurableObjectStub<SyncSession> {
    return this.env.SYNC_SESSION.getByName(objectName(this.#name, sessionId));
  }

  #opalInbox(): DurableObjectStub<Inbox> {
    return this.env.INBOX.getByName(objectName(this.#name, TO_INBOX));
  }

  #overview(): Overview {
    const activeSessionId = this.#journal.lease()?.sessionId ?? null;
    return { activeSessionId, runs: this.#journal.recentRuns(), ...this.#describeControl() };
  }

  #numberedLog(): NumberedLog {
    const { oldestSeq, lastSeq } = this.#journal.feedRange();
    return {
      epoch: String(this.#createdAt),
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

function nextSweep({ isWatching, sweptAt }: Waits): number | undefined {
  return isWatching ? sweptAt + SWEEP_MS : undefined;
}
