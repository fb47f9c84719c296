// Where a page of events ends. Callers hand it back as it is; it stays good while events arrive and old ones are deleted.

/** By time of arrival; by place in a session or inbox; by time of storing. Always the newest first. */
export const ORDERS = ["time", "owner", "search"] as const;
export type Order = (typeof ORDERS)[number];

/** Received at (ms since the epoch) and row number; of the other two orders only one number, and then zero. */
export type Key = readonly [number, number];

export interface Position {
  readonly order: Order;
  readonly key: Key;
}

const CURSOR = /^(time|owner|search)\.(\d{1,15})\.(\d{1,15})$/;

export function writeCursor({ order, key }: Position): string {
  return `${order}.${key[0]}.${key[1]}`;
}

/** Undefined for what we never wrote. */
export function readCursor(text: string): Position | undefined {
  const [, word, first, second] = CURSOR.exec(text) ?? [];
  const order = ORDERS.find((known) => known === word);
  return order === undefined ? undefined : { order, key: [Number(first), Number(second)] };
}

/** Positive when `one` is the newer of the two. */
export function compareKeys(one: Key, other: Key): number {
  return one[0] - other[0] || one[1] - other[1];
}
