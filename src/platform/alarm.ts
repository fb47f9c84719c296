// An object has one alarm. It is always derived: the earliest of everything the object waits for.

/** Armed before an alarm does anything, so that one whose handler dies comes back, in ms. */
const SAFETY_ALARM_MS = 60_000;

/**
 * Arms for the earliest of the times (ms since the epoch, undefined for nothing), or disarms. The times are asked for
 * after the last wait in here, so that two calls at once cannot arm for what was true before.
 */
export async function armAlarm(
  storage: DurableObjectStorage,
  times: () => readonly (number | undefined)[],
  clock: () => number,
): Promise<void> {
  const armed = await storage.getAlarm();
  const now = clock();
  const waits = times().filter((time) => time !== undefined);
  if (waits.length === 0) {
    if (armed !== null) await storage.deleteAlarm();
    return;
  }
  const next = Math.max(Math.min(...waits), now);
  // Most requests change nothing that is waited for; then nothing is written either.
  const isArmedForIt = armed !== null && (armed === next || (armed <= now && next <= now));
  if (!isArmedForIt) await storage.setAlarm(next);
}

export async function armSafety(storage: DurableObjectStorage, now: number): Promise<void> {
  await storage.setAlarm(now + SAFETY_ALARM_MS);
}
