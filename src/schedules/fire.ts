// The cron minute: what is due is started, and what became of it is written down. A tick that comes twice, or that died
// half way, starts nothing twice: every firing starts its run under a key of its own.
import { canonicalAgentId } from "../opal/agents.ts";
import type { SyncCommand } from "../sync/plan.ts";
import type { SyncAnswer } from "../workspace/granted.ts";
import { ITSELF } from "../workspace/log.ts";
import type { SyncOrder } from "../workspace/order.ts";
import { type DueFiring, dueFiring, isLate } from "./due.ts";
import type { ScheduleParts } from "./keeping.ts";
import type { Schedule, ScheduleFiring } from "./schedule.ts";

/** What a firing of the schedule asks for. */
export function scheduleSync(schedule: Schedule, by: Pick<SyncCommand, "actor" | "source">): SyncOrder {
  const { scope, agentFilter, client } = schedule.command;
  return {
    command: {
      ...{ scope, ...by, priority: "normal" },
      client: { name: client.name ?? schedule.name, ...(client.industry ? { industry: client.industry } : {}) },
      agentFilter: agentFilter?.flatMap((spelling) => canonicalAgentId(spelling) ?? []) ?? null,
      timeoutOverrideMs: null,
      agentTimeoutsMs: {},
    },
    retry: null,
    onBusy: schedule.onBusy === "queue" ? "queue" : "refuse",
    isForced: false,
  };
}

export interface FiringParts extends ScheduleParts {
  readonly start: (schedule: Schedule, key: string) => Promise<SyncAnswer>;
}

export interface FiringCounts {
  readonly fired: number;
  readonly skipped: number;
  readonly missed: number;
}

export async function fireDueSchedules(parts: FiringParts, now: number): Promise<FiringCounts> {
  let counts: FiringCounts = { fired: 0, skipped: 0, missed: 0 };
  for (const schedule of parts.schedules.due(now)) {
    const due = dueFiring(schedule, now);
    if (due === undefined) continue;
    const answer = await parts.start(schedule, `schedule ${schedule.id} ${due.scheduledFor}`);
    // Another tick is starting it right now, and records what comes of it.
    if (!answer.ok && answer.code === "idempotency_key_in_flight") continue;
    const firing = firingOf(schedule, due, answer, now);
    parts.storage.transactionSync(() => record(parts, schedule, due, firing, now));
    const hasFired = firing.outcome === "started" || firing.outcome === "queued";
    counts = {
      fired: counts.fired + Number(hasFired),
      skipped: counts.skipped + Number(!hasFired),
      missed: counts.missed + due.missedCount,
    };
  }
  return counts;
}

function firingOf(schedule: Schedule, due: DueFiring, answer: SyncAnswer, now: number): ScheduleFiring {
  const { scheduledFor } = due;
  const facts = { scheduleId: schedule.id, scheduledFor, at: now, isLate: isLate(scheduledFor, now) };
  if (answer.ok) {
    const { outcome, sessionId } = answer.sync;
    return { ...facts, outcome: outcome === "queued" ? outcome : "started", reason: null, sessionId };
  }
  const { code, detail, members } = answer;
  const holder = members?.active_session;
  const sessionId = typeof holder === "string" ? holder : null;
  // Skipped is what a schedule does when a run is active; anything else that stands in the way refused it.
  const outcome = code === "run_active" || code === "queue_full" ? "skipped" : "refused";
  return { ...facts, outcome, reason: detail ?? code, sessionId };
}

/** Call inside a transaction. */
function record(
  { schedules, control }: FiringParts,
  schedule: Schedule,
  due: DueFiring,
  firing: ScheduleFiring,
  now: number,
): void {
  const named = { schedule: schedule.id, name: schedule.name };
  for (const scheduledFor of due.missed) {
    const reason = "Nobody was there to start it at its time; the latest one was started in its place.";
    const missed = { outcome: "missed", reason, sessionId: null, at: now, isLate: true } as const;
    schedules.recordFiring({ scheduleId: schedule.id, scheduledFor, ...missed });
  }
  if (due.missedCount > 0) control.log("schedule_missed", ITSELF, now, { ...named, firings: due.missedCount });
  if (schedules.recordFiring(firing)) {
    const type = firing.outcome === "started" || firing.outcome === "queued" ? "schedule_fired" : "schedule_skipped";
    const { outcome, reason, sessionId } = firing;
    control.log(type, ITSELF, now, { ...named, outcome, reason, session_id: sessionId });
    control.count(`schedule_firings_${outcome}`);
  }
  schedules.advance(schedule.id, schedule.nextAt, due.nextAt);
}
