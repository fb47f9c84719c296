// What a live socket sends, as platform/live.ts writes it, and what its text is read into.

/** The whole state as it was after change number `seq`. */
export interface Snapshot<State> {
  readonly type: "snapshot";
  readonly epoch: string;
  readonly seq: number;
  /** The server's time when it sent this, in ms since the epoch. */
  readonly now: number;
  readonly state: State;
}

export interface Change<Value> {
  readonly type: "change";
  readonly epoch: string;
  readonly seq: number;
  readonly now: number;
  readonly change: Value;
}

/** Too much was sent without an acknowledgement; nothing follows on this socket. */
interface Resync {
  readonly type: "resync";
  readonly now: number;
}

export type LogMessage<State, Value> = Snapshot<State> | Change<Value>;
export type ServerMessage<State, Value> = LogMessage<State, Value> | Resync;

/**
 * Undefined for anything that is no message of the protocol. The envelope is checked; state and change are taken for
 * what the socket's address promises, because our own server wrote them with the types that are named here.
 */
export function readMessage<State, Value>(text: unknown): ServerMessage<State, Value> | undefined {
  if (typeof text !== "string") return undefined;
  try {
    const message: ServerMessage<State, Value> | null = JSON.parse(text);
    return message !== null && isMessage(message) ? message : undefined;
  } catch {
    return undefined;
  }
}

function isMessage(message: ServerMessage<unknown, unknown>): boolean {
  if (!Number.isFinite(message.now)) return false;
  if (message.type === "resync") return true;
  const isKnown = message.type === "snapshot" || message.type === "change";
  return isKnown && typeof message.epoch === "string" && Number.isSafeInteger(message.seq);
}
