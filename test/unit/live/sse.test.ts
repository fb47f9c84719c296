// A stream of server-sent events over a socket of the object's: frames, heartbeats, back-pressure, ends.
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { eventStream, type Source } from "../../../src/live/sse.ts";

beforeEach(() => {
  vi.useFakeTimers({ now: Date.UTC(2026, 0, 5, 9), toFake: ["Date", "setInterval", "clearInterval"] });
});
afterEach(() => {
  vi.useRealTimers();
});

/** The object's side, in the test's hands. */
function fakeSource() {
  const target = new EventTarget();
  const sent: unknown[] = [];
  const closedWith: (number | undefined)[] = [];
  const source: Source = Object.assign(target, {
    accept: () => {},
    send: (text: string) => {
      sent.push(JSON.parse(text));
    },
    close: (code?: number) => {
      closedWith.push(code);
    },
  });
  const tell = (message: unknown) =>
    target.dispatchEvent(Object.assign(new Event("message"), { data: JSON.stringify(message) }));
  const leave = (code: number) => target.dispatchEvent(Object.assign(new Event("close"), { code }));
  return { source, sent, closedWith, tell, leave };
}

const change = (seq: number, note = "") => ({
  ...{ type: "change", epoch: "events-1", seq, now: 0 },
  change: { type: "agent_status_change", note },
});

function reader(stream: ReadableStream<Uint8Array>) {
  const reading = stream.getReader();
  const decoder = new TextDecoder();
  return {
    read: async () => {
      const { value, done } = await reading.read();
      return done ? undefined : decoder.decode(value);
    },
    cancel: () => reading.cancel(),
  };
}

const turn = () => new Promise((resolve) => setTimeout(resolve, 0));

test("begins with how soon to come back, and gives every event its id, name and data", async () => {
  const { source, tell } = fakeSource();
  const { read } = reader(eventStream(source));
  expect(await read()).toBe("retry: 3000\n\n");
  tell({ type: "snapshot", epoch: "events-1", seq: 4, now: 0, state: { runs: [] } });
  // A client takes this for no event, but comes back with its id.
  expect(await read()).toBe("id: events-1.4\n\n");
  tell(change(5, "two\nlines"));
  expect(await read()).toBe(
    'id: events-1.5\nevent: agent_status_change\ndata: {"type":"agent_status_change","note":"two\\nlines"}\n\n',
  );
  tell({ type: "reset", epoch: "events-1", seq: 9, now: 0, state: { runs: [] } });
  expect(await read()).toBe('id: events-1.9\nevent: reset\ndata: {"runs":[]}\n\n');
});

test("makes a heartbeat every 15 seconds of its own, without an id, and nothing of it reaches the object", async () => {
  const { source, sent } = fakeSource();
  const { read } = reader(eventStream(source));
  await read();
  for (const time of ["09:00:15", "09:00:30"]) {
    vi.advanceTimersByTime(15_000);
    expect(await read()).toBe(`event: heartbeat\ndata: {"type":"heartbeat","timestamp":"2026-01-05T${time}.000Z"}\n\n`);
  }
  expect(sent).toEqual([]);
});

describe("back-pressure", () => {
  test("acknowledges only what the client has taken, and only now and then", async () => {
    const { source, sent, tell } = fakeSource();
    const { read } = reader(eventStream(source));
    await read();
    for (let seq = 1; seq <= 200; seq++) tell(change(seq));
    await turn();
    expect(sent).toEqual([]);
    await read();
    await turn();
    expect(sent).toEqual([]);
    await read();
    expect(sent).toEqual([{ type: "acknowledge", seq: 64 }]);
    await read();
    await read();
    void read();
    await turn();
    expect(sent.at(-1)).toEqual({ type: "acknowledge", seq: 192 });
  });

  test("acknowledges large events before the object's window is full of them", async () => {
    const { source, sent, tell } = fakeSource();
    const { read } = reader(eventStream(source));
    await read();
    tell(change(1, "x".repeat(200_000)));
    await read();
    void read();
    await turn();
    expect(sent).toEqual([{ type: "acknowledge", seq: 1 }]);
  });

  test("piles up no heartbeats for a client that does not read", async () => {
    const { source, tell } = fakeSource();
    const { read } = reader(eventStream(source));
    tell(change(1));
    vi.advanceTimersByTime(600_000);
    expect(await read()).toBe(
      'retry: 3000\n\nid: events-1.1\nevent: agent_status_change\ndata: {"type":"agent_status_change","note":""}\n\n',
    );
  });

  test("of a client that was too slow ends the stream, without what it has not taken", async () => {
    const { source, tell, leave } = fakeSource();
    const { read } = reader(eventStream(source));
    await read();
    tell(change(1));
    leave(4008);
    expect(await read()).toBeUndefined();
  });
});

describe("an end", () => {
  test("of the object's gives the client what there is, and ends the stream", async () => {
    const { source, tell, leave } = fakeSource();
    const { read } = reader(eventStream(source));
    await read();
    tell(change(1));
    leave(1006);
    expect(await read()).toContain("id: events-1.1\n");
    expect(await read()).toBeUndefined();
    expect(vi.getTimerCount()).toBe(0);
  });

  test("comes to a client that waits", async () => {
    const { source, leave } = fakeSource();
    const { read } = reader(eventStream(source));
    await read();
    const waiting = read();
    leave(1001);
    expect(await waiting).toBeUndefined();
  });

  test("is asked for by the object when its window is full", async () => {
    const { source, tell, closedWith } = fakeSource();
    const { read } = reader(eventStream(source));
    await read();
    tell(change(1));
    tell({ type: "resync", epoch: "events-1", seq: 1, now: 0 });
    expect(await read()).toContain("id: events-1.1\n");
    expect(await read()).toBeUndefined();
    expect([closedWith, vi.getTimerCount()]).toEqual([[1000], 0]);
  });

  test("of the client's closes the socket and stops the heartbeat", async () => {
    const { source, closedWith } = fakeSource();
    const { read, cancel } = reader(eventStream(source));
    await read();
    await cancel();
    expect([closedWith, vi.getTimerCount()]).toEqual([[1000], 0]);
  });
});

test("what makes no sense is left out", async () => {
  const { source, tell } = fakeSource();
  const { read } = reader(eventStream(source));
  await read();
  for (const message of [null, "pong", { type: "shout" }, { type: "change", epoch: "events-1" }]) tell(message);
  tell(change(2));
  expect(await read()).toContain("id: events-1.2\n");
});
