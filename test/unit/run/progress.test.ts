// Progress and phase come from what agents reported, never from time.
import { describe, expect, test } from "vitest";
import { pollingAdvice, progressPercent } from "../../../src/sync/run/progress.ts";
import {
  agentCompleted,
  agentFailed,
  agentStarted,
  agentTimedOut,
  given,
  heard,
  minutes,
  only,
  PARALLEL,
  type Past,
  requested,
  running,
  WAKE,
} from "../../support/node/given.ts";

const percent = (...past: readonly Past[]) => progressPercent(given(...past).run());
const phase = (...past: readonly Past[]) => given(...past).run().phase;

describe("progress", () => {
  test("is nothing before an agent has reported its end", () => {
    expect(percent([0, requested()])).toBe(0);
    expect(percent(...running(), [5, agentStarted("integration_health")])).toBe(0);
  });

  test("is the share of expected agents that reported an end, in whole percent", () => {
    expect(percent(...running(), [5, agentCompleted("integration_health")])).toBe(11);
    expect(percent(...running(), [5, agentCompleted("integration_health")], [6, agentFailed("content_review")])).toBe(
      22,
    );
    expect(percent(...running(only("geo_audit", "cmp_organizer")), [5, agentCompleted("geo_audit")])).toBe(50);
  });

  test("counts an agent once", () => {
    expect(percent(...running(), [5, agentCompleted("geo_audit")], [6, agentCompleted("geo_audit")])).toBe(11);
  });

  test("does not move when our clock gives an agent up, and does when the agent reports late", () => {
    const givenUp: Past[] = [...running(), [60, agentTimedOut("integration_health", 60_000)]];
    expect(percent(...givenUp)).toBe(0);
    expect(percent(...givenUp, [90, agentCompleted("integration_health")])).toBe(11);
  });

  test("stands still for five minutes in which nothing is heard", () => {
    const frozen: Past[] = [...running(), [30, heard()], [30, agentCompleted("integration_health")]];
    const before = given(...frozen).run();
    for (const minute of [1, 2, 3, 4, 5]) {
      const after = given(...frozen)
        .when(WAKE)
        .at(30 + minutes(minute))
        .run();
      expect([after.status, progressPercent(after), after.phase]).toEqual([
        "running",
        progressPercent(before),
        before.phase,
      ]);
    }
  });
});

describe("the phase", () => {
  test("is none before the first sign of life", () => {
    expect(phase(...running())).toBe(0);
  });

  test("is the highest in which an expected agent has given a sign of life", () => {
    expect(phase(...running(), [5, agentStarted("integration_health")])).toBe(1);
    expect(phase(...running(), [5, agentStarted("experiment_blueprinter")])).toBe(2);
    expect(phase(...running(), [5, agentFailed("roadmap_generator")])).toBe(3);
  });

  test("never goes back, though the chain ends in agents of an earlier phase", () => {
    expect(phase(...running(), [5, agentStarted("roadmap_generator")], [9, agentCompleted("cmp_organizer")])).toBe(3);
    expect(phase(...running(PARALLEL), [5, agentStarted("roadmap_generator")], [9, agentStarted("geo_audit")])).toBe(3);
  });

  test("is not entered by a time-out", () => {
    expect(phase(...running(PARALLEL), [360, agentTimedOut("roadmap_generator", 360_000)])).toBe(0);
  });
});

test("whoever polls is told to go on until the run is over", () => {
  expect(pollingAdvice(false, 2_000)).toEqual({ should_continue: true, interval_ms: 2_000 });
  expect(pollingAdvice(true, 3_000)).toEqual({ should_continue: false, interval_ms: 3_000 });
});
