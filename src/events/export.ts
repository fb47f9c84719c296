// Many events as lines of JSON, read page by page while the other side takes them, so that no export is too large.
import type { Env } from "../env.ts";
import { sha256Hex } from "../platform/hash.ts";
import { describeError, log } from "../platform/log.ts";
import { eventAnswer } from "./answers.ts";
import { base64 } from "./curl.ts";
import { type Position, writeCursor } from "./cursor.ts";
import { type EventFilter, orderOf } from "./filter.ts";
import { type EventPage, type ListedEvent, listEvents, positionOf } from "./list.ts";
import { loadBody, readSmallBodies } from "./stored-event.ts";

/** Events read at once. One request may ask D1 only so often. */
const PAGE_EVENTS = 500;
/** Bodies that are read together: few enough parameters for one query, and few enough bytes to hold. */
const GROUP_EVENTS = 50;
const GROUP_BYTES = 1024 * 1024;

export interface Export {
  readonly filter: EventFilter;
  readonly after: Position | undefined;
  readonly hasBodies: boolean;
  readonly requestId: string;
}

/**
 * One event a line, and nothing else. When a page cannot be read, the last line is an error with the cursor from which
 * another export can go on.
 */
export function exportLines(env: Env, asked: Export): ReadableStream<Uint8Array> {
  const chunks = chunksOf(env, asked);
  const encoder = new TextEncoder();
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { done, value } = await chunks.next();
        if (done) controller.close();
        else controller.enqueue(encoder.encode(value));
      },
      async cancel() {
        await chunks.return(undefined);
      },
    },
    { highWaterMark: 0 },
  );
}

async function* chunksOf(env: Env, { filter, after, hasBodies, requestId }: Export): AsyncGenerator<string> {
  const order = orderOf(filter);
  let reached = after;
  try {
    for (let next: Position | null | undefined = after; next !== null; ) {
      const page: EventPage = await listEvents(env.DB, filter, next, PAGE_EVENTS);
      if (hasBodies) {
        for await (const { event, line } of withBodies(env, filter.workspace, page.events)) {
          yield line;
          reached = positionOf(order, event);
        }
      } else if (page.events.length > 0) yield page.events.map((event) => lineOf(eventAnswer(event))).join("");
      next = page.next;
      reached = next ?? reached;
    }
  } catch (error) {
    log("error", "export_broken_off", { request_id: requestId, error: describeError(error) });
    yield lineOf({
      error: "service_unavailable",
      message:
        "The event store stopped answering. What comes before this line is whole; go on from `next_cursor`, null for the beginning.",
      next_cursor: reached === undefined ? null : writeCursor(reached),
      request_id: requestId,
    });
  }
}

interface Line {
  readonly event: ListedEvent;
  readonly line: string;
}

/** Rejects when a body that is kept cannot be read. */
async function* withBodies(env: Env, workspace: string, events: readonly ListedEvent[]): AsyncGenerator<Line> {
  for (const group of groupsOf(events)) {
    const ids = group.length > 1 ? group.map((event) => event.delivery_id) : [];
    const known = ids.length > 0 ? await readSmallBodies(env, workspace, ids) : new Map<string, Uint8Array>();
    for (const event of group) {
      const small = known.get(event.delivery_id);
      const isWhole = small !== undefined && (await sha256Hex(small)) === event.sha256;
      const loaded = isWhole ? { ok: true as const, bytes: small } : await loadBody(env, { ...event, workspace });
      if (!loaded.ok && loaded.code !== "delivery_expired") throw new Error(`${event.delivery_id}: ${loaded.detail}`);
      const body = loaded.ok ? bodyMember(loaded.bytes) : { body: null, body_missing: loaded.code };
      yield { event, line: lineOf({ ...eventAnswer(event), ...body }) };
    }
  }
}

function groupsOf(events: readonly ListedEvent[]): ListedEvent[][] {
  const groups: ListedEvent[][] = [];
  let bytes = 0;
  for (const event of events) {
    bytes += event.bytes;
    const group = groups.at(-1);
    if (group !== undefined && group.length < GROUP_EVENTS && bytes <= GROUP_BYTES) group.push(event);
    else {
      groups.push([event]);
      bytes = event.bytes;
    }
  }
  return groups;
}

/** As text where it is text, every character of it; the bytes in base64 where it is not. */
function bodyMember(bytes: Uint8Array): { readonly body: string } | { readonly body_base64: string } {
  try {
    return { body: new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes) };
  } catch {
    return { body_base64: base64(bytes) };
  }
}

function lineOf(value: object): string {
  return `${JSON.stringify(value)}\n`;
}
