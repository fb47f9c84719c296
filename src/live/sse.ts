// The live feed as server-sent events. The Worker holds the stream and listens to the object's hibernating socket, so
// that the object can sleep: heartbeats are made here, and what the client has not read yet waits here, within the
// object's window.
import { z } from "zod";
import { now } from "../platform/clock.ts";
import { iso } from "../platform/iso.ts";

/** How soon a client comes back when the stream ends, in ms. */
const RETRY_MS = 3_000;
/** Well within what proxies allow a silent connection. */
const HEARTBEAT_MS = 15_000;
/** The object stops after 512 messages or 1 MiB without an acknowledgement. */
const ACKNOWLEDGE_MESSAGES = 64;
const ACKNOWLEDGE_BYTES = 128 * 1024;
/** Messages handed to the client at once. */
const CHUNK_MESSAGES = 64;
const CLOSE_RESYNC = 4008;

const numbered = { epoch: z.string(), seq: z.number() };
const fromObject = z.discriminatedUnion("type", [
  z.object({ type: z.literal("snapshot"), ...numbered }),
  z.object({ type: z.literal("reset"), ...numbered, state: z.unknown() }),
  z.object({ type: z.literal("change"), ...numbered, change: z.looseObject({ type: z.string() }) }),
  z.object({ type: z.literal("resync") }),
]);

interface Frame {
  readonly text: string;
  /** Number of the message it stands for; null for what is no message of the object's. */
  readonly seq: number | null;
}

/** What is used of a socket. */
export type Source = Pick<WebSocket, "addEventListener" | "send" | "close" | "accept">;

/** The stream ends when the source does; when the stream is given up, the source is closed. */
export function eventStream(source: Source): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  let frames: Frame[] = [{ text: comeBack(), seq: null }];
  let isOver = false;
  let wake = () => {};
  /** Handed over and not acknowledged yet: messages and bytes, and the number of the last one. */
  let handed = { messages: 0, bytes: 0, seq: 0 };

  const push = (frame: Frame) => {
    frames.push(frame);
    wake();
  };
  const finish = () => {
    isOver = true;
    clearInterval(heartbeat);
    wake();
  };
  // It is also how a client that left without a word is noticed.
  const heartbeat = setInterval(() => {
    // A client that has not read what there is need not be told that we are here.
    if (frames.length > 0) return;
    push({ text: frameOf("heartbeat", { type: "heartbeat", timestamp: iso(now()) }), seq: null });
  }, HEARTBEAT_MS);

  source.addEventListener("message", ({ data }) => {
    const message = readMessage(data);
    if (message === undefined || isOver) return;
    if (message.type !== "resync") push({ text: textOf(message), seq: message.seq });
    // Nothing follows on this socket; the client goes on from its last id with a new one.
    else end();
  });
  source.addEventListener("close", ({ code }) => {
    // Whoever was too slow for its window is not waited for any longer.
    if (code === CLOSE_RESYNC) frames = [];
    finish();
  });
  source.addEventListener("error", finish);
  source.accept();

  function end(): void {
    finish();
    source.close(1000);
  }

  /** The client reads on, so it was sent what it was handed before. */
  function acknowledge(): void {
    if (isOver || (handed.messages < ACKNOWLEDGE_MESSAGES && handed.bytes < ACKNOWLEDGE_BYTES)) return;
    source.send(JSON.stringify({ type: "acknowledge", seq: handed.seq }));
    handed = { messages: 0, bytes: 0, seq: 0 };
  }

  return new ReadableStream(
    {
      async pull(controller) {
        acknowledge();
        if (frames.length === 0 && !isOver) {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
        const chunk = frames.splice(0, CHUNK_MESSAGES);
        if (chunk.length === 0) {
          controller.close();
          return;
        }
        const bytes = encoder.encode(chunk.map(({ text }) => text).join(""));
        const seqs = chunk.flatMap(({ seq }) => seq ?? []);
        const { messages, bytes: before, seq } = handed;
        handed = { messages: messages + seqs.length, bytes: before + bytes.length, seq: seqs.at(-1) ?? seq };
        controller.enqueue(bytes);
      },
      cancel: end,
    },
    // Nothing is taken in advance: what is handed over is what the client asked for.
    { highWaterMark: 0 },
  );
}

/** Sets how soon the client comes back; a stream with nothing else in it asks for just that. */
export function comeBack(): string {
  return `retry: ${RETRY_MS}\n\n`;
}

type Message = Exclude<z.infer<typeof fromObject>, { type: "resync" }>;

function readMessage(data: unknown): z.infer<typeof fromObject> | undefined {
  try {
    return typeof data === "string" ? fromObject.safeParse(JSON.parse(data)).data : undefined;
  } catch {
    return undefined;
  }
}

function textOf(message: Message): string {
  const id = `id: ${message.epoch}.${message.seq}\n`;
  // Without data it is no event to the client, but it has an id to come back with.
  if (message.type === "snapshot") return `${id}\n`;
  if (message.type === "reset") return id + frameOf("reset", message.state);
  return id + frameOf(message.change.type, message.change);
}

/** JSON has no line breaks of its own. */
function frameOf(event: string, data: unknown): string {
  return `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
}
