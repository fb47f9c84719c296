// A run's log > live events. Pure: what the feed says of a run follows from its log alone, so it can be told again.
import type { RunEvent } from "../sync/run/events.ts";
import { reduce } from "../sync/run/reduce.ts";
import type { KnownRun, Run } from "../sync/run/state.ts";
import { agentNews } from "./agent-news.ts";
import { errorNews } from "./error-news.ts";
import type { LiveEvent, News } from "./event.ts";
import { VERDICT_PRIORITY } from "./priority.ts";
import { endNews, progressNews } from "./run-news.ts";
import { eventAbout } from "./subject.ts";

/**
 * What `events` are in the feed's words, and the run they lead to. They follow directly on `before`; `next` are those
 * after them as far as they are known: they may tell what was done about an error.
 */
export function newsOf(
  before: Run,
  events: readonly RunEvent[],
  next: readonly RunEvent[] = [],
): { readonly news: readonly News[]; readonly run: Run } {
  let run = before;
  const news: News[] = [];
  for (const [index, event] of events.entries()) {
    const after = reduce(run, event);
    if (after.status !== "absent") {
      const rest = [...events.slice(index + 1, index + 1 + FOLLOWING), ...next].slice(0, FOLLOWING);
      for (const told of newsIn(event, run, after, rest)) news.push({ seq: event.seq, event: told });
    }
    run = after;
  }
  return { news, run };
}

/** What is done about an error follows it within so many events. */
export const FOLLOWING = 10;

function newsIn(event: RunEvent, before: Run, after: KnownRun, next: readonly RunEvent[]): LiveEvent[] {
  return [
    ...deliveryNews(event, after),
    ...(before.status === "absent" ? [] : agentNews(before, after, event.at)),
    ...errorNews(event, after, next),
    ...progressNews(before, after, event.at),
    ...endNews(before, after, event.at),
  ];
}

function deliveryNews(event: RunEvent, after: KnownRun): LiveEvent[] {
  if (event.type !== "delivery_recorded") return [];
  const { deliveryId, source, eventType, verdict, reason, agentId } = event;
  return [
    eventAbout(after, event.at, {
      name: "webhook_processed",
      priority: VERDICT_PRIORITY[verdict],
      agentId,
      data: { delivery_id: deliveryId, source, event_type: eventType, verdict, reason },
    }),
  ];
}
