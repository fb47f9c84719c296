// The crash test's oracle for runs: all that were promised exist and end, once, in time, and say what is true. Pure.
import { faultsOf } from "../simulator/faults.ts";
import type { Facts, LoggedEvent, Session } from "./chaos-facts.ts";
import type { Finding } from "./chaos-oracle.ts";

/** A Worker that was killed when a limit passed acts on it when it is back, in ms. */
const LATENESS_MS = 20_000;
/** Of the differences in D1. */
const SHOWN_CHARACTERS = 800;

/** One key is one run, and there is no run that nobody was told of. */
export function whoWasToldHasARun({ told, sessions, active, queued }: Facts): Finding[] {
  const known = new Set(sessions.map(({ sessionId }) => sessionId));
  const missing = told.started.filter(({ sessionId }) => !known.has(sessionId) && sessionId !== queued);
  const byKey = Map.groupBy(told.started, ({ key }) => key);
  const split = [...byKey].filter(([, group]) => new Set(group.map(({ sessionId }) => sessionId)).size > 1);
  const toldOf = new Set(told.started.map(({ sessionId }) => sessionId));
  const untold = sessions.filter(({ sessionId, status }) => status.origin === "ours" && !toldOf.has(sessionId));
  return [
    ...missing.map(({ key, sessionId }) => finding(sessionId, `was acknowledged for ${key} and does not exist`)),
    ...split.map(([key, group]) => finding(group[0]?.sessionId ?? "", `${key} names several runs`)),
    ...untold.map(({ sessionId }) => finding(sessionId, "is a run that nobody was told of")),
    ...(active !== null && !known.has(active) ? [finding(active, "holds the lease and does not exist")] : []),
  ];
}

/** Runs that are active although they should have ended, a lease without a live run, a queued run left behind. */
export function nothingIsStuck({ sessions, active, queued }: Facts): Finding[] {
  const open = sessions.filter(({ status }) => status.completed_at === null);
  const late = sessions.flatMap((session) => {
    const lateMs = overdueMs(session);
    return lateMs > LATENESS_MS ? [stuck(session.sessionId, `ended ${lateMs} ms after its limit`)] : [];
  });
  return [
    ...open.map(({ sessionId, status }) => stuck(sessionId, `is still ${status.state}`)),
    ...late,
    ...(active === null ? [] : [stuck(active, "still holds the lease")]),
    ...(queued === null ? [] : [stuck(queued, "still waits for its turn")]),
  ];
}

/** How long after the run's own limit it ended. */
function overdueMs({ events }: Session): number {
  const requested = events[0];
  const ended = events.find(({ type }) => type === "ended");
  if (requested?.limits === undefined || ended === undefined) return 0;
  const accepted = events.find(({ type }) => type === "attempt_accepted" || type === "accepted_by_delivery");
  const { startMs, runMs } = requested.limits;
  const limitAt = accepted === undefined ? requested.at + startMs : accepted.at + runMs;
  return ended.at - limitAt;
}

/** The log has no gap, ends once, and the run is as it ended. */
export function logsAreWhole({ sessions }: Facts): Finding[] {
  return sessions.flatMap(({ sessionId, status, events }) => {
    const hasGap = events.some(({ seq }, index) => seq !== index + 1);
    const ends = events.filter(({ type }) => type === "ended");
    const isOver = status.completed_at !== null;
    return [
      ...(hasGap ? [finding(sessionId, "has a gap in its log")] : []),
      ...(ends.length > 1 ? [finding(sessionId, `ended ${ends.length} times`)] : []),
      ...(isOver && ends[0]?.status !== status.state
        ? [finding(sessionId, `is ${status.state}, and its log says ${ends[0]?.status}`)]
        : []),
    ];
  });
}

/** OPAL's own workflows are only shown, and a run withdrawn from the queue never began. */
export function oneRunAtATime({ sessions }: Facts): Finding[] {
  const begun = sessions
    .filter(({ status, events }) => status.origin === "ours" && !isWithdrawn(events))
    .toSorted((a, b) => beginOf(a) - beginOf(b));
  return begun.flatMap((session, index) => {
    const before = begun[index - 1];
    const endedAt = before?.events.find(({ type }) => type === "ended")?.at ?? Number.POSITIVE_INFINITY;
    if (before === undefined || endedAt <= beginOf(session)) return [];
    return [finding(session.sessionId, `began while ${before.sessionId} was active`)];
  });
}

function isWithdrawn(events: readonly LoggedEvent[]): boolean {
  return events.some(({ type, reason }) => type === "ended" && reason === "withdrawn_from_queue");
}

function beginOf({ events }: Session): number {
  return events[0]?.at ?? 0;
}

/** An agent is completed only by a webhook in which it handed over something usable, and a run only by all agents. */
export function completedMeansDelivered(facts: Facts): Finding[] {
  const delivered = deliveredBodies(facts);
  return facts.sessions.flatMap(({ sessionId, status, events }) => {
    const bodies = new Map(
      events.flatMap(({ deliveryId, sha256 }) => (deliveryId && sha256 ? [[deliveryId, sha256]] : [])),
    );
    const proven = new Set(
      events.flatMap(({ type, agentId, deliveryId = "" }) =>
        type === "agent_completed" && delivered.get(bodies.get(deliveryId) ?? "") === agentId ? [agentId] : [],
      ),
    );
    const unproven = status.agents.filter((agent) => agent.status === "completed" && !proven.has(agent.agent_id));
    const left = status.agents.filter((agent) => agent.status !== "completed");
    return [
      ...unproven.map((agent) => finding(sessionId, `${agent.agent_id} is completed, and has not delivered`)),
      ...(status.state === "completed" && (left.length > 0 || status.agents.length !== status.expected_agents)
        ? [finding(sessionId, `is completed without ${left.map((agent) => agent.agent_id).join(", ")}`)]
        : []),
    ];
  });
}

/** Which agent delivered with which body, as the simulator sent it. */
function deliveredBodies({ workflows }: Facts): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const { faults, agents, deliveries } of workflows) {
    for (const { agentId, executionStatus, bodySha256 } of deliveries) {
      const play = agents.find((agent) => agent.agentId === agentId)?.play ?? 1;
      const isUsable = (faultsOf(agentId, faults, play).outcome ?? "complete") === "complete";
      if (executionStatus === "completed" && isUsable) found.set(bodySha256, agentId);
    }
  }
  return found;
}

/** Stored state, log and D1 agree for every run. */
export function everythingIsConsistent({ consistency }: Pick<Facts, "consistency">): Finding[] {
  return consistency.flatMap(({ session_id, consistent, state_is_fold, differences }) => {
    if (consistent) return [];
    const fold = state_is_fold ? "is" : "is not";
    const what = `its state ${fold} the fold; in D1: ${JSON.stringify(differences).slice(0, SHOWN_CHARACTERS)}`;
    return [{ check: "consistency", about: session_id, what }];
  });
}

function stuck(about: string, what: string): Finding {
  return { check: "stuck", about, what };
}

function finding(about: string, what: string): Finding {
  return { check: "runs", about, what };
}
