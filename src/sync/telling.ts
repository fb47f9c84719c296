// What a session tells its workspace of its log, page by page: nothing is left out, however much there is, and what the
// workspace has heard before it does not take again.
import type { News } from "../live/event.ts";
import { FOLLOWING, newsOf } from "../live/news.ts";
import type { Journal } from "./journal.ts";
import { fold } from "./run/reduce.ts";
import type { Run } from "./run/state.ts";

/** Events of the log that are told at once. */
const PAGE_EVENTS = 100;

interface Untold {
  /** The first event that was not told yet, as far as was written down. */
  readonly since: number;
  readonly upTo: number;
  /** The run as this instance told it last: known only to save folding the log once more. */
  readonly told: Run;
}

/** `send` gets all that is to say, in order, at least once. Resolves to the run as it has been told. */
export async function tellNews(
  journal: Pick<Journal, "eventsAfter">,
  { since, upTo, told }: Untold,
  send: (news: readonly News[]) => Promise<void>,
): Promise<Run> {
  if (since > upTo) {
    await send([]);
    return told;
  }
  let run = told.seq >= since - 1 ? told : fold(journal.eventsAfter(0, since - 1));
  for (;;) {
    const events = journal.eventsAfter(run.seq, PAGE_EVENTS + FOLLOWING);
    const page = newsOf(run, events.slice(0, PAGE_EVENTS), events.slice(PAGE_EVENTS));
    await send(page.news);
    run = page.run;
    if (run.seq >= upTo || events.length === 0) return run;
  }
}
