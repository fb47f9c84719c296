// Hibernating WebSockets that show a numbered log: a snapshot or the missed changes first, then every change once, in
// order. Who a socket is and how far it has got lives in its attachment, so an evicted object loses nothing. What is
// kept in memory beside it only saves reading and writing attachments of sockets that are sent nothing.
import { z } from "zod";
import { type NumberedEntry, type NumberedLog, type Pages, pagesOf, resumePoint } from "./live-log.ts";

/** Sent without an acknowledgement before the server stops and asks for a fresh start. */
const WINDOW_MESSAGES = 512;
const WINDOW_BYTES = 1024 * 1024;
/** A stalled socket is closed after this time, in ms. */
const STALL_MS = 10_000;
/** A socket that is sent nothing has its attachment written again after so many changes: that far it looks back. */
const SKIPPED_UNSAVED = 256;
const CLOSE_RESYNC = 4008;

/** Which of an object's sockets show a log, and what each of them is sent of it. */
export interface Audience<Entry extends NumberedEntry, Filter> {
  /** Tells the sockets of one log from those of another in the same object. */
  readonly tag: string;
  /** Kept in the attachment, which has room for 16 KB in all. */
  readonly filter: z.ZodType<Filter>;
  readonly wants: (filter: Filter, entry: Entry) => boolean;
  /** What is sent in place of changes that can no longer be replayed. */
  readonly whenLost: "snapshot" | "reset";
}

/** Sockets that are sent all of it. */
export function unfiltered(tag: string): Audience<NumberedEntry, null> {
  return { tag, filter: z.null(), wants: () => true, whenLost: "snapshot" };
}

export interface Opening<Filter> {
  /** `epoch.seq` of the last change the client has; null for one that comes for the first time. */
  readonly since: string | null;
  readonly filter: Filter;
  /** Without `since`: begins with the oldest change there is, not with the next one. */
  readonly isFromOldest?: boolean;
}

const progress = z.object({
  filter: z.unknown(),
  /** Changes up to this one were sent, or are none of those wanted. */
  sent: z.number(),
  /** Numbers of those that were sent and not acknowledged yet, and about how long they are together. */
  pending: z.array(z.number()),
  bytes: z.number(),
  stalledAt: z.number().nullable(),
  /** It has not been sent yet all that there was when it came: for this it is given time to acknowledge. */
  isBehind: z.boolean(),
  /** Closed by us; the other side may never answer that. */
  isClosed: z.boolean(),
});
type Progress = z.infer<typeof progress>;

interface Known<Filter> extends Progress {
  readonly filter: Filter;
  /** What the attachment says of `sent`. */
  saved: number;
}

const fromClient = z.object({ type: z.literal("acknowledge"), seq: z.number().int().nonnegative() });

export class LiveSockets<Entry extends NumberedEntry, Filter> {
  readonly #ctx: DurableObjectState;
  readonly #audience: Audience<Entry, Filter>;
  readonly #known = new WeakMap<WebSocket, Known<Filter>>();
  /** Where the log ended when every socket was last shown it. */
  #shown: number | undefined;

  constructor(ctx: DurableObjectState, audience: Audience<Entry, Filter>) {
    this.#ctx = ctx;
    this.#audience = audience;
  }

  /** The server's half of a new socket; the answer to the upgrade request carries the other half. */
  open({ since, filter, isFromOldest = false }: Opening<Filter>, log: NumberedLog<Entry>, now: number): Response {
    const { 0: client, 1: server } = new WebSocketPair();
    this.#ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair("ping", "pong"));
    this.#ctx.acceptWebSocket(server, [this.#audience.tag]);
    const resumeAt = resumePoint(since, log);
    const sent = resumeAt ?? (isFromOldest && since === null ? log.oldestSeq : log.lastSeq);
    if (resumeAt === undefined) {
      const type = since === null ? "snapshot" : this.#audience.whenLost;
      send(server, JSON.stringify({ type, epoch: log.epoch, seq: sent, now, state: log.snapshot() }));
    }
    const known = {
      filter,
      sent,
      pending: [],
      bytes: 0,
      stalledAt: null,
      isBehind: true,
      isClosed: false,
      saved: sent,
    };
    this.#known.set(server, known);
    save(server, known);
    this.#pump(server, log, pagesOf(log, now), now);
    return new Response(null, { status: 101, webSocket: client });
  }

  /** Sends every socket what it has not seen. */
  show(read: () => NumberedLog<Entry>, now: number): void {
    const sockets = this.#sockets();
    if (sockets.length === 0) return;
    const log = read();
    if (log.lastSeq === this.#shown) return;
    const pages = pagesOf(log, now);
    for (const socket of sockets) this.#pump(socket, log, pages, now);
    this.#shown = log.lastSeq;
  }

  /** Whether the socket is one of these. */
  has(socket: WebSocket): boolean {
    return this.#ctx.getTags(socket).includes(this.#audience.tag);
  }

  receive(socket: WebSocket, message: string | ArrayBuffer, log: NumberedLog<Entry>, now: number): void {
    const parsed = fromClient.safeParse(typeof message === "string" ? parseJson(message) : undefined);
    const known = this.#recall(socket);
    if (!parsed.success || known === undefined) return;
    const pending = known.pending.filter((seq) => seq > parsed.data.seq);
    if (pending.length === known.pending.length) return;
    known.bytes = Math.ceil((known.bytes * pending.length) / known.pending.length);
    known.pending = pending;
    if (known.isBehind) known.stalledAt = null;
    save(socket, known);
    this.#pump(socket, log, pagesOf(log, now), now);
  }

  /** When the next stalled socket has to be closed; undefined when none is stalled. */
  nextStall(): number | undefined {
    const times = this.#stalled().map(({ since }) => since);
    return times.length === 0 ? undefined : Math.min(...times) + STALL_MS;
  }

  closeStalled(epoch: string, now: number): void {
    for (const { socket, known, since } of this.#stalled()) {
      if (since + STALL_MS > now) continue;
      if (known.isBehind) sendResync(socket, known, epoch, now);
      known.isClosed = true;
      save(socket, known);
      socket.close(CLOSE_RESYNC, "resync");
    }
  }

  #sockets(): WebSocket[] {
    return this.#ctx.getWebSockets(this.#audience.tag);
  }

  #stalled() {
    return this.#sockets().flatMap((socket) => {
      const known = this.#recall(socket);
      const since = known?.isClosed ? null : known?.stalledAt;
      return known && typeof since === "number" ? [{ socket, known, since }] : [];
    });
  }

  #pump(socket: WebSocket, log: NumberedLog<Entry>, pageAfter: Pages<Entry>, now: number): void {
    const known = this.#recall(socket);
    if (known === undefined || known.stalledAt !== null || socket.readyState !== WebSocket.OPEN) return;
    const sentBefore = known.pending.length;
    // What it is behind with may be gone from the log by the time it has acknowledged enough.
    const isGone = known.isBehind && known.sent < log.oldestSeq;
    if (isGone || !this.#sendOn(socket, known, log, pageAfter)) {
      stall(socket, { known, epoch: log.epoch, isHopeless: isGone || !known.isBehind, now });
      return;
    }
    const isChanged = known.isBehind || known.pending.length > sentBefore;
    known.isBehind = false;
    if (isChanged || known.sent - known.saved >= SKIPPED_UNSAVED) save(socket, known);
  }

  /** Sends what the socket wants of all that it has not seen; false when its window is full before the end. */
  #sendOn(socket: WebSocket, known: Known<Filter>, log: NumberedLog<Entry>, pageAfter: Pages<Entry>): boolean {
    while (known.sent < log.lastSeq) {
      const { messages, end } = pageAfter(known.sent);
      for (const { entry, text } of messages) {
        if (entry.seq <= known.sent || !this.#audience.wants(known.filter, entry)) continue;
        if (known.pending.length >= WINDOW_MESSAGES || known.bytes > WINDOW_BYTES) return false;
        known.bytes += send(socket, text());
        known.pending.push(entry.seq);
        known.sent = entry.seq;
      }
      known.sent = Math.min(end, log.lastSeq);
    }
    return true;
  }

  #recall(socket: WebSocket): Known<Filter> | undefined {
    const remembered = this.#known.get(socket);
    if (remembered) return remembered;
    const stored = progress.safeParse(socket.deserializeAttachment()).data;
    const filter = this.#audience.filter.safeParse(stored?.filter);
    if (stored === undefined || !filter.success) return undefined;
    const known = { ...stored, filter: filter.data, saved: stored.sent };
    this.#known.set(socket, known);
    return known;
  }
}

/** Answers the other side's close, except for the codes that nobody can send (RFC 6455, 7.4.1). */
export function answerClose(socket: WebSocket, code: number): void {
  if (code !== 1005 && code !== 1006 && code !== 1015) socket.close(code);
}

interface Stall {
  readonly known: Known<unknown>;
  readonly epoch: string;
  /** Nothing more is sent on this socket, whatever it acknowledges. */
  readonly isHopeless: boolean;
  readonly now: number;
}

function stall(socket: WebSocket, { known, epoch, isHopeless, now }: Stall): void {
  known.stalledAt = now;
  known.isBehind = !isHopeless;
  save(socket, known);
  if (isHopeless) sendResync(socket, known, epoch, now);
}

function sendResync(socket: WebSocket, known: Progress, epoch: string, now: number): void {
  send(socket, JSON.stringify({ type: "resync", epoch, seq: known.sent, now }));
}

/** How long the text is. */
function send(socket: WebSocket, text: string): number {
  try {
    socket.send(text);
  } catch {
    // The other side is gone; its close event follows and the client resumes from its own cursor.
    return 0;
  }
  return text.length;
}

function save(socket: WebSocket, known: Known<unknown>): void {
  const { saved: _saved, ...attachment } = known;
  socket.serializeAttachment(attachment);
  known.saved = known.sent;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
