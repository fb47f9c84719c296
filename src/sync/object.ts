// One force sync. The object owns the run's log and is its single writer:
//   something arrives (start, delivery, cancel, time) > decide > append to the journal > tell everyone > arm the alarm.
// Nothing is needed in memory; an evicted or killed object goes on from its journal.
import { DurableObject } from "cloudflare:workers";
import { drizzle } from "drizzle-orm/d1";
import { DEFAULT_INTAKE, type Env, type Settings, settingsFrom } from "../env.ts";
import { noteRecount, projectTallies, TO_STATS, tallyMessage } from "../events/tally.ts";
import type { AgentId } from "../opal/agents.ts";
import { startWorkflow } from "../opal/client.ts";
import { type AlarmClock, alarmClock, armAlarm, armSafety } from "../platform/alarm.ts";
import { type Bucket, takeToken } from "../platform/bucket.ts";
import { now } from "../platform/clock.ts";
import { objectName } from "../platform/ids.ts";
import { answerClose, LiveSockets, unfiltered } from "../platform/live.ts";
import type { NumberedEntry, NumberedLog } from "../platform/live-log.ts";
import { describeError, log } from "../platform/log.ts";
import {
  enqueue,
  enqueueAll,
  firstWaiting,
  flush,
  nextDelivery,
  type OutboxMessage,
  type OutboxPort,
  waiting,
} from "../platform/outbox.ts";
import { type Pressure, pressureOf } from "../platform/pressure.ts";
import { random } from "../platform/random.ts";
import { type Refusal, refuse } from "../platform/refusal.ts";
import { together } from "../platform/together.ts";
import { sleep, withinLimit } from "../platform/wait.ts";
import type { Foreseen } from "../workspace/learn.ts";
import type { Workspace } from "../workspace/object.ts";
import { foldVerdicts, type SessionAccount } from "./account.ts";
import { callFor, opalCredential } from "./calling.ts";
import { compareReadModel, isSameJson, type RowDifference } from "./check.ts";
import type { DeliveryOutcome, IncomingDelivery } from "./delivery.ts";
import { recordDeliveries } from "./intake.ts";
import { Journal } from "./journal.ts";
import { nextSpans, project, readSpan, spanOf } from "./projection.ts";
import { type RunReport, reportOf } from "./report.ts";
import { type Checkpoint, checkpointOf } from "./run/checkpoint.ts";
import type { Command, Reprocessing } from "./run/commands.ts";
import { dueAttempt, nextWakeUp } from "./run/deadlines.ts";
import { decide } from "./run/decide.ts";
import type { Decided, Decision } from "./run/draft.ts";
import type { PostponedBecause, RunEvent } from "./run/events.ts";
import { isSameReading, readingOf } from "./run/reading.ts";
import { fold } from "./run/reduce.ts";
import type { RunRequest } from "./run/request.ts";
import { isEnded, type KnownRun, NO_RUN, type Run } from "./run/state.ts";
import { ShownStatus, withEstimate } from "./shown-status.ts";
import { type StoredDelivery, storedDeliveries } from "./stored.ts";
import { tellNews } from "./telling.ts";

const TO_D1 = "d1";
/** A message is the number of the first event it stands for; an older version wrote the last one of them. */
const TO_WORKSPACE = "workspace";

/** How long others may wait for what comes right after something they were just told, in ms. */
const GATHER_MS = 25;
const BUSY_REPORTS = 5;

/** How long a cancel waits for the aborted call to end before it answers "not confirmed yet", in ms. */
const CANCEL_WAIT_MS = 2_000;

/** A workspace that does not answer in this time is asked again after the other, in ms. */
const LEAVE_LIMIT_MS = 5_000;
const ASK_AGAIN_MS = 2_000;

export type CancelOutcome = { readonly ok: true; readonly run: KnownRun; readonly isConfirmed: boolean } | Refusal;
export type ChangeOutcome = { readonly ok: true; readonly run: KnownRun } | Refusal;

/** Whether a call to OPAL may be made now. */
export type Leave =
  | { readonly granted: true }
  | { readonly granted: false; readonly because: PostponedBecause; readonly retryAt: number };

export class SyncSession extends DurableObject<Env> {
  readonly #journal: Journal;
  readonly #alarmClock: AlarmClock;
  readonly #outboxInFlight = new Set<string>();
  readonly #sockets: LiveSockets<NumberedEntry, null>;
  readonly #status = new ShownStatus();
  /** How much of its allowance for deliveries is left; a new instance starts with all of it. */
  #bucket: Bucket | undefined;
  #run: Run;
  /** The run as this instance last told the workspace of it. */
  #told: Run = NO_RUN;
  /** The call to OPAL under way in this instance. */
  #call: { readonly cancel: AbortController; readonly ended: Promise<void> } | undefined;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.#journal = new Journal(ctx.storage);
    this.#alarmClock = alarmClock(ctx.storage, now);
    this.#sockets = new LiveSockets(ctx, unfiltered("run"));
    this.#run = this.#journal.load();
  }

  /** Begins the run; a second call with the same request changes nothing. One that was withdrawn ends at once. */
  async start(request: RunRequest, withdrawnBy: string | null): Promise<RunReport | undefined> {
    this.#journal.create();
    this.#change({ type: "start", request, withdrawnBy });
    return this.#report();
  }

  /** Begins a run that OPAL started without us. */
  async adopt(request: RunRequest, remoteId: string): Promise<RunReport | undefined> {
    this.#journal.create();
    this.#change({ type: "adopt", request, remoteId });
    return this.#report();
  }

  async deliver(incoming: IncomingDelivery): Promise<DeliveryOutcome> {
    if (this.#run.status === "absent") return { outcome: "unknown" };
    const asked = takeToken(this.#bucket, this.#settings()?.intake ?? DEFAULT_INTAKE, now());
    this.#bucket = asked.bucket;
    if (!asked.isGiven) return { outcome: "throttled" };
    return this.#recordTogether(incoming);
  }

  async cancel(actor: string): Promise<CancelOutcome> {
    const decision = this.#change({ type: "cancel", actor, callInFlight: this.#call !== undefined, jitter: random() });
    if (!decision.ok) return decision;
    if (this.#call) {
      this.#call.cancel.abort();
      await Promise.race([this.#call.ended, sleep(CANCEL_WAIT_MS)]);
    }
    await this.#moved();
    const run = this.#run;
    return run.status === "absent" ? refuse("session_not_found") : { ok: true, run, isConfirmed: isEnded(run) };
  }

  /** Runs agents once more within this run; without a list, all that gave no result so far. */
  async rerun(agents: readonly AgentId[] | null, actor: string): Promise<ChangeOutcome> {
    return this.#changeAndShow({ type: "rerun", agents, actor });
  }

  /** What stood in the way of a call is gone: one that was postponed is tried at once. */
  async endWait(): Promise<void> {
    this.#change({ type: "end_wait" });
    await this.#moved();
  }

  /** Notes which run repeats this one. */
  async markRetried(bySessionId: string, attempt: number, how: "retry" | "resume", actor: string): Promise<void> {
    this.#change({ type: "mark_retried", bySessionId, attempt, how, actor });
    await this.#moved();
  }

  /** What another attempt can build on. Undefined when no run was ever started here. */
  async checkpoint(): Promise<Checkpoint | undefined> {
    await this.#moved();
    return this.#run.status === "absent" ? undefined : checkpointOf(this.#run);
  }

  /** Whether a workflow id that nobody knows, first heard of at `since`, is this run's: only while it has none. */
  async claimRemote(remoteId: string, since: number): Promise<boolean> {
    this.#change({ type: "claim_remote", remoteId, since });
    await this.#moved();
    return this.#run.status !== "absent" && this.#run.remoteIds.includes(remoteId);
  }

  /** Moves whatever is overdue, and says how the run is. Undefined when no run was ever started here. */
  async poke(): Promise<RunReport | undefined> {
    return this.#report();
  }

  async read(): Promise<
    { readonly run: KnownRun; readonly duplicates: number; readonly conflicts: number } | undefined
  > {
    await this.#moved();
    return this.#run.status === "absent" ? undefined : { run: this.#run, ...this.#journal.repeats() };
  }

  /** The status as callers read it, in JSON. Undefined when no run was ever started here. */
  async status(): Promise<string | undefined> {
    const run = this.#run;
    if (run.status === "absent") return undefined;
    const ask = () => withinLimit<Foreseen>(this.#workspace(run).foreseen(run.request.sessionId), LEAVE_LIMIT_MS);
    const foreseen = isEnded(run) ? undefined : await this.#status.foreseen(ask);
    const status = this.#status.read(this.#run, this.#call !== undefined, now()) ?? (await this.#writeStatus(run));
    return foreseen === undefined || isEnded(this.#run) ? status : withEstimate(status, foreseen, now());
  }

  async events(afterSeq: number, limit: number): Promise<RunEvent[]> {
    if (this.#run.status === "absent") return [];
    return this.#journal.eventsAfter(afterSeq, limit);
  }

  /** The run as it was after event `seq`; undefined when the log does not reach that far. */
  async stateAt(seq: number): Promise<KnownRun | undefined> {
    const events = this.#run.status === "absent" ? [] : this.#journal.eventsAfter(0, seq);
    if (events.length < seq) return undefined;
    const run = fold(events);
    return run.status === "absent" ? undefined : run;
  }

  /** The deliveries in the log, in order, with how each was read last. */
  async deliveries(): Promise<StoredDelivery[]> {
    return this.#run.status === "absent" ? [] : storedDeliveries(this.#journal.eventsAfter(0));
  }

  /** How often a delivery came again; undefined when it is not this run's. */
  async repeatsOf(deliveryId: string): Promise<number | undefined> {
    return this.#run.status === "absent" ? undefined : this.#journal.repeatsOf(deliveryId);
  }

  /** What reading these deliveries anew leads to; with `isDryRun` nothing is written. */
  async reprocess(
    deliveries: readonly Reprocessing[],
    results: IncomingDelivery["results"],
    { actor, isDryRun }: { readonly actor: string; readonly isDryRun: boolean },
  ): Promise<{ readonly events: readonly RunEvent[]; readonly run: KnownRun } | Refusal> {
    const stored = new Map((await this.deliveries()).map((delivery) => [delivery.deliveryId, delivery.reading]));
    // Whoever asks looked at the log before: what another one has read like this meanwhile is left out.
    const news = deliveries.filter(({ deliveryId, reports }) => {
      const reading = stored.get(deliveryId);
      return reading === null || (reading !== undefined && !isSameReading(reading, readingOf(reports)));
    });
    const named = new Set(
      news.flatMap(({ reports }) => reports.map((said) => said.about === "agent" && said.result.bodyId)),
    );
    const command = { type: "reprocess", deliveries: news, actor } as const;
    const decision = isDryRun
      ? decide(this.#run, command, now())
      : this.#change(command, ({ events }) => {
          this.#journal.keepResults(results.filter(({ bodyId }) => named.has(bodyId)));
          for (const event of events) {
            if (event.type !== "reprocessed" || event.was === event.verdict) continue;
            this.#journal.count({ [event.was]: -1, [event.verdict]: 1 });
          }
          noteRecount(this.ctx.storage.sql, now());
        });
    if (!decision.ok) return decision;
    await this.#moved();
    return decision.run.status === "absent"
      ? refuse("session_not_found")
      : { events: decision.events, run: decision.run };
  }

  /** What became of every delivery it was given. Undefined when no run was ever started here. */
  async account(): Promise<SessionAccount | undefined> {
    if (this.#run.status === "absent") return undefined;
    await this.#moved();
    const { sql } = this.ctx.storage;
    const untold = firstWaiting(sql, TO_D1);
    return {
      ledger: this.#journal.ledger(),
      receipts: this.#journal.receipts(),
      deliveries: foldVerdicts(this.#journal.verdicts()),
      lastSeq: this.#run.seq,
      untoldFrom: untold === undefined ? null : readSpan(untold).first,
      uncounted: waiting(sql, TO_STATS),
      pressure: pressureOf(sql, now()),
    };
  }

  /** How its outbox digests what it is given. */
  async pressure(): Promise<Pressure[]> {
    return this.#run.status === "absent" ? [] : pressureOf(this.ctx.storage.sql, now());
  }

  /** Compares the stored state with the log, and D1 with both. Rejects when D1 does not answer. */
  async check(): Promise<{
    readonly isStateFold: boolean;
    readonly rows: number;
    readonly differences: RowDifference[];
  }> {
    const events = this.#run.status === "absent" ? [] : this.#journal.storedEvents(0);
    const folded = fold(events);
    const isStateFold = isSameJson(folded, this.#run);
    if (folded.status === "absent") return { isStateFold, rows: 0, differences: [] };
    return { isStateFold, ...(await compareReadModel(drizzle(this.env.DB), folded, events, this.#journal)) };
  }

  /** A stored body in its parts; empty when there is none of this name. */
  async body(bodyId: string): Promise<ArrayBuffer[]> {
    if (this.#run.status === "absent") return [];
    return this.#journal.bodyParts(bodyId);
  }

  /** Opens a WebSocket on this run: a snapshot, or what came after `?since=epoch.seq`, then every event. */
  override async fetch(request: Request): Promise<Response> {
    await this.#moved();
    const since = new URL(request.url).searchParams.get("since");
    return this.#sockets.open({ since, filter: null }, this.#numberedLog(), now());
  }

  override async webSocketMessage(socket: WebSocket, message: string | ArrayBuffer): Promise<void> {
    this.#sockets.receive(socket, message, this.#numberedLog(), now());
    await this.#arm();
  }

  override async webSocketClose(socket: WebSocket, code: number): Promise<void> {
    answerClose(socket, code);
  }

  override async alarm(): Promise<void> {
    const startedAt = now();
    try {
      await armSafety(this.#alarmClock);
      await this.#moved();
      await this.#makeDueCall();
      this.#sockets.closeStalled(this.#numberedLog().epoch, now());
      await this.#moved();
      this.#log("info", "alarm", { duration_ms: now() - startedAt });
    } catch (error) {
      // An alarm that throws is given up by the platform after a few tries; the safety alarm is armed already.
      this.#log("error", "alarm_failed", { error: describeError(error), duration_ms: now() - startedAt });
    }
  }

  /** One transaction for all deliveries of a moment; each is answered once it is durable. */
  readonly #recordTogether = together(async (deliveries: readonly IncomingDelivery[]) => {
    const taken = this.ctx.storage.transactionSync(() => {
      const intake = recordDeliveries(this.#journal, this.#run, deliveries, now());
      const tallies = intake.tallies.length > 0 ? [[TO_STATS, tallyMessage(intake.tallies)] as const] : [];
      this.#append(intake.events, intake.run, tallies);
      return intake;
    });
    this.#goOnFrom(taken.events, taken.run);
    await this.#moved();
    return taken.outcomes;
  });

  async #changeAndShow(command: Command): Promise<ChangeOutcome> {
    const decision = this.#change(command);
    if (!decision.ok) return decision;
    await this.#moved();
    return this.#run.status === "absent" ? refuse("session_not_found") : { ok: true, run: this.#run };
  }

  /** Decides, and writes the events, what belongs beside them and what others must hear of them, in one transaction. */
  #change(command: Command, writeBeside: (decided: Decided) => void = () => {}): Decision {
    const decision = decide(this.#run, command, now());
    if (!decision.ok || decision.events.length === 0) return decision;
    this.ctx.storage.transactionSync(() => {
      writeBeside(decision);
      this.#append(decision.events, decision.run, []);
    });
    this.#goOnFrom(decision.events, decision.run);
    return decision;
  }

  /** Call inside a transaction: the events, the run they lead to, and what others must hear. */
  #append(events: readonly RunEvent[], run: Run, more: readonly (readonly [string, string])[]): void {
    const first = events[0];
    if (first) this.#journal.append(events, run);
    const ofEvents = first
      ? ([
          [TO_D1, spanOf(first.seq, run.seq)],
          [TO_WORKSPACE, String(first.seq)],
        ] as const)
      : [];
    enqueueAll(this.ctx.storage.sql, [...ofEvents, ...more], now());
  }

  /** Only once the transaction has succeeded. */
  #goOnFrom(events: readonly RunEvent[], run: Run): void {
    this.#run = run;
    this.#journal.remember(events);
  }

  /** After every change, request and alarm: overdue deadlines, sockets, alarm, outbox. */
  async #moved(): Promise<void> {
    if (this.#run.status === "absent") return;
    this.#status.forget();
    this.#change({ type: "wake", callInFlight: this.#call !== undefined, jitter: random() });
    this.#sockets.show(() => this.#numberedLog(), now());
    // The flush marks what it takes as under way before it first waits, so that the alarm is not armed for it.
    this.ctx.waitUntil(this.#flush());
    await this.#arm();
  }

  async #writeStatus(known: KnownRun): Promise<string> {
    await this.#moved();
    const run = this.#run.status === "absent" ? known : this.#run;
    return this.#status.write(run, this.#call !== undefined, this.#journal.repeats());
  }

  /** How the run is, after whatever is due. Undefined when no run was ever started here. */
  async #report(): Promise<RunReport | undefined> {
    await this.#moved();
    return this.#run.status === "absent" ? undefined : reportOf(this.#run, this.#isSettled());
  }

  /** The one place that sets the alarm: to the earliest of everything this object waits for. */
  async #arm(): Promise<void> {
    await armAlarm(this.#alarmClock, () => [
      nextWakeUp(this.#run),
      nextDelivery(this.ctx.storage.sql),
      this.#sockets.nextStall(),
    ]);
  }

  /** Asks for leave first: whatever happens meanwhile, only a call that is still due then is begun. */
  async #makeDueCall(): Promise<void> {
    const run = this.#run;
    if (run.status === "absent" || this.#call !== undefined || dueAttempt(run, now()) === undefined) return;
    const leave = await this.#askLeave(run);
    if (!leave.granted) {
      this.#change({ type: "postpone", until: leave.retryAt, because: leave.because });
      return;
    }
    const begun = this.#change({ type: "begin_attempt" });
    // Another alarm may have begun the call while this one asked for leave.
    if (begun.ok && begun.events.length > 0 && begun.run.status !== "absent") await this.#callOpal(begun.run);
  }

  async #askLeave(run: KnownRun): Promise<Leave> {
    const { sessionId, limits } = run.request;
    const at = now();
    try {
      const asked: Promise<Leave> = this.#workspace(run).leaveToCall(sessionId, run.attempts.length + 1, limits.callMs);
      const answer = await withinLimit(asked, LEAVE_LIMIT_MS);
      // A wait that is over already would be asked for again at once, and again.
      return answer.granted ? answer : { ...answer, retryAt: Math.max(answer.retryAt, now() + 1) };
    } catch (error) {
      this.#log("warn", "leave_unknown", { error: describeError(error) });
      return { granted: false, because: "workspace_unreachable", retryAt: at + LEAVE_LIMIT_MS + ASK_AGAIN_MS };
    }
  }

  async #callOpal(run: KnownRun): Promise<void> {
    const cancel = new AbortController();
    // Forgotten and recorded in one step, so that nobody can take the call for interrupted in between.
    const finish = (outcome: Command | undefined) => {
      this.#call = undefined;
      if (outcome) this.#change(outcome);
    };
    const call = this.#startWorkflow(run, cancel.signal).then(finish, (error: unknown) => {
      finish(undefined);
      throw error;
    });
    // Whoever waits for the end of the call does not care how it ended; the alarm does, below.
    this.#call = { cancel, ended: call.then(noOp, noOp) };
    await this.#moved();
    await call;
  }

  async #startWorkflow(run: KnownRun, cancelled: AbortSignal): Promise<Command> {
    const settings = this.#settings();
    const call = settings && callFor(run, settings);
    if (settings === undefined || call === undefined) {
      const nothing = { httpStatus: null, retryAfterMs: 0, credential: null, jitter: 0 };
      return { type: "call_failed", failure: "not_configured", ...nothing };
    }
    const startedAt = now();
    const outcome = await startWorkflow(call, startedAt, run.request.limits.callMs, cancelled);
    this.#log("info", "opal_called", {
      attempt: call.attempt,
      outcome: outcome.type === "call_answered" ? "accepted" : outcome.failure,
      http_status: outcome.httpStatus,
      duration_ms: now() - startedAt,
    });
    if (outcome.type === "call_answered") return outcome;
    return { ...outcome, credential: await opalCredential(settings), jitter: random() };
  }

  #settings(): Settings | undefined {
    try {
      return settingsFrom(this.env);
    } catch (error) {
      this.#log("error", "configuration_error", { error: describeError(error) });
      return undefined;
    }
  }

  async #flush(): Promise<void> {
    await flush(this.#outboxPort());
    // The workspace lets go of a session only when it is settled, and D1 may have been the last to hear.
    if (this.#isSettled() && this.#journal.settledSeq() !== this.#run.seq) {
      this.ctx.storage.transactionSync(() => {
        this.#journal.setSettledSeq(this.#run.seq);
        // Only the report is new: the next event is not there yet.
        enqueue(this.ctx.storage.sql, TO_WORKSPACE, String(this.#run.seq + 1), now());
      });
      await flush(this.#outboxPort());
    }
    await this.#arm();
  }

  #isSettled(): boolean {
    const { sql } = this.ctx.storage;
    if (!isEnded(this.#run)) return false;
    // A repeat that is still to be counted does not take back what was said of the same events.
    const wasSettled = this.#journal.settledSeq() === this.#run.seq;
    return wasSettled || (waiting(sql, TO_D1) === 0 && waiting(sql, TO_STATS) === 0);
  }

  #outboxPort(): OutboxPort {
    return {
      storage: this.ctx.storage,
      inFlight: this.#outboxInFlight,
      now,
      random,
      // The workspace answers for the run, so it waits only while reports come thick and fast.
      gatherMs: (destination, delivered) => (destination === TO_WORKSPACE && delivered < BUSY_REPORTS ? 0 : GATHER_MS),
      deliver: (destination, messages) => this.#deliverOutbox(destination, messages),
      onFailure: (destination, error, retryAt) => {
        this.#log("warn", "outbox_failed", { destination, error: describeError(error), retry_in_ms: retryAt - now() });
        // Other destinations may still be under way; this one's retry does not wait for them.
        this.ctx.waitUntil(this.#arm());
      },
    };
  }

  async #deliverOutbox(destination: string, messages: readonly OutboxMessage[]): Promise<number> {
    const run = this.#run;
    if (run.status === "absent") return messages.length;
    if (destination === TO_STATS) {
      const counter = { workspace: run.request.workspace, owner: run.request.sessionId };
      await projectTallies(this.env.DB, counter, messages, this.#journal.ledger());
      return messages.length;
    }
    if (destination === TO_D1) {
      const { events, taken } = nextSpans(messages, (after, limit) => this.#journal.eventsAfter(after, limit));
      await project(drizzle(this.env.DB), run, events, this.#journal);
      return taken;
    }
    const untold = { since: Number(messages[0]?.message ?? 0), upTo: run.seq, told: this.#told };
    this.#told = await tellNews(this.#journal, untold, async (news) => {
      await this.#workspace(run).report(reportOf(run, this.#isSettled()), news);
    });
    this.#status.reported();
    return messages.length;
  }

  #workspace(run: KnownRun): DurableObjectStub<Workspace> {
    return this.env.WORKSPACE.getByName(objectName(run.request.workspace, "workspace"));
  }

  #numberedLog(): NumberedLog {
    const run = this.#run;
    return {
      // The log is never shortened or numbered anew, so its name is enough to tell it from any other.
      epoch: run.status === "absent" ? "none" : run.request.sessionId,
      lastSeq: run.seq,
      oldestSeq: 0,
      snapshot: () => run,
      after: (seq, limit) => this.#journal.eventsAfter(seq, limit).map((event) => ({ seq: event.seq, change: event })),
    };
  }

  #log(level: "info" | "warn" | "error", event: string, fields: Parameters<typeof log>[2]): void {
    const known = this.#run.status === "absent" ? undefined : this.#run;
    log(level, event, {
      session_id: known?.request.sessionId,
      correlation_id: known?.request.correlationId,
      status: this.#run.status,
      seq: this.#run.seq,
      ...fields,
    });
  }
}

function noOp(): void {}
