// Hibernating WebSockets that show a numbered log: a snapshot or the missed changes first, then every change once, in
// order. Who a socket is and how far it has got lives in its attachment, so an evicted object loses nothing.
import { z } from "zod";

/** Sent without an acknowledgement before the server stops and asks for a fresh start. */
const WINDOW_MESSAGES = 512;
const WINDOW_BYTES = 1024 * 1024;
/** A stalled socket is closed after this time, in ms. */
const STALL_MS = 10_000;
const PAGE_MESSAGES = 100;
const CLOSE_RESYNC = 4008;

/** What the socket shows. Sequence numbers grow by one; `epoch` changes when they start anew. */
export interface NumberedLog {
  readonly epoch: string;
  readonly lastSeq: number;
  /** The smallest number after which changes can still be replayed. */
  readonly oldestSeq: number;
  readonly snapshot: () => unknown;
  readonly after: (seq: number, limit: number) => readonly { readonly seq: number; readonly change: unknown }[];
}

const progress = z.object({
  sent: z.number(),
  acknowledged: z.number(),
  bytes: z.number(),
  stalledAt: z.number().nullable(),
  /** Closed by us; the other side may never answer that. */
  isClosed: z.boolean(),
});
type Progress = z.infer<typeof progress>;

const fromClient = z.object({ type: z.literal("acknowledge"), seq: z.number().int().nonnegative() });

/** The server's half of a new socket; the answer to the upgrade request carries the other half. */
export function openSocket(ctx: DurableObjectState, request: Request, log: NumberedLog, now: number): Response {
  const { 0: client, 1: server } = new WebSocketPair();
  ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair("ping", "pong"));
  ctx.acceptWebSocket(server);
  const resumeAt = resumePoint(new URL(request.url).searchParams.get("since"), log);
  if (resumeAt === undefined) {
    const { epoch, lastSeq: seq } = log;
    send(server, { type: "snapshot", epoch, seq, now, state: log.snapshot() });
  }
  const sent = resumeAt ?? log.lastSeq;
  remember(server, { sent, acknowledged: sent, bytes: 0, stalledAt: null, isClosed: false });
  pumpSocket(server, log, now);
  return new Response(null, { status: 101, webSocket: client });
}

/** `epoch.seq` as a client sent it: where to go on, or undefined when only a snapshot will do. */
function resumePoint(since: string | null, log: NumberedLog): number | undefined {
  const match = /^([\w-]{1,64})\.(\d{1,15})$/.exec(since ?? "");
  if (!match || match[1] !== log.epoch) return undefined;
  const seq = Number(match[2]);
  return seq >= log.oldestSeq && seq <= log.lastSeq ? seq : undefined;
}

/** Sends every socket what it has not seen. */
export function pumpSockets(ctx: DurableObjectState, log: NumberedLog, now: number): void {
  for (const socket of ctx.getWebSockets()) pumpSocket(socket, log, now);
}

export function receiveMessage(socket: WebSocket, message: string | ArrayBuffer, log: NumberedLog, now: number): void {
  const parsed = fromClient.safeParse(typeof message === "string" ? parseJson(message) : undefined);
  const known = recall(socket);
  if (!parsed.success || known === undefined) return;
  const seq = Math.min(parsed.data.seq, known.sent);
  if (seq <= known.acknowledged) return;
  const share = (known.sent - seq) / (known.sent - known.acknowledged);
  remember(socket, { ...known, acknowledged: seq, bytes: Math.ceil(known.bytes * share) });
  pumpSocket(socket, log, now);
}

/** Answers the other side's close, except for the codes that nobody can send (RFC 6455, 7.4.1). */
export function answerClose(socket: WebSocket, code: number): void {
  if (code !== 1005 && code !== 1006 && code !== 1015) socket.close(code);
}

/** When the next stalled socket has to be closed; undefined when none is stalled. */
export function nextStall(ctx: DurableObjectState): number | undefined {
  const times = stalled(ctx).map(({ since }) => since);
  return times.length === 0 ? undefined : Math.min(...times) + STALL_MS;
}

export function closeStalled(ctx: DurableObjectState, now: number): void {
  for (const { socket, known, since } of stalled(ctx)) {
    if (since + STALL_MS > now) continue;
    remember(socket, { ...known, isClosed: true });
    socket.close(CLOSE_RESYNC, "resync");
  }
}

function stalled(ctx: DurableObjectState) {
  return ctx.getWebSockets().flatMap((socket) => {
    const known = recall(socket);
    const since = known?.isClosed ? null : known?.stalledAt;
    return known && typeof since === "number" ? [{ socket, known, since }] : [];
  });
}

function pumpSocket(socket: WebSocket, log: NumberedLog, now: number): void {
  let known = recall(socket);
  if (known === undefined || known.stalledAt !== null || socket.readyState !== WebSocket.OPEN) return;
  while (known.sent < log.lastSeq) {
    const page = log.after(known.sent, PAGE_MESSAGES);
    if (page.length === 0) break;
    for (const { seq, change } of page) {
      if (seq - known.acknowledged > WINDOW_MESSAGES || known.bytes > WINDOW_BYTES) {
        remember(socket, { ...known, stalledAt: now });
        send(socket, { type: "resync", epoch: log.epoch, seq: known.sent, now });
        return;
      }
      const bytes: number = send(socket, { type: "change", epoch: log.epoch, seq, now, change });
      known = { ...known, sent: seq, bytes: known.bytes + bytes };
    }
  }
  remember(socket, known);
}

function send(socket: WebSocket, message: Readonly<Record<string, unknown>>): number {
  const text = JSON.stringify(message);
  try {
    socket.send(text);
  } catch {
    // The other side is gone; its close event follows and the client resumes from its own cursor.
    return 0;
  }
  return text.length;
}

function remember(socket: WebSocket, known: Progress): void {
  socket.serializeAttachment(known);
}

function recall(socket: WebSocket): Progress | undefined {
  return progress.safeParse(socket.deserializeAttachment()).data;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
