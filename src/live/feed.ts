// The live feed in its workspace object: what sources say becomes numbered events, and sockets are sent what they want.

import type { AgentId } from "../opal/agents.ts";
import { type Audience, LiveSockets } from "../platform/live.ts";
import type { NumberedLog } from "../platform/live-log.ts";
import type { LogEntry } from "../workspace/log.ts";
import { compared } from "./agent-news.ts";
import type { News } from "./event.ts";
import { type LiveFilter, liveFilter, passes } from "./filter.ts";
import { healthNews } from "./health-news.ts";
import { type LiveEntry, LiveJournal, OWN_LOG } from "./journal.ts";

const AUDIENCE: Audience<LiveEntry, LiveFilter> = {
  tag: "live-events",
  filter: liveFilter,
  wants: (filter, { event }) => passes(filter, event),
  whenLost: "reset",
};
/** Entries of the workspace's log that are looked at in one transaction. */
const LOG_PAGE = 200;
const ADDRESS = new URL("http://workspace/live-events");

/** The rest of the workspace, as far as the feed needs it. */
export interface FeedParts {
  /** When the workspace's storage was created, in ms since the epoch: numbers of another one mean nothing here. */
  readonly createdAt: number;
  /** Shown to whoever cannot be told what was missed. */
  readonly snapshot: () => unknown;
  readonly sessionOfRemote: (remoteId: string) => string | undefined;
  /** How long an agent took in the last run before this one of which that is known. */
  readonly earlierMs: (agentId: AgentId, sessionId: string) => number | undefined;
  /** Another number than before when there may be more in the workspace's log. */
  readonly logged: () => number;
  /** The workspace's log, oldest first, after an entry. */
  readonly logAfter: (seq: number, limit: number) => readonly LogEntry[];
}

export interface FeedOpening {
  readonly filter: LiveFilter;
  readonly since: string | null;
  readonly isFromOldest: boolean;
}

/** The handshake by which the Worker opens a socket on the feed. */
export function feedRequest({ filter, since, isFromOldest }: FeedOpening): Request {
  const address = new URL(ADDRESS);
  address.searchParams.set("filter", JSON.stringify(filter));
  if (since !== null) address.searchParams.set("since", since);
  if (isFromOldest) address.searchParams.set("from", "oldest");
  return new Request(address, { headers: { Upgrade: "websocket" } });
}

export function isFeedRequest(request: Request): boolean {
  const { host, pathname } = new URL(request.url);
  return host === ADDRESS.host && pathname === ADDRESS.pathname;
}

export class LiveFeed {
  readonly #storage: DurableObjectStorage;
  readonly #journal: LiveJournal;
  readonly #sockets: LiveSockets<LiveEntry, LiveFilter>;
  readonly #parts: FeedParts;
  /** `logged` when the log was last looked at. */
  #heardTo: number | undefined;

  constructor(ctx: DurableObjectState, parts: FeedParts) {
    this.#storage = ctx.storage;
    this.#journal = new LiveJournal(ctx.storage.sql);
    this.#sockets = new LiveSockets(ctx, AUDIENCE);
    this.#parts = parts;
  }

  /** What was taken before, or has a lower number than what was, is not taken again. Several of one number come at once. */
  take(source: string, news: readonly News[]): void {
    if (news.length > 0) this.#take(source, news, Math.max(...news.map(({ seq }) => seq)));
  }

  /** Takes what the workspace's own log says, and sends every socket what it has not seen. */
  show(now: number): void {
    if (this.#parts.logged() !== this.#heardTo) this.#hearLog();
    this.#sockets.show(() => this.#log(), now);
  }

  open(request: Request, now: number): Response {
    const { searchParams } = new URL(request.url);
    const filter = liveFilter.parse(JSON.parse(searchParams.get("filter") ?? "null"));
    const runs = filter.runs.map(({ id, sessionId }) => {
      return { id, sessionId: sessionId ?? this.#parts.sessionOfRemote(id) ?? null };
    });
    const isFromOldest = searchParams.get("from") === "oldest";
    const opening = { since: searchParams.get("since"), filter: { ...filter, runs }, isFromOldest };
    return this.#sockets.open(opening, this.#log(), now);
  }

  has(socket: WebSocket): boolean {
    return this.#sockets.has(socket);
  }

  receive(socket: WebSocket, message: string | ArrayBuffer, now: number): void {
    this.#sockets.receive(socket, message, this.#log(), now);
  }

  nextStall(): number | undefined {
    return this.#sockets.nextStall();
  }

  closeStalled(now: number): void {
    this.#sockets.closeStalled(this.#epoch(), now);
  }

  #hearLog(): void {
    const logged = this.#parts.logged();
    let entries: readonly LogEntry[];
    do {
      entries = this.#parts.logAfter(this.#journal.heard(OWN_LOG), LOG_PAGE);
      const last = entries.at(-1);
      if (last) this.#take(OWN_LOG, healthNews(entries), last.seq);
    } while (entries.length === LOG_PAGE);
    this.#heardTo = logged;
  }

  #take(source: string, news: readonly News[], upTo: number): void {
    const told = news.map((one) => this.#compared(one));
    this.#storage.transactionSync(() => this.#journal.take(source, told, upTo));
  }

  #compared(news: News): News {
    const { sessionId } = news.event;
    return sessionId === null ? news : compared(news, (agentId) => this.#parts.earlierMs(agentId, sessionId));
  }

  #log(): NumberedLog<LiveEntry> {
    return {
      epoch: this.#epoch(),
      ...this.#journal.range(),
      snapshot: this.#parts.snapshot,
      after: (seq, limit) => this.#journal.after(seq, limit),
    };
  }

  #epoch(): string {
    return `events-${this.#parts.createdAt}`;
  }
}
