// The live feed of a workspace over HTTP: as server-sent events and as a WebSocket, with the same filters.
import { zValidator } from "@hono/zod-validator";
import { type Context, Hono } from "hono";
import { z } from "zod";
import { requirePrincipal } from "../access/principal.ts";
import type { AppEnv } from "../app-env.ts";
import { describeError, log } from "../platform/log.ts";
import { workspaceOf } from "../sync/finding.ts";
import { onlyWebSocket, refuseInvalid } from "../validate.ts";
import { type FeedOpening, feedRequest } from "./feed.ts";
import { filterFrom, filterQuery } from "./filter.ts";
import { comeBack, eventStream } from "./sse.ts";

const STREAM_HEADERS = {
  "Content-Type": "text/event-stream; charset=utf-8",
  "Cache-Control": "no-cache, no-transform",
  "X-Accel-Buffering": "no",
};

/** `epoch.seq` of the last event the client has. One of another form is answered like one that is too old. */
const lastId = z.string().max(128).optional();

const streamQuery = filterQuery.extend({ last_event_id: lastId });
const socketQuery = filterQuery.extend({ since: lastId });

export const liveRoutes = new Hono<AppEnv>()
  .get("/stream", requirePrincipal, zValidator("query", streamQuery, refuseInvalid), async (c) => {
    const { last_event_id: fromQuery, ...query } = c.req.valid("query");
    // A browser that comes back asks at the address it began with; the header is the newer word.
    const since = c.req.header("Last-Event-ID") || fromQuery || null;
    const source = await openSource(c, openingFrom(query, since));
    return c.body(source === null ? comeBack() : eventStream(source), 200, STREAM_HEADERS);
  })
  .get("/live", requirePrincipal, onlyWebSocket, zValidator("query", socketQuery, refuseInvalid), (c) => {
    const { since = null, ...query } = c.req.valid("query");
    return workspaceOf(c).fetch(feedRequest(openingFrom(query, since)));
  });

/** Null while the workspace cannot be reached: browsers give a stream up for good that is refused with an error. */
async function openSource(c: Context<AppEnv>, opening: FeedOpening): Promise<WebSocket | null> {
  try {
    return (await workspaceOf(c).fetch(feedRequest(opening))).webSocket;
  } catch (error) {
    log("warn", "live_feed_unreachable", { request_id: c.var.requestId, error: describeError(error) });
    return null;
  }
}

function openingFrom(query: z.infer<typeof filterQuery>, since: string | null): FeedOpening {
  return { filter: filterFrom(query), since, isFromOldest: query.filter?.include_historical ?? false };
}
