// Whatever the network does, the page ends up with the server's log: every change once, in order.
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  type Connection,
  type ConnectionEvent,
  dueAt,
  type Effect,
  STOPPED,
  step,
} from "../../src/dashboard/connection.ts";
import type { LogMessage, ServerMessage } from "../../src/dashboard/messages.ts";

type Log = readonly string[];
type FromServer = ServerMessage<Log, string> | "pong";

/** The server keeps so many changes; a client that is further behind gets a snapshot. */
const RING_CHANGES = 6;

class Network {
  connection: Connection = STOPPED;
  /** What the page has made of it. */
  taken: Log = [];
  #log: string[] = [];
  #epoch = 0;
  #wire: FromServer[] | undefined;
  #isRefusing = false;
  #now = 1_000_000;
  readonly #jitter: number;

  constructor(jitter: number) {
    this.#jitter = jitter;
    this.#event({ type: "start" });
  }

  log(): Log {
    return this.#log;
  }

  readonly actions = {
    append: () => {
      this.#log.push(`${this.#epoch}:${this.#log.length + 1}`);
      this.#wire?.push(this.#change(this.#log.length));
    },
    deliver: () => this.#receive(this.#wire?.shift()),
    deliverTwice: () => {
      const [first] = this.#wire ?? [];
      this.#receive(first);
      this.#receive(this.#wire?.shift());
    },
    lose: () => void this.#wire?.shift(),
    swap: () => {
      const [first, second] = this.#wire ?? [];
      if (first !== undefined && second !== undefined) this.#wire?.splice(0, 2, second, first);
    },
    cut: () => this.#cut(1006),
    resync: () => this.#wire?.push({ type: "resync", now: this.#now }),
    refuse: () => {
      this.#isRefusing = true;
    },
    /** The object lost its log and counts anew; open sockets go on with the new numbers. */
    startAnew: () => {
      this.#epoch += 1;
      this.#log = [];
    },
    nudge: () => this.#event({ type: "nudge" }),
    wake: () => {
      this.#now = Math.max(this.#now, dueAt(this.connection) ?? this.#now);
      this.#event({ type: "time" });
    },
  };

  settle(): void {
    this.#isRefusing = false;
    for (let round = 0; round < 20; round++) {
      while (this.#wire !== undefined && this.#wire.length > 0) this.actions.deliver();
      this.actions.append();
      this.actions.deliver();
      this.actions.wake();
    }
    while (this.#wire !== undefined && this.#wire.length > 0) this.actions.deliver();
  }

  #receive(message: FromServer | undefined): void {
    if (message !== undefined) this.#event({ type: "received", message });
  }

  #event(event: ConnectionEvent<Log, string>): void {
    const next = step(this.connection, event, this.#now, this.#jitter);
    this.connection = next.connection;
    for (const effect of next.effects) this.#carryOut(effect);
  }

  #carryOut(effect: Effect<Log, string>): void {
    if (effect.do === "open") this.#open(effect.since);
    if (effect.do === "close") this.#wire = undefined;
    if (effect.do === "send" && effect.text === "ping") this.#wire?.push("pong");
    if (effect.do === "take") this.#take(effect.message);
  }

  #take(message: LogMessage<Log, string>): void {
    this.taken = message.type === "snapshot" ? message.state : [...this.taken, message.change];
  }

  #open(since: { epoch: string; seq: number } | null): void {
    if (this.#isRefusing) {
      this.#isRefusing = false;
      this.#event({ type: "closed", code: 1006 });
      return;
    }
    const last = this.#log.length;
    const isKnown =
      since !== null && since.epoch === String(this.#epoch) && since.seq <= last && since.seq >= last - RING_CHANGES;
    const missed = isKnown ? Array.from({ length: last - since.seq }, (_, index) => since.seq + index + 1) : [];
    this.#wire = isKnown ? missed.map((seq) => this.#change(seq)) : [this.#snapshot()];
    this.#event({ type: "opened" });
  }

  #cut(code: number): void {
    this.#wire = undefined;
    this.#event({ type: "closed", code });
  }

  #change(seq: number): FromServer {
    return { type: "change", epoch: String(this.#epoch), seq, now: this.#now, change: this.#log[seq - 1] ?? "" };
  }

  #snapshot(): FromServer {
    return {
      type: "snapshot",
      epoch: String(this.#epoch),
      seq: this.#log.length,
      now: this.#now,
      state: [...this.#log],
    };
  }
}

const action = fc.constantFrom(
  ...(["append", "append", "append", "deliver", "deliver", "deliver", "deliverTwice", "lose", "swap", "cut"] as const),
  ...(["resync", "refuse", "startAnew", "nudge", "wake"] as const),
);

test("no change is lost, repeated or moved, whatever happens on the way", () => {
  fc.assert(
    fc.property(
      fc.array(action, { maxLength: 120 }),
      fc.double({ min: 0, max: 0.999, noNaN: true }),
      (actions, jitter) => {
        const network = new Network(jitter);
        for (const name of actions) {
          network.actions[name]();
          // At every moment the page shows a beginning of one log, never a mixture.
          const [epoch] = (network.taken[0] ?? "").split(":");
          expect(network.taken).toEqual(network.taken.map((_, index) => `${epoch}:${index + 1}`));
        }
        network.settle();
        expect(network.taken).toEqual(network.log());
      },
    ),
    { numRuns: 500 },
  );
});
