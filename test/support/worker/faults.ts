// Time, luck and D1, in the test's hands. `startOver` undoes all of it.
import { env } from "cloudflare:workers";
import { vi } from "vitest";

/** Stops the clock for the Worker, its objects and the test. Alarms still follow the real one; ring them by hand. */
export function stopClock(): void {
  vi.useFakeTimers({ toFake: ["Date"] });
}

export function advanceClock(ms: number): void {
  vi.setSystemTime(Date.now() + ms);
}

/** Every wait between attempts is this share of the longest it could be: 0 is none at all. */
export function fixLuck(share: number): void {
  vi.spyOn(Math, "random").mockReturnValue(share);
}

/** Until called off, D1 answers nothing. */
export function breakD1(): () => void {
  const database: D1Database = Object.getPrototypeOf(env.DB);
  const fail = () => {
    throw new Error("D1_ERROR: Network connection lost.");
  };
  const spies = [
    vi.spyOn(database, "prepare").mockImplementation(fail),
    vi.spyOn(database, "batch").mockImplementation(fail),
  ];
  return () => {
    for (const spy of spies) spy.mockRestore();
  };
}

/** Until called off, D1 does what it is told to write, and every other answer is lost. */
export function loseD1Answers(): () => void {
  const database: D1Database = Object.getPrototypeOf(env.DB);
  const { batch } = database;
  let answers = 0;
  const spy = vi.spyOn(database, "batch").mockImplementation(async function (this: D1Database, ...args) {
    const answer = await batch.apply(this, args);
    if (++answers % 2 === 0) throw new Error("D1_ERROR: Network connection lost.");
    return answer;
  });
  return () => spy.mockRestore();
}
