// What diagnostics look at, part by part: one that does not answer takes nothing away from the others.
import { drizzle } from "drizzle-orm/d1";
import type { Env } from "../env.ts";
import type { EventFilter } from "../events/filter.ts";
import { type ListedEvent, listEvents } from "../events/list.ts";
import { type Counts, readStats } from "../events/stats-store.ts";
import { windowOf } from "../events/stats-window.ts";
import { INBOXES, inboxId } from "../inbox/delivery.ts";
import type { Inbox } from "../inbox/object.ts";
import type { RejectionTotal } from "../inbox/rejection.ts";
import { objectName } from "../platform/ids.ts";
import { describeError, log } from "../platform/log.ts";
import type { Pressure } from "../platform/pressure.ts";
import { withinLimit } from "../platform/wait.ts";
import type { Attempts, OwnedPressure, ShownRejection } from "./last-webhooks.ts";

const HOUR_MS = 60 * 60_000;
/** A part that does not answer in this time is left out, in ms. */
const LIMIT_MS = 5_000;
/** Sessions that are asked how their outboxes are. */
const SESSIONS_ASKED = 20;
/** Pages of D1 that are looked through for one answer. */
const PAGES = 10;

export const ACCEPTED = ["processed", "late", "ignored", "quarantined"] as const;
/** What can be asked for: a verdict, or what was rejected, or both kinds of failure. */
export const ATTEMPT_STATUSES = [...ACCEPTED, "rejected", "failed"] as const;
type AttemptStatus = (typeof ATTEMPT_STATUSES)[number];

export interface Asked {
  readonly workspace: string;
  readonly limit: number;
  readonly status: AttemptStatus | undefined;
  /** From this time and before the other, in ms since the epoch. */
  readonly from: number | undefined;
  readonly to: number | undefined;
}

export interface Found extends Attempts {
  readonly counts: Counts | undefined;
  readonly totals: readonly RejectionTotal[] | undefined;
  readonly pressures: readonly OwnedPressure[];
  /** Deliveries that wait for their run; the oldest since, in ms since the epoch. */
  readonly held: { readonly total: number; readonly oldestSince: number | null } | undefined;
  /** Parts that did not answer. */
  readonly silent: readonly string[];
}

/** Never rejects. */
export async function lookAtWebhooks(env: Env, asked: Asked, now: number): Promise<Found> {
  const silent: string[] = [];
  const orSilent = async <Value>(part: string, look: () => Promise<Value>): Promise<Value | undefined> => {
    try {
      return await withinLimit(look(), LIMIT_MS);
    } catch (error) {
      log("error", "diagnostics_incomplete", { workspace: asked.workspace, part, error: describeError(error) });
      silent.push(part);
      return undefined;
    }
  };
  const rejections = env.INBOX.getByName(objectName(asked.workspace, inboxId("rejections")));
  const [accepted, rejected, counts, totals, pressures, held] = await Promise.all([
    orSilent("read_model", () => acceptedAttempts(env, asked)),
    orSilent("rejections", () => rejectedAttempts(rejections, asked)),
    orSilent("counts", () => countsOf(env, asked.workspace, now)),
    orSilent("rejection_totals", () => rejections.rejectionTotals()),
    orSilent("pressure", () => pressuresOf(env, asked.workspace)),
    orSilent("held", () => heldIn(env, asked.workspace)),
  ]);
  return {
    accepted: accepted ?? [],
    rejected: rejected ?? [],
    counts,
    totals,
    pressures: pressures ?? [],
    held,
    silent,
  };
}

async function acceptedAttempts(env: Env, { workspace, limit, status, from, to }: Asked): Promise<ListedEvent[]> {
  if (status === "rejected") return [];
  const statuses = status === undefined ? [] : [status === "failed" ? "quarantined" : status];
  const none = { types: [], agents: [], sources: [], owners: [], remoteId: undefined, search: undefined };
  const filter: EventFilter = { workspace, from, to, statuses, ...none };
  const found: ListedEvent[] = [];
  let after: Parameters<typeof listEvents>[2];
  for (let page = 0; page < PAGES && found.length < limit; page++) {
    const { events, next } = await listEvents(env.DB, filter, after, limit - found.length);
    found.push(...events);
    if (next === null) break;
    after = next;
  }
  return found;
}

async function rejectedAttempts(
  inbox: DurableObjectStub<Inbox>,
  { status, limit, from, to }: Asked,
): Promise<ShownRejection[]> {
  if (status !== undefined && status !== "rejected" && status !== "failed") return [];
  return inbox.rejections({ limit, from, to });
}

async function heldIn(env: Env, workspace: string) {
  const { total, deliveries } = await env.WORKSPACE.getByName(objectName(workspace, "workspace")).held(1);
  return { total, oldestSince: deliveries[0]?.heldSince ?? null };
}

function countsOf(env: Env, workspace: string, now: number): Promise<Counts> {
  return readStats(drizzle(env.DB), workspace, windowOf({ start: now - HOUR_MS, end: now }, now));
}

/** The active run, sessions that have not settled, the inboxes and the workspace itself. */
async function pressuresOf(env: Env, workspace: string): Promise<OwnedPressure[]> {
  const named = (id: string) => objectName(workspace, id);
  const object = env.WORKSPACE.getByName(named("workspace"));
  const [{ activeSessionId }, { unsettled, pressure }] = await Promise.all([
    object.overview(),
    object.account(SESSIONS_ASKED),
  ]);
  const sessions = [...new Set([...(activeSessionId === null ? [] : [activeSessionId]), ...unsettled])];
  const asked = await Promise.all([
    ...sessions.map((owner) => askedOf(owner, env.SYNC_SESSION.getByName(named(owner)).pressure())),
    ...INBOXES.map(inboxId).map((owner) => askedOf(owner, env.INBOX.getByName(named(owner)).pressure())),
  ]);
  return [...asked, { owner: "workspace", pressure }];
}

async function askedOf(owner: string, asking: Promise<Pressure[]>): Promise<OwnedPressure> {
  try {
    return { owner, pressure: await asking };
  } catch {
    // Says nothing about the others; the answer names it as one that did not answer.
    return { owner, pressure: undefined };
  }
}
