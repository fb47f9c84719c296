// A numbered log as live sockets show it: where a client goes on in it, and its changes as they are sent.

const PAGE_MESSAGES = 100;

export interface NumberedEntry {
  readonly seq: number;
  /** As it is sent. */
  readonly change: unknown;
}

/** What the sockets show. Sequence numbers grow by one; `epoch` changes when they start anew. */
export interface NumberedLog<Entry extends NumberedEntry = NumberedEntry> {
  readonly epoch: string;
  readonly lastSeq: number;
  /** The smallest number after which changes can still be replayed. */
  readonly oldestSeq: number;
  readonly snapshot: () => unknown;
  readonly after: (seq: number, limit: number) => readonly Entry[];
}

/** `epoch.seq` as a client sent it: where to go on, or undefined when only a snapshot will do. */
export function resumePoint(since: string | null, log: NumberedLog): number | undefined {
  const match = /^([\w-]{1,64})\.(\d{1,15})$/.exec(since ?? "");
  if (!match || match[1] !== log.epoch) return undefined;
  const seq = Number(match[2]);
  return seq >= log.oldestSeq && seq <= log.lastSeq ? seq : undefined;
}

interface Message<Entry> {
  readonly entry: Entry;
  readonly text: () => string;
}

/** The page in which the change after number `seq` is, and the last number that belongs on it. */
export type Pages<Entry> = (seq: number) => { readonly messages: readonly Message<Entry>[]; readonly end: number };

/** Each page is read once, and each message written out once, however many sockets they are for. */
export function pagesOf<Entry extends NumberedEntry>(log: NumberedLog<Entry>, now: number): Pages<Entry> {
  const pages = new Map<number, ReturnType<Pages<Entry>>>();
  return (seq) => {
    const start = seq - (seq % PAGE_MESSAGES);
    const read = pages.get(start);
    if (read) return read;
    const end = start + PAGE_MESSAGES;
    const entries = log.after(start, PAGE_MESSAGES).filter((entry) => entry.seq <= end);
    const page = { messages: entries.map((entry) => messageOf(log.epoch, entry, now)), end };
    pages.set(start, page);
    return page;
  };
}

function messageOf<Entry extends NumberedEntry>(epoch: string, entry: Entry, now: number): Message<Entry> {
  let text: string | undefined;
  return {
    entry,
    text: () => {
      text ??= JSON.stringify({ type: "change", epoch, seq: entry.seq, now, change: entry.change });
      return text;
    },
  };
}
