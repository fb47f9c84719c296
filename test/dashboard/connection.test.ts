// The rules of a live connection: it resumes without loss or repeat, notices silence, and never gives up.
import { describe, expect, test } from "vitest";
import {
  type Connection,
  type ConnectionEvent,
  dueAt,
  type Effect,
  labelConnections,
  STOPPED,
  step,
} from "../../src/dashboard/connection.ts";
import type { Change, Snapshot } from "../../src/dashboard/messages.ts";

type Event = ConnectionEvent<string, string>;

const T0 = Date.UTC(2026, 0, 5, 9, 0, 0);
const seconds = (count: number) => count * 1000;

const snapshot = (seq: number, epoch = "a"): Snapshot<string> => ({
  type: "snapshot",
  epoch,
  seq,
  now: T0,
  state: "all",
});
const change = (seq: number, epoch = "a"): Change<string> => ({
  type: "change",
  epoch,
  seq,
  now: T0,
  change: `c${seq}`,
});
const received = (message: Extract<Event, { type: "received" }>["message"]): Event => ({ type: "received", message });
const closed = (code = 1006): Event => ({ type: "closed", code });
const OPENED: Event = { type: "opened" };
const TIME: Event = { type: "time" };
const NUDGE: Event = { type: "nudge" };

/** Plays events against the rules; jitter is fixed at its largest, so that waits are their full length. */
class Play {
  connection: Connection = STOPPED;
  effects: readonly Effect<string, string>[] = [];
  now = T0;

  on(...events: readonly Event[]): this {
    for (const event of events) {
      const next = step(this.connection, event, this.now, 1);
      this.connection = next.connection;
      this.effects = next.effects;
    }
    return this;
  }

  /** Goes to the moment for which the connection asked to be woken. */
  wake(): this {
    this.now = dueAt(this.connection) ?? this.now;
    return this.on(TIME);
  }

  after(count: number): this {
    this.now += seconds(count);
    return this;
  }

  did(): readonly string[] {
    return this.effects.map((effect) => effect.do);
  }

  /** In seconds; null when it waits for nothing. */
  wakesIn(): number | null {
    const at = dueAt(this.connection);
    return at === null ? null : (at - this.now) / 1000;
  }
}

const play = () => new Play();
const started = () => play().on({ type: "start" });
const live = () => started().on(OPENED, received(snapshot(5)));

describe("taking messages", () => {
  test("the first socket asks for a snapshot", () => {
    expect(started().effects).toEqual([{ do: "open", since: null }]);
  });

  test("a snapshot is taken, and the changes after it", () => {
    const next = live().on(received(change(6)));
    expect(next.effects).toEqual([{ do: "take", message: change(6) }]);
    expect(next.connection.cursor).toEqual({ epoch: "a", seq: 6 });
  });

  test("a change that is known is dropped", () => {
    const next = live().on(received(change(6)), received(change(6)));
    expect(next.effects).toEqual([]);
    expect(next.on(received(change(3))).effects).toEqual([]);
    expect(next.connection.cursor).toEqual({ epoch: "a", seq: 6 });
  });

  test("a gap asks for a snapshot on a new socket", () => {
    const next = live().on(received(change(7)));
    expect(next.effects).toEqual([{ do: "close" }, { do: "open", since: null }]);
  });

  test("another epoch asks for a snapshot on a new socket, even where its number would fit", () => {
    const next = live().on(received(change(6, "b")));
    expect(next.effects).toEqual([{ do: "close" }, { do: "open", since: null }]);
  });

  test("a change before any snapshot asks for a snapshot", () => {
    expect(
      started()
        .on(OPENED, received(change(1)))
        .did(),
    ).toEqual(["close", "open"]);
  });

  test("a snapshot of another epoch replaces everything", () => {
    const next = live().on(received(snapshot(2, "b")), received(change(3, "b")));
    expect(next.connection.cursor).toEqual({ epoch: "b", seq: 3 });
  });

  test("every 64th message is acknowledged", () => {
    const next = live();
    for (let seq = 6; seq < 5 + 64; seq++) expect(next.on(received(change(seq))).did()).toEqual(["take"]);
    next.on(received(change(5 + 64)));
    expect(next.effects.at(-1)).toEqual({ do: "send", text: '{"type":"acknowledge","seq":69}' });
    expect(next.on(received(change(70))).did()).toEqual(["take"]);
  });

  test("a resync goes on where it was, on a new socket at once", () => {
    const next = live().on(received({ type: "resync", now: T0 }));
    expect(next.effects).toEqual([{ do: "close" }, { do: "open", since: { epoch: "a", seq: 5 } }]);
  });

  test("close code 4008 means the same", () => {
    expect(live().on(closed(4008)).effects).toEqual([{ do: "close" }, { do: "open", since: { epoch: "a", seq: 5 } }]);
  });

  test("a message that could not be used asks for a snapshot on a new socket", () => {
    expect(live().on({ type: "spoilt" }).effects).toEqual([{ do: "close" }, { do: "open", since: null }]);
  });

  test("a second gap in a row waits, so that a broken server is not hammered", () => {
    const next = live().on(received(change(9)), OPENED, received(snapshot(9)), received(change(11)));
    expect(next.did()).toEqual(["close"]);
    expect(next.connection.status).toBe("waiting");
  });
});

describe("reconnecting", () => {
  test("a lost socket is opened again where it was", () => {
    const next = live().on(closed());
    expect(next.did()).toEqual([]);
    expect(next.wake().effects).toEqual([{ do: "open", since: { epoch: "a", seq: 5 } }]);
  });

  test("waits double from one second up to thirty", () => {
    const next = started();
    const waits = Array.from({ length: 8 }, () => {
      const wait = next.on(closed()).wakesIn();
      next.wake();
      return wait;
    });
    expect(waits).toEqual([1, 2, 4, 8, 16, 30, 30, 30]);
  });

  test("jitter shortens a wait by up to half", () => {
    const { connection } = step(started().connection, closed(), T0, 0);
    expect(connection).toMatchObject({ status: "waiting", retryAt: T0 + 500 });
  });

  test("a socket that lasted makes the next wait short again", () => {
    const next = started()
      .on(closed())
      .wake()
      .on(closed())
      .wake()
      .on(OPENED, received(snapshot(1)))
      .after(10);
    expect(next.on(closed()).wakesIn()).toBe(1);
  });

  test("a socket that did not last goes on with the longer waits", () => {
    const next = started()
      .on(closed())
      .wake()
      .on(closed())
      .wake()
      .on(OPENED, received(snapshot(1)))
      .after(9);
    expect(next.on(closed()).wakesIn()).toBe(4);
  });

  test("a failed handshake asks why, a lost socket does not", () => {
    expect(started().on(closed()).did()).toEqual(["find_out_why"]);
    expect(live().on(closed()).did()).toEqual([]);
  });

  test("a handshake without an end is given up after ten seconds", () => {
    const next = started();
    expect(next.wakesIn()).toBe(10);
    expect(next.wake().did()).toEqual(["close", "find_out_why"]);
    expect(next.connection.status).toBe("waiting");
  });

  test("a nudge ends a wait at once", () => {
    expect(live().on(closed(), NUDGE).effects).toEqual([{ do: "open", since: { epoch: "a", seq: 5 } }]);
  });

  test("a nudge leaves a handshake alone", () => {
    expect(started().on(NUDGE).effects).toEqual([]);
  });

  test("after stopping nothing happens any more", () => {
    const next = live().on({ type: "stop" });
    expect(next.did()).toEqual(["close"]);
    expect(next.on(closed(), NUDGE, TIME).effects).toEqual([]);
    expect(next.wakesIn()).toBeNull();
  });
});

describe("noticing silence", () => {
  test("a ping is sent on opening and after 25 silent seconds", () => {
    const next = started().on(OPENED);
    expect(next.effects).toEqual([{ do: "send", text: "ping" }]);
    next.on(received("pong"));
    expect(next.wakesIn()).toBe(25);
    expect(next.wake().effects).toEqual([{ do: "send", text: "ping" }]);
  });

  test("ten seconds without an answer are the end of the socket", () => {
    const next = live().wake();
    expect(next.wakesIn()).toBe(10);
    expect(next.wake().did()).toEqual(["close"]);
    expect(next.connection.status).toBe("waiting");
    expect(next.wake().effects).toEqual([{ do: "open", since: { epoch: "a", seq: 5 } }]);
  });

  test("any message is a sign of life", () => {
    const next = live()
      .wake()
      .on(received(change(6)));
    expect(next.wakesIn()).toBe(25);
  });

  test("a wake-up that comes too early does nothing", () => {
    expect(live().after(24).on(TIME).effects).toEqual([]);
  });

  test("a nudge asks a live socket for a sign of life, once", () => {
    const next = live().on(NUDGE);
    expect(next.effects).toEqual([{ do: "send", text: "ping" }]);
    expect(next.on(NUDGE).effects).toEqual([]);
  });
});

describe("in words", () => {
  const labels = (...plays: readonly Play[]) => labelConnections(plays.map(({ connection }) => connection)).word;
  const failing = (times: number) => {
    const next = started();
    for (let time = 1; time < times; time++) next.on(closed()).wake();
    return next.on(closed());
  };

  test("connecting, then live", () => {
    expect(labels(started())).toBe("connecting");
    expect(labels(live())).toBe("live");
  });

  test("reconnecting with the time of the next try", () => {
    const { connection } = failing(1);
    expect(labelConnections([connection])).toEqual({ word: "reconnecting", retryAt: T0 + seconds(1) });
  });

  test("offline from the fifth failure on, also while it tries", () => {
    expect(labels(failing(4))).toBe("reconnecting");
    expect(labels(failing(5))).toBe("offline");
    expect(labels(failing(5).wake())).toBe("offline");
  });

  test("offline goes on trying every thirty seconds", () => {
    const next = failing(6);
    expect(next.wakesIn()).toBe(30);
    expect(next.wake().did()).toEqual(["open"]);
  });

  test("of several connections the worst counts, and stopped ones do not", () => {
    expect(labels(live(), failing(5))).toBe("offline");
    expect(labels(live(), started())).toBe("live");
    expect(labels(live(), failing(5).on({ type: "stop" }))).toBe("live");
    expect(labels()).toBe("connecting");
  });
});
