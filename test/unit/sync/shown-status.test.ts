// A status is written out once, and read until something of it may be another.
import { describe, expect, test } from "vitest";
import { statusAnswer } from "../../../src/sync/answers.ts";
import { viewRun } from "../../../src/sync/run/view.ts";
import { ShownStatus, withEstimate } from "../../../src/sync/shown-status.ts";
import { expectedAt, type Foreseen } from "../../../src/workspace/learn.ts";
import { agentStarted, at, ended, given, running } from "../../support/node/given.ts";

const RUN = given(...running(), [9, agentStarted("geo_audit")]).run();
const ENDED = given(...running(), [9, ended("failed", "no_agent_completed")]).run();
const REPEATS = { duplicates: 2, conflicts: 1 };
const FORESEEN: Foreseen = {
  outlook: { known: true, since: at(9), remainders: [60_000, 30_000] },
  record: { estimates: 3, endedByP50Share: 0.5, endedByP90Share: 1, medianErrorMs: 7 },
};

function written(run = RUN): ShownStatus {
  const status = new ShownStatus();
  status.write(run, false, REPEATS);
  return status;
}

test("what was written is the status", () => {
  expect(JSON.parse(written().read(RUN, false, at(10)) ?? "")).toEqual(statusAnswer(viewRun(RUN), REPEATS));
});

test("with an estimate it is what the status says with it, whatever the time", () => {
  const text = new ShownStatus().write(RUN, false, REPEATS);
  for (const seconds of [10, 40, 1_000]) {
    const expected = statusAnswer(viewRun(RUN), REPEATS, expectedAt(FORESEEN, at(seconds)));
    expect(withEstimate(text, FORESEEN, at(seconds))).toBe(JSON.stringify(expected));
  }
});

describe("it has to be written anew", () => {
  test("before it was written", () => {
    expect(new ShownStatus().read(RUN, false, at(10))).toBeUndefined();
  });

  test("when the run is another, even one that looks the same", () => {
    expect(written().read({ ...RUN }, false, at(10))).toBeUndefined();
  });

  test("when a call to OPAL has begun or ended", () => {
    expect(written().read(RUN, true, at(10))).toBeUndefined();
  });

  test("from the moment on at which the run has to move by itself, and not before", () => {
    const due = at(given(...running(), [9, agentStarted("geo_audit")]).nextWakeUp() ?? 0);
    expect(written().read(RUN, false, due - 1)).toBeDefined();
    expect(written().read(RUN, false, due)).toBeUndefined();
  });

  test("when something beside the run may have changed", () => {
    const status = written();
    status.forget();
    expect(status.read(RUN, false, at(10))).toBeUndefined();
  });

  test("never by time alone once the run has ended", () => {
    expect(written(ENDED).read(ENDED, false, at(1_000_000))).toBeDefined();
  });
});

describe("the workspace is asked what it foresees", () => {
  /** Asks as often as said; answers how often the workspace was. */
  function asking(answers: (() => Promise<Foreseen>)[]) {
    const status = new ShownStatus();
    let asked = 0;
    const ask = () => answers[asked++]?.() ?? Promise.resolve(FORESEEN);
    return { status, read: () => status.foreseen(ask), asked: () => asked };
  }

  test("once, by however many at a time", async () => {
    const { read, asked } = asking([]);
    expect(await Promise.all([read(), read()])).toEqual([FORESEEN, FORESEEN]);
    await read();
    expect(asked()).toBe(1);
  });

  test("again after it was given another report, also when its answer was still on the way", async () => {
    const { status, read, asked } = asking([]);
    const early = read();
    status.reported();
    await early;
    await read();
    expect(asked()).toBe(2);
  });

  test("again when it did not answer", async () => {
    const { read, asked } = asking([() => Promise.reject(new Error("gone"))]);
    await expect(read()).rejects.toThrow("gone");
    expect(await read()).toEqual(FORESEEN);
    expect(asked()).toBe(2);
  });
});
