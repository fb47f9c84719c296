// What a sender of the flood was told of each event.

/** Everything that became of an event on the sender's side. */
export interface Told {
  readonly number: number;
  readonly receiver: number;
  readonly sha256: string;
  /** Answered that it was taken in, or stored. */
  taken: number;
  /** Answered that it had come before. */
  duplicates: number;
  /** Requests whose answer never came. */
  lost: number;
  /** Answered 503 or 429: to be sent again. */
  putOff: number;
  /** Ids under which the answers named it. */
  readonly ids: string[];
}

/** One stretch of sending, from a start of the Worker until it is killed or nothing is left. */
export interface Leg {
  readonly url: string;
  readonly connections: number;
  /** Says so once, when so many requests were answered in all. */
  readonly tellAt: number | undefined;
}

export interface LegEnd {
  readonly isDone: boolean;
  /** In this leg. */
  readonly answered: number;
  /** Requests under way whose answer never came. */
  readonly lost: number;
  readonly tookMs: number;
}

export interface Sent {
  readonly told: readonly Told[];
  /** Of answered requests, in ms. */
  readonly latencies: Float64Array;
  readonly statuses: Readonly<Record<string, number>>;
  /** Answers that no event of ours should get, a few of them. */
  readonly odd: readonly string[];
  /** Requests given up because their answer was lost; the others were sent again. */
  readonly givenUp: number;
}

export type ToSender = { readonly say: "leg"; readonly leg: Leg } | { readonly say: "finish" };

export type FromSender =
  | { readonly say: "reached" }
  | { readonly say: "progress"; readonly answered: number }
  | { readonly say: "ended"; readonly end: LegEnd }
  | { readonly say: "finished"; readonly sent: Sent };

const STATUS = /"status":"(processed|stored|duplicate)"/;
const ID = /"webhook_id":"(whd_\w+)"/;
const FIRST_ID = /"first_webhook_id":"(whd_\w+)"/;

/** What an answer says; undefined when it is none that an event of ours should get. */
export function read(
  status: number,
  body: string,
): { readonly outcome: "taken" | "duplicates"; readonly id: string } | { readonly outcome: "putOff" } | undefined {
  if (status === 503 || status === 429) return { outcome: "putOff" };
  const said = STATUS.exec(body)?.[1];
  const isDuplicate = said === "duplicate";
  const id = (isDuplicate ? FIRST_ID : ID).exec(body)?.[1];
  if ((status !== 200 && status !== 202) || said === undefined || id === undefined) return undefined;
  return { outcome: isDuplicate ? "duplicates" : "taken", id };
}
