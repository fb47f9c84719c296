// An object has one alarm. It is always derived: the earliest of everything the object waits for.

/** Armed before an alarm does anything, so that one whose handler dies comes back, in ms. */
const SAFETY_ALARM_MS = 60_000;

/** An alarm this much overdue, in ms, may have been lost: then the platform is asked what it knows. */
const OVERDUE_MS = 5_000;

/** What this instance knows of the object's alarm; only the object itself sets it. */
export interface AlarmClock {
  readonly storage: DurableObjectStorage;
  readonly now: () => number;
  /** When it rings, in ms since the epoch; null when it does not, undefined when that has to be asked. */
  armedFor: number | null | undefined;
}

export function alarmClock(storage: DurableObjectStorage, now: () => number): AlarmClock {
  return { storage, now, armedFor: undefined };
}

/**
 * Arms for the earliest of the times (ms since the epoch, undefined for nothing), or disarms. The times are asked for
 * after the last wait in here, so that two calls at once cannot arm for what was true before.
 */
export async function armAlarm(clock: AlarmClock, times: () => readonly (number | undefined)[]): Promise<void> {
  const { storage } = clock;
  if (mustAsk(clock)) clock.armedFor = await storage.getAlarm();
  const now = clock.now();
  const armed = clock.armedFor ?? null;
  const waits = times().filter((time) => time !== undefined);
  if (waits.length === 0) {
    if (armed !== null) await set(clock, null);
    return;
  }
  const next = Math.max(Math.min(...waits), now);
  // Most requests change nothing that is waited for; then nothing is written either.
  const isArmedForIt = armed !== null && (armed === next || (armed <= now && next <= now));
  if (!isArmedForIt) await set(clock, next);
}

/** For the beginning of an alarm: whatever becomes of it, there is another one. */
export async function armSafety(clock: AlarmClock): Promise<void> {
  await set(clock, clock.now() + SAFETY_ALARM_MS);
}

function mustAsk({ armedFor, now }: AlarmClock): boolean {
  return armedFor === undefined || (armedFor !== null && armedFor + OVERDUE_MS < now());
}

async function set(clock: AlarmClock, time: number | null): Promise<void> {
  clock.armedFor = time;
  try {
    await (time === null ? clock.storage.deleteAlarm() : clock.storage.setAlarm(time));
  } catch (error) {
    clock.armedFor = undefined;
    throw error;
  }
}
