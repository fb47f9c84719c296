// One live connection as a pure state machine: connection + event + now > connection + effects. It resumes where it
// was, drops what it has seen, asks afresh when something is missing, and never gives up.
import { backoffMs, type RetryPolicy } from "../platform/backoff.ts";
import type { LogMessage, ServerMessage } from "./messages.ts";

/** How long a handshake may take, and how long the server may be silent after a ping, in ms. */
const HANDSHAKE_MS = 10_000;
const ANSWER_MS = 10_000;
const PING_EVERY_MS = 25_000;
/** The server stops after 512 messages without an acknowledgement. */
const ACKNOWLEDGE_EVERY_MESSAGES = 64;
/** A socket that lasted this long was good: what happens to it is no continuation of earlier failures. */
const LASTED_MS = 10_000;
const RECONNECT: RetryPolicy = { attempts: Number.POSITIVE_INFINITY, baseMs: 1_000, maxMs: 30_000, factor: 2 };
/** From this many failures in a row on, people are told that they are offline. It goes on trying. */
const OFFLINE_FAILURES = 5;
const CLOSE_RESYNC = 4008;

/** The last change that was taken. */
export interface Cursor {
  readonly epoch: string;
  readonly seq: number;
}

interface Base {
  /** Null when only a snapshot will do. */
  readonly cursor: Cursor | null;
  /** Sockets that failed since the last one that lasted. */
  readonly failures: number;
}

export type Stopped = Base & { readonly status: "stopped" };
export type Opening = Base & { readonly status: "opening"; readonly giveUpAt: number };
export type Waiting = Base & { readonly status: "waiting"; readonly retryAt: number };
export type Live = Base & {
  readonly status: "live";
  readonly openedAt: number;
  readonly acknowledged: number;
  readonly pingAt: number;
  /** Set while a ping waits for a sign of life. */
  readonly answerBy: number | null;
};
export type Connection = Stopped | Opening | Waiting | Live;

export const STOPPED: Stopped = { status: "stopped", cursor: null, failures: 0 };

export type ConnectionEvent<State, Value> =
  | { readonly type: "start" }
  | { readonly type: "stop" }
  | { readonly type: "opened" }
  | { readonly type: "received"; readonly message: ServerMessage<State, Value> | "pong" }
  | { readonly type: "closed"; readonly code: number }
  /** What was taken last could not be used, so what is known is not what the server has. */
  | { readonly type: "spoilt" }
  /** Something may be due. */
  | { readonly type: "time" }
  /** The network is back, the page is looked at again, or somebody pressed "Reconnect now". */
  | { readonly type: "nudge" };

export type Effect<State, Value> =
  | { readonly do: "open"; readonly since: Cursor | null }
  | { readonly do: "close" }
  | { readonly do: "send"; readonly text: string }
  | { readonly do: "take"; readonly message: LogMessage<State, Value> }
  /** A handshake failed, and a browser does not say why: signed out, gone, or only unreachable? */
  | { readonly do: "find_out_why" };

export interface Step<State, Value> {
  readonly connection: Connection;
  readonly effects: readonly Effect<State, Value>[];
}

/** `jitter` in [0, 1) spreads reconnects, so that many pages do not come back in the same moment. */
export function step<State, Value>(
  connection: Connection,
  event: ConnectionEvent<State, Value>,
  now: number,
  jitter: number,
): Step<State, Value> {
  const { cursor, failures, status } = connection;
  switch (event.type) {
    case "start":
      return status === "stopped" ? open(connection, now) : stay(connection);
    case "stop":
      return { connection: { status: "stopped", cursor, failures: 0 }, effects: [{ do: "close" }] };
    case "opened":
      return status === "opening" ? opened(connection, now) : stay(connection);
    case "received":
      return status === "live" ? received(connection, event.message, now, jitter) : stay(connection);
    case "closed":
      if (status === "opening") return failed(connection, now, jitter, [{ do: "find_out_why" }]);
      if (status !== "live") return stay(connection);
      return event.code === CLOSE_RESYNC
        ? reopen(connection, cursor, now, jitter)
        : failed(connection, now, jitter, []);
    case "spoilt":
      return status === "live" ? reopen(connection, null, now, jitter) : stay(connection);
    case "time":
      return due(connection, now, jitter);
    case "nudge":
      if (status === "waiting") return open({ cursor, failures }, now);
      return status === "live" && connection.answerBy === null ? ping(connection, now) : stay(connection);
    default:
      return unreachable(event);
  }
}

/** When the connection has to be woken with `time`; null when it waits for nothing. */
export function dueAt(connection: Connection): number | null {
  switch (connection.status) {
    case "stopped":
      return null;
    case "opening":
      return connection.giveUpAt;
    case "waiting":
      return connection.retryAt;
    case "live":
      return connection.answerBy ?? connection.pingAt;
  }
}

export type ConnectionWord = "connecting" | "live" | "reconnecting" | "offline";

export interface ConnectionLabel {
  readonly word: ConnectionWord;
  /** When the next try is due; null while one is under way or none is needed. */
  readonly retryAt: number | null;
}

/** One that connects for the first time is no news beside one that is live: that is how another run is opened. */
const SEVERITY: Readonly<Record<ConnectionWord, number>> = { connecting: 0, live: 1, reconnecting: 2, offline: 3 };

/** Several connections in one word: that of the worst. Stopped ones do not count. */
export function labelConnections(connections: readonly Connection[]): ConnectionLabel {
  const labels = connections.filter((connection) => connection.status !== "stopped").map(labelOf);
  return labels.reduce((worst, label) => (SEVERITY[label.word] > SEVERITY[worst.word] ? label : worst), {
    word: "connecting",
    retryAt: null,
  });
}

function labelOf(connection: Connection): ConnectionLabel {
  if (connection.status === "live") return { word: "live", retryAt: null };
  const retryAt = connection.status === "waiting" ? connection.retryAt : null;
  if (connection.failures >= OFFLINE_FAILURES) return { word: "offline", retryAt };
  return { word: connection.failures === 0 ? "connecting" : "reconnecting", retryAt };
}

type Next<State, Value> = Step<State, Value>;

function stay<State, Value>(connection: Connection): Next<State, Value> {
  return { connection, effects: [] };
}

function open<State, Value>({ cursor, failures }: Base, now: number): Next<State, Value> {
  return {
    connection: { status: "opening", cursor, failures, giveUpAt: now + HANDSHAKE_MS },
    effects: [{ do: "open", since: cursor }],
  };
}

/** A first ping at once: nothing else comes when there is nothing to catch up on. */
function opened<State, Value>({ cursor, failures }: Opening, now: number): Next<State, Value> {
  const acknowledged = cursor?.seq ?? 0;
  return ping({ status: "live", cursor, failures, openedAt: now, acknowledged, pingAt: now, answerBy: null }, now);
}

function ping<State, Value>(connection: Live, now: number): Next<State, Value> {
  return { connection: { ...connection, answerBy: now + ANSWER_MS }, effects: [{ do: "send", text: "ping" }] };
}

function received<State, Value>(
  connection: Live,
  message: ServerMessage<State, Value> | "pong",
  now: number,
  jitter: number,
): Next<State, Value> {
  // Whatever comes is a sign of life.
  const heard: Live = { ...connection, pingAt: now + PING_EVERY_MS, answerBy: null };
  if (message === "pong") return stay(heard);
  if (message.type === "resync") return reopen(heard, heard.cursor, now, jitter);
  const { epoch, seq } = message;
  if (message.type === "snapshot") {
    return { connection: { ...heard, cursor: { epoch, seq }, acknowledged: seq }, effects: [{ do: "take", message }] };
  }
  const { cursor } = heard;
  if (cursor === null || epoch !== cursor.epoch || seq > cursor.seq + 1) return reopen(heard, null, now, jitter);
  if (seq <= cursor.seq) return stay(heard);
  const isAcknowledged = seq - heard.acknowledged >= ACKNOWLEDGE_EVERY_MESSAGES;
  return {
    connection: { ...heard, cursor: { epoch, seq }, acknowledged: isAcknowledged ? seq : heard.acknowledged },
    effects: [
      { do: "take", message },
      ...(isAcknowledged ? [{ do: "send" as const, text: JSON.stringify({ type: "acknowledge", seq }) }] : []),
    ],
  };
}

/** A new socket at once, unless the one before it did not last either. */
function reopen<State, Value>(
  connection: Live,
  cursor: Cursor | null,
  now: number,
  jitter: number,
): Next<State, Value> {
  const failures = failuresBefore(connection, now);
  if (failures > 0) return failed({ ...connection, cursor }, now, jitter, [{ do: "close" }]);
  const next = open<State, Value>({ cursor, failures: 1 }, now);
  return { connection: next.connection, effects: [{ do: "close" }, ...next.effects] };
}

function failed<State, Value>(
  connection: Opening | Live,
  now: number,
  jitter: number,
  effects: readonly Effect<State, Value>[],
): Next<State, Value> {
  const failures = failuresBefore(connection, now) + 1;
  // Half of the wait is fixed: a countdown that begins with zero helps nobody.
  const retryAt = now + backoffMs(RECONNECT, failures, 0.5 + jitter / 2);
  return { connection: { status: "waiting", cursor: connection.cursor, failures, retryAt }, effects };
}

function failuresBefore(connection: Opening | Live, now: number): number {
  return connection.status === "live" && now - connection.openedAt >= LASTED_MS ? 0 : connection.failures;
}

function due<State, Value>(connection: Connection, now: number, jitter: number): Next<State, Value> {
  if ((dueAt(connection) ?? Number.POSITIVE_INFINITY) > now) return stay(connection);
  switch (connection.status) {
    case "stopped":
      return stay(connection);
    case "waiting":
      return open(connection, now);
    case "opening":
      return failed(connection, now, jitter, [{ do: "close" }, { do: "find_out_why" }]);
    case "live":
      return connection.answerBy === null ? ping(connection, now) : failed(connection, now, jitter, [{ do: "close" }]);
  }
}

function unreachable(event: never): never {
  throw new TypeError(`no rule for ${JSON.stringify(event)}`);
}
