// One kind of sender's deliveries that belong to no run, or one workspace's rejections. A flood here slows no run.
//   a delivery arrives > store > answer; D1, the counters and the live feed hear of it through the outbox.
import { DurableObject } from "cloudflare:workers";
import { drizzle } from "drizzle-orm/d1";
import { DEFAULT_INTAKE, type Env, type Settings, settingsFrom } from "../env.ts";
import { noteTally, projectTallies, TO_STATS } from "../events/tally.ts";
import { type AlarmClock, alarmClock, armAlarm, armSafety } from "../platform/alarm.ts";
import { type Bucket, takeToken } from "../platform/bucket.ts";
import { now } from "../platform/clock.ts";
import { objectName } from "../platform/ids.ts";
import type { Ledger } from "../platform/ledger.ts";
import { describeError, log } from "../platform/log.ts";
import { enqueueAll, flush, nextDelivery, type OutboxMessage, type OutboxPort, waiting } from "../platform/outbox.ts";
import { type Pressure, pressureOf } from "../platform/pressure.ts";
import { random } from "../platform/random.ts";
import type { Workspace } from "../workspace/object.ts";
import type { InboxDelivery, InboxFacts, InboxOutcome } from "./delivery.ts";
import { InboxJournal } from "./journal.ts";
import { newsOf } from "./news.ts";
import { projectInbox, withinBudget } from "./projection.ts";
import type { Rejection, RejectionBatch, RejectionPage, RejectionSample, RejectionTotal } from "./rejection.ts";

const TO_D1 = "d1";
const TO_FEED = "feed";
/** How long others may wait for what comes right after something they were just told, in ms. */
const GATHER_MS = 50;

export class Inbox extends DurableObject<Env> {
  readonly #journal: InboxJournal;
  readonly #outboxInFlight = new Set<string>();
  readonly #alarmClock: AlarmClock;
  readonly #workspace: string;
  readonly #owner: string;
  /** How much of its allowance is left; a new instance starts with all of it. */
  #bucket: Bucket | undefined;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.#journal = new InboxJournal(ctx.storage);
    this.#alarmClock = alarmClock(ctx.storage, now);
    const name = this.#journal.name() ?? ctx.id.name;
    const [workspace, owner] = name?.split(":") ?? [];
    if (name === undefined || workspace === undefined || owner === undefined) {
      throw new Error("an inbox must be called by its name first");
    }
    this.#journal.setName(name);
    this.#workspace = workspace;
    this.#owner = owner;
  }

  async take(delivery: InboxDelivery): Promise<InboxOutcome> {
    const asked = takeToken(this.#bucket, this.#settings()?.intake ?? DEFAULT_INTAKE, now());
    this.#bucket = asked.bucket;
    if (!asked.isGiven) return { outcome: "throttled" };
    const { verdict, reason } = delivery.facts;
    const first = this.ctx.storage.transactionSync(() => {
      const repeated = this.#journal.repeat(delivery);
      if (repeated !== undefined) this.#tally(delivery.facts, "duplicate", repeated.added);
      else this.#keep(delivery);
      return repeated?.deliveryId;
    });
    await this.#moved();
    return first === undefined ? { outcome: "recorded", verdict, reason } : { outcome: "duplicate", deliveryId: first };
  }

  /** A stored body in its parts; empty when there is none of this name. */
  async body(deliveryId: string): Promise<ArrayBuffer[]> {
    return this.#journal.bodyParts(deliveryId);
  }

  async find(deliveryId: string): Promise<{ readonly facts: InboxFacts; readonly repeats: number } | undefined> {
    const found = this.#journal.find(deliveryId);
    return found && { facts: found.facts, repeats: found.repeats };
  }

  /** What became of everything it was given, and how much of it D1 and the counters have not been told yet. */
  async account(): Promise<{ readonly ledger: Ledger; readonly waiting: number }> {
    const { sql } = this.ctx.storage;
    return { ledger: this.#journal.ledger(), waiting: waiting(sql, TO_D1) + waiting(sql, TO_STATS) };
  }

  /** How its outbox digests what it is given. */
  async pressure(): Promise<Pressure[]> {
    return pressureOf(this.ctx.storage.sql, now());
  }

  /** Deletes what was received before a time, some of it at once; says how many deliveries it was. */
  async expire(before: number): Promise<number> {
    return this.ctx.storage.transactionSync(() => {
      this.#journal.rejections.expire(before);
      return this.#journal.expire(before);
    });
  }

  /** What an isolate has refused since it last said so. */
  async takeRejections(batch: RejectionBatch): Promise<void> {
    this.ctx.storage.transactionSync(() => {
      this.#journal.rejections.take(batch);
      for (const { source, code: reason, n, sumMs } of batch.counts) {
        const counted = { at: batch.at, source, eventType: "", outcome: "rejected", reason, n, sumMs } as const;
        noteTally(this.ctx.storage.sql, counted, now());
      }
    });
    await this.#moved();
  }

  async rejections(page: RejectionPage): Promise<Rejection[]> {
    return this.#journal.rejections.page(page);
  }

  async rejection(id: number): Promise<RejectionSample | undefined> {
    return this.#journal.rejections.find(id);
  }

  async rejectionTotals(): Promise<RejectionTotal[]> {
    return this.#journal.rejections.totals();
  }

  override async alarm(): Promise<void> {
    const startedAt = now();
    try {
      await armSafety(this.#alarmClock);
      await this.#flush();
      this.#log("info", "alarm", { duration_ms: now() - startedAt });
    } catch (error) {
      // An alarm that throws is given up by the platform after a few tries; the safety alarm is armed already.
      this.#log("error", "alarm_failed", { error: describeError(error), duration_ms: now() - startedAt });
    }
  }

  /** Call inside a transaction. */
  #keep(delivery: InboxDelivery): void {
    const at = now();
    const seq = this.#journal.keep(delivery, at);
    const messages = [TO_D1, TO_FEED].map((destination) => [destination, String(seq)] as const);
    enqueueAll(this.ctx.storage.sql, messages, at);
    this.#tally(delivery.facts, delivery.facts.verdict, 1);
    this.#tally(delivery.facts, "duplicate", delivery.repeats);
  }

  /** Call inside a transaction. */
  #tally(facts: InboxFacts, outcome: InboxFacts["verdict"] | "duplicate", n: number): void {
    if (n === 0) return;
    const { receivedAt: at, source, eventType } = facts;
    const sumMs = Math.max(0, now() - at) * n;
    noteTally(this.ctx.storage.sql, { at, source, eventType, outcome, reason: "", n, sumMs }, now());
  }

  /** Undefined when they are wrong: what arrives is stored all the same. */
  #settings(): Settings | undefined {
    try {
      return settingsFrom(this.env);
    } catch (error) {
      this.#log("error", "configuration_error", { error: describeError(error) });
      return undefined;
    }
  }

  async #moved(): Promise<void> {
    this.ctx.waitUntil(this.#flush());
    await this.#arm();
  }

  async #flush(): Promise<void> {
    await flush(this.#outboxPort());
    await this.#arm();
  }

  /** The one place that sets the alarm. */
  async #arm(): Promise<void> {
    await armAlarm(this.#alarmClock, () => [nextDelivery(this.ctx.storage.sql)]);
  }

  #outboxPort(): OutboxPort {
    return {
      storage: this.ctx.storage,
      inFlight: this.#outboxInFlight,
      now,
      random,
      gatherMs: () => GATHER_MS,
      deliver: (destination, messages) => this.#deliverOutbox(destination, messages),
      onFailure: (destination, error, retryAt) => {
        this.#log("warn", "outbox_failed", { destination, error: describeError(error), retry_in_ms: retryAt - now() });
        // Other destinations may still be under way; this one's retry does not wait for them.
        this.ctx.waitUntil(this.#arm());
      },
    };
  }

  async #deliverOutbox(destination: string, messages: readonly OutboxMessage[]): Promise<number> {
    if (destination === TO_STATS) {
      const counter = { workspace: this.#workspace, owner: this.#owner };
      await projectTallies(this.env.DB, counter, messages, this.#journal.ledger());
      return messages.length;
    }
    const numbers = messages.map(({ message }) => Number(message));
    const waiting = this.#journal.between(numbers[0] ?? 0, numbers.at(-1) ?? 0);
    if (destination === TO_FEED) {
      await this.#workspaceObject().announce(this.#owner, waiting.map(newsOf));
      return messages.length;
    }
    const deliveries = withinBudget(waiting);
    const bodyParts = (deliveryId: string) => this.#journal.bodyParts(deliveryId);
    await projectInbox(drizzle(this.env.DB), { workspace: this.#workspace, owner: this.#owner, bodyParts }, deliveries);
    // What has expired meanwhile is not written any more, but its message is done with.
    const next = waiting[deliveries.length]?.seq;
    return next === undefined ? messages.length : numbers.indexOf(next);
  }

  #workspaceObject(): DurableObjectStub<Workspace> {
    return this.env.WORKSPACE.getByName(objectName(this.#workspace, "workspace"));
  }

  #log(level: "info" | "warn" | "error", event: string, fields: Parameters<typeof log>[2]): void {
    log(level, event, { workspace: this.#workspace, inbox: this.#owner, ...fields });
  }
}
