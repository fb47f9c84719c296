// One active run per workspace. Pure: who holds the lease, and when the holder must be asked before somebody is refused.

export interface Lease {
  readonly sessionId: string;
  /** `granted` until the session has confirmed that it started. */
  readonly state: "granted" | "confirmed";
  readonly grantedAt: number;
  /** By when the holder should have moved by itself; null while it has not said. */
  readonly dueAt: number | null;
}

/** A holder that moves on time is a little late because of alarms and the network, in ms. */
export const LATENESS_MS = 5_000;

/** A holder that never confirmed, or that is overdue, may be gone: ask it before refusing somebody on its behalf. */
export function mustAskHolder(lease: Lease, now: number): boolean {
  return lease.state === "granted" || isOverdue(lease.dueAt, now);
}

export function isOverdue(dueAt: number | null, now: number): boolean {
  return dueAt === null || dueAt + LATENESS_MS < now;
}
