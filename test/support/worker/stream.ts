// A client of the live feed's stream of server-sent events that keeps what it was sent, and puts events into the feed.
import { exports } from "cloudflare:workers";
import { type Answer, API_KEY, eventually, ORIGIN } from "./client.ts";
import { workspaceObject } from "./objects.ts";

export const STREAM = "/api/webhook-events/stream";
export const FEED = "/api/webhook-events/live";

export interface Frame {
  readonly id?: string;
  readonly event?: string;
  readonly retry?: string;
  readonly data?: Answer["body"];
}

export interface Listener {
  readonly response: Response;
  readonly frames: readonly Frame[];
  /** Those that a browser would show, without heartbeats. */
  readonly events: () => readonly Frame[];
  /** The id a browser would come back with. */
  readonly lastId: () => string;
  readonly isOver: () => boolean;
  readonly close: () => Promise<void>;
}

type Query = Readonly<Record<string, string>>;

export function address(path: string, query: Query = {}): string {
  const text = new URLSearchParams(query).toString();
  return text === "" ? path : `${path}?${text}`;
}

export function openStream(
  query: Query = {},
  headers: HeadersInit = { Authorization: `Bearer ${API_KEY}` },
): Promise<Response> {
  return exports.default.fetch(`${ORIGIN}${address(STREAM, query)}`, { headers });
}

/** Opens a stream and waits until its place in the feed is known. */
export async function listen(query: Query = {}, lastId?: string): Promise<Listener> {
  const headers = { Authorization: `Bearer ${API_KEY}`, ...(lastId === undefined ? {} : { "Last-Event-ID": lastId }) };
  const response = await openStream(query, headers);
  if (response.status !== 200 || response.body === null) throw new Error(`no stream, but ${response.status}`);
  const frames: Frame[] = [];
  const reader = response.body.getReader();
  let isOver = false;
  const done = readFrames(reader, frames).then(
    () => {
      isOver = true;
    },
    () => {
      isOver = true;
    },
  );
  const isNew = lastId === undefined && query.last_event_id === undefined;
  await eventually(
    async () => frames,
    (all) => all.length > 0 && (!isNew || all.some(({ id }) => id !== undefined)),
  );
  return {
    response,
    frames,
    events: () => frames.filter(({ event }) => event !== undefined && event !== "heartbeat"),
    lastId: () => frames.findLast(({ id }) => id !== undefined)?.id ?? "",
    isOver: () => isOver,
    close: async () => {
      await reader.cancel();
      await done;
    },
  };
}

async function readFrames(reader: ReadableStreamDefaultReader<Uint8Array>, frames: Frame[]): Promise<void> {
  const decoder = new TextDecoder();
  let text = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    text += decoder.decode(value, { stream: true });
    const blocks = text.split("\n\n");
    text = blocks.pop() ?? "";
    frames.push(...blocks.map(frameOf));
  }
}

function frameOf(block: string): Frame {
  const fields = Object.fromEntries(
    block.split("\n").map((line) => /^(\w+): (.*)$/.exec(line)?.slice(1) ?? [line, ""]),
  );
  return "data" in fields ? { ...fields, data: JSON.parse(fields.data) } : fields;
}

/** Numbers that a source gives its events. */
export function numbers(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, index) => from + index);
}

/** An event that nothing else says, told apart by its note. */
export function noted(seq: number, more: Readonly<Record<string, unknown>> = {}) {
  const event = {
    name: "webhook_processed" as const,
    priority: "low" as const,
    sessionId: null,
    workflowIds: [],
    agentId: null,
    at: 1_767_603_600_000,
    data: { delivery_id: `whd_${seq}`, source: "test", event_type: "note", verdict: "processed" },
    ...more,
  };
  return { seq, event };
}

/** What `source` has to say: events with these numbers. */
export async function announce(source: string, seqs: readonly number[]): Promise<void> {
  await workspaceObject().announce(
    source,
    seqs.map((seq) => noted(seq)),
  );
}

export function deliveryIds(events: readonly { readonly data?: Answer["body"] }[]): string[] {
  return events.flatMap(({ data }) => data?.delivery_id ?? []);
}
