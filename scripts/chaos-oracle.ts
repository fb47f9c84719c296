// Judges what a crash test left behind, and counts it. Pure.
import {
  attemptsFollowEachOther,
  callsAreAttempts,
  cancelIsFinal,
  doubleStartsOf,
  doublesAreNoticed,
  duplicatedEffects,
  oneEffectForOneKey,
} from "./chaos-calls.ts";
import type { Facts } from "./chaos-facts.ts";
import {
  completedMeansDelivered,
  everythingIsConsistent,
  logsAreWhole,
  nothingIsStuck,
  oneRunAtATime,
  whoWasToldHasARun,
} from "./chaos-runs.ts";
import {
  acknowledgedIsKept,
  bodiesOf,
  duplicatesAreCounted,
  isAcknowledged,
  lostBodies,
  nothingIsInvented,
  wasSent,
} from "./chaos-webhooks.ts";

/** A promise that was broken. */
export interface Finding {
  readonly check: "webhooks" | "calls" | "runs" | "stuck" | "consistency";
  /** A run, or what else it is about. */
  readonly about: string;
  readonly what: string;
}

const CHECKS: readonly ((facts: Facts) => Finding[])[] = [
  acknowledgedIsKept,
  nothingIsInvented,
  duplicatesAreCounted,
  callsAreAttempts,
  attemptsFollowEachOther,
  oneEffectForOneKey,
  doublesAreNoticed,
  cancelIsFinal,
  whoWasToldHasARun,
  nothingIsStuck,
  logsAreWhole,
  oneRunAtATime,
  completedMeansDelivered,
  everythingIsConsistent,
];

/** Every promise that was broken; nothing when all were kept. */
export function judge(facts: Facts): Finding[] {
  return CHECKS.flatMap((check) => check(facts));
}

export interface Counts {
  runs: number;
  /** Webhooks, each once however many copies of it there were. */
  eventsSent: number;
  eventsAccepted: number;
  /** Accepted, and in no log. */
  eventsLost: number;
  copiesTakenForDuplicates: number;
  duplicatedEffects: number;
  stuck: number;
  doubleStartsMade: number;
  doubleStartsNoticed: number;
  reruns: number;
  retries: number;
  /** Calls to OPAL that met a fault. */
  troubledCalls: number;
  interruptedCalls: number;
  d1Differences: number;
}

export function count(facts: Facts): Counts {
  const { sessions, workflows, calls, consistency } = facts;
  const bodies = bodiesOf(facts);
  const events = sessions.flatMap((session) => session.events);
  const doubles = sessions.map((session) => doubleStartsOf(session, workflows));
  const started = events.filter(({ type }) => type === "attempt_started");
  const firsts = sessions.map((session) => {
    const own = session.events.filter(({ type }) => type === "attempt_started");
    return new Set(own.map(({ rerun }) => rerun ?? null)).size;
  });
  return {
    runs: sessions.length,
    eventsSent: bodies.filter(wasSent).length,
    eventsAccepted: bodies.filter(isAcknowledged).length,
    eventsLost: lostBodies(facts).length,
    copiesTakenForDuplicates: sum(sessions.map(({ status }) => status.deliveries.duplicate)),
    duplicatedEffects: duplicatedEffects(facts),
    stuck: nothingIsStuck(facts).length,
    doubleStartsMade: sum(doubles.map(({ made }) => made)),
    doubleStartsNoticed: sum(doubles.map(({ noticed }) => noticed)),
    reruns: events.filter(({ type }) => type === "rerun_requested").length,
    retries: started.length - sum(firsts),
    troubledCalls: calls.filter(({ fault }) => fault !== null).length,
    interruptedCalls: events.filter(({ failure }) => failure === "interrupted").length,
    d1Differences: sum(consistency.map(({ differences }) => differences.length)),
  };
}

/** Sums of all; zeros for none. */
export function addCounts(all: readonly Counts[]): Counts {
  const total = count(NO_FACTS);
  for (const counts of all) {
    for (const name of namesOf(total)) total[name] += counts[name];
  }
  return total;
}

function namesOf(counts: Counts): (keyof Counts)[] {
  return Object.keys(counts).filter((name): name is keyof Counts => name in counts);
}

const NO_FACTS: Facts = {
  ...{ told: { started: [], cancelled: [] }, sessions: [], workflows: [], calls: [], held: [], consistency: [] },
  ...{ active: null, queued: null },
};

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
