// A live connection in the browser: sockets and one timer around the rules in connection.ts.
import { type ReadonlySignal, signal } from "@preact/signals";
import { now } from "../platform/clock.ts";
import { random } from "../platform/random.ts";
import { type Connection, type ConnectionEvent, type Cursor, dueAt, type Effect, STOPPED, step } from "./connection.ts";
import { type LogMessage, readMessage } from "./messages.ts";
import { observeServerTime } from "./server-time.ts";

export interface LiveConnection {
  readonly connection: ReadonlySignal<Connection>;
  /** Tries at once instead of at the next due time. */
  readonly nudge: () => void;
  readonly stop: () => void;
}

export interface LiveLog<State, Value> {
  readonly path: string;
  readonly take: (message: LogMessage<State, Value>) => void;
  /** After a failed handshake. Resolves to false when there is no use in trying again. */
  readonly isWorthRetrying: () => Promise<boolean>;
}

export function openLive<State, Value>(log: LiveLog<State, Value>): LiveConnection {
  const connection = signal<Connection>(STOPPED);
  let socket: { readonly wire: WebSocket; readonly listening: AbortController } | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;

  function dispatch(event: ConnectionEvent<State, Value>): void {
    const { connection: next, effects } = step(connection.peek(), event, now(), random());
    connection.value = next;
    arm(next);
    for (const effect of effects) carryOut(effect);
  }

  function arm(next: Connection): void {
    clearTimeout(timer);
    const at = dueAt(next);
    if (at !== null) timer = setTimeout(() => dispatch({ type: "time" }), Math.max(0, at - now()));
  }

  function carryOut(effect: Effect<State, Value>): void {
    switch (effect.do) {
      case "open":
        open(effect.since);
        break;
      case "close":
        close();
        break;
      case "send":
        socket?.wire.send(effect.text);
        break;
      case "take":
        take(effect.message);
        break;
      case "find_out_why":
        void findOutWhy();
        break;
    }
  }

  /** A message that cannot be used must not leave the page a step behind without anybody knowing. */
  function take(message: LogMessage<State, Value>): void {
    try {
      log.take(message);
    } catch (error) {
      reportError(error);
      dispatch({ type: "spoilt" });
    }
  }

  async function findOutWhy(): Promise<void> {
    if (!(await log.isWorthRetrying())) dispatch({ type: "stop" });
  }

  function open(since: Cursor | null): void {
    close();
    const listening = new AbortController();
    const { signal } = listening;
    const wire = new WebSocket(socketAddress(log.path, since));
    wire.addEventListener("open", () => dispatch({ type: "opened" }), { signal });
    wire.addEventListener("close", ({ code }) => dispatch({ type: "closed", code }), { signal });
    wire.addEventListener("message", ({ data }) => receive(data), { signal });
    socket = { wire, listening };
  }

  function receive(data: unknown): void {
    const message = data === "pong" ? data : readMessage<State, Value>(data);
    if (message === undefined) return;
    if (message !== "pong") observeServerTime(message.now);
    dispatch({ type: "received", message });
  }

  /** A socket that is let go is no longer heard. */
  function close(): void {
    socket?.listening.abort();
    socket?.wire.close();
    socket = undefined;
  }

  dispatch({ type: "start" });
  return { connection, nudge: () => dispatch({ type: "nudge" }), stop: () => dispatch({ type: "stop" }) };
}

function socketAddress(path: string, since: Cursor | null): string {
  const url = new URL(path, location.href);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  if (since !== null) url.searchParams.set("since", `${since.epoch}.${since.seq}`);
  return url.href;
}
