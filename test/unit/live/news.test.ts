// What the live feed says of a run: from its log, and from nothing else.
import { describe, expect, test } from "vitest";
import { compared } from "../../../src/live/agent-news.ts";
import { liveEvent, liveEventAnswer, type News } from "../../../src/live/event.ts";
import { newsOf } from "../../../src/live/news.ts";
import { fold } from "../../../src/sync/run/reduce.ts";
import { NO_RUN } from "../../../src/sync/run/state.ts";
import {
  agentCompleted,
  agentFailed,
  agentStarted,
  agentTimedOut,
  at,
  BEGIN_ATTEMPT,
  bound,
  callAnswered,
  callFailed,
  ended,
  type Given,
  given,
  hadResult,
  heard,
  knowing,
  only,
  type Past,
  PLAN,
  quarantined,
  result,
  running,
  START,
  WAKE,
} from "../../support/node/given.ts";

const FIRST = "integration_health";

/** Everything the feed says of a log, in order. */
function told({ log }: Given): News[] {
  const { news, run } = newsOf(NO_RUN, log);
  expect(run).toEqual(fold(log));
  for (const { event } of news) expect(liveEvent.parse(JSON.parse(JSON.stringify(event)))).toEqual(event);
  return [...news];
}

function named(name: string, story: Given) {
  return told(story).flatMap(({ event }) => (event.name === name ? [event] : []));
}

/** Of a run that OPAL has accepted at second 0. */
const story = (...past: readonly Past[]) => given(...running(), ...past);

describe("an agent's status", () => {
  test("is told whenever it changes, with the time it took and its confidence", () => {
    const events = named(
      "agent_status_change",
      story([1, agentStarted(FIRST)], [2, agentStarted(FIRST)], [31, agentCompleted(FIRST, { confidence: 0.97 })]),
    );
    expect(events).toMatchObject([
      {
        agentId: FIRST,
        priority: "low",
        at: at(1),
        data: {
          previous_status: "waiting",
          current_status: "running",
          execution_time_ms: null,
          results_available: false,
          confidence_score: null,
        },
      },
      {
        agentId: FIRST,
        priority: "medium",
        at: at(31),
        data: {
          previous_status: "running",
          current_status: "completed",
          execution_time_ms: 30_000,
          results_available: true,
          confidence_score: 0.97,
        },
      },
    ]);
  });

  test("has no time when nobody reported its start", () => {
    const [event] = named("agent_status_change", story([31, agentCompleted(FIRST)]));
    expect(event?.data.execution_time_ms).toBeNull();
    expect(named("performance_metric_update", story([31, agentCompleted(FIRST)]))).toEqual([]);
  });

  test("says of an agent that failed that there is no result", () => {
    const [, failed] = named("agent_status_change", story([1, agentStarted(FIRST)], [9, agentFailed(FIRST)]));
    expect(failed).toMatchObject({
      priority: "high",
      data: { current_status: "failed", results_available: false, confidence_score: null },
    });
  });

  test("says of agents a run ended without that they were skipped, and nothing at the run's begin", () => {
    const [end] = named("agent_status_change", story([60, ended("cancelled", "cancelled_by_operator")]));
    expect(end).toMatchObject({ agentId: FIRST, data: { previous_status: "waiting", current_status: "skipped" } });
    expect(named("agent_status_change", story())).toEqual([]);
  });
});

describe("an agent's time", () => {
  const tookSeconds = (seconds: number) =>
    named("performance_metric_update", story([0, agentStarted(FIRST)], [seconds, agentCompleted(FIRST)]));

  // The limit of this agent is 60 s.
  test.each([
    [48, "normal", "low"],
    [49, "warning", "medium"],
    [60, "warning", "medium"],
    [61, "critical", "high"],
  ])("of %d s is %s", (seconds, threshold, priority) => {
    expect(tookSeconds(seconds)).toMatchObject([
      {
        agentId: FIRST,
        priority,
        data: {
          metric_name: "agent_execution_time_ms",
          current_value: seconds * 1000,
          previous_value: null,
          trend: null,
          threshold_status: threshold,
        },
      },
    ]);
  });

  test("is critical when it was over its limit", () => {
    const events = named(
      "performance_metric_update",
      story([0, agentStarted(FIRST)], [60, agentTimedOut(FIRST, 60_000)]),
    );
    expect(events).toMatchObject([{ data: { current_value: 60_000, threshold_status: "critical" } }]);
  });

  test.each([
    [30_000, "up"],
    [39_000, "stable"],
    [40_000, "stable"],
    [41_500, "stable"],
    [60_000, "down"],
  ])("beside an earlier one of %d ms shows the trend: %s", (earlier, trend) => {
    const [event] = tookSeconds(40);
    if (event === undefined) throw new Error("nothing was told");
    const news = compared({ seq: 1, event }, () => earlier);
    expect(news.event.data).toMatchObject({ previous_value: earlier, trend });
    expect(compared({ seq: 1, event }, () => undefined).event).toEqual(event);
  });
});

describe("a run's progress", () => {
  test("is told when it changes, and not for every event", () => {
    const events = named(
      "workflow_progress_update",
      story([1, agentStarted(FIRST)], [2, heard()], [3, heard()], [31, agentCompleted(FIRST)]),
    );
    expect(events.map(({ data, priority }) => [priority, data])).toMatchObject([
      [
        "medium",
        { previous_status: null, status: "requested", completed_agents: 0, total_agents: 9, current_phase: 0 },
      ],
      ["medium", { previous_status: "requested", status: "running", progress_percentage: 0 }],
      ["low", { status: "running", current_phase: 1, completed_agents: 0 }],
      ["low", { status: "running", current_phase: 1, completed_agents: 1, progress_percentage: 11 }],
    ]);
  });
});

test("a webhook is told with its verdict, and never with what it said", () => {
  const [event] = named("webhook_processed", story([1, heard("quarantined")]));
  expect(event).toMatchObject({
    priority: "high",
    data: { delivery_id: "whd_1", source: "opal", event_type: "execution.success", verdict: "quarantined" },
  });
  expect(Object.keys(event?.data ?? {})).toEqual(["delivery_id", "source", "event_type", "verdict", "reason"]);
});

describe("an error", () => {
  const errors = (given: Given) => named("error_notification", given);

  test("says what is done about it: another call", () => {
    const [error] = errors(
      given().and([0, START], [0, BEGIN_ATTEMPT], [1, callFailed("http_5xx", { httpStatus: 503 })]),
    );
    expect(error).toMatchObject({
      priority: "medium",
      data: {
        error_type: "opal_http_5xx",
        error_message: "Call 1 to OPAL failed: OPAL answered with a server error (HTTP 503).",
        affected_agents: [],
        severity: "medium",
        action_required: false,
        recovery_action: "retry_call",
      },
    });
  });

  test("says what is done about it: the agent runs once more, or an earlier result stands in", () => {
    const timedOut = (request = PLAN) =>
      errors(given().and([0, { ...START, request }], [0, BEGIN_ATTEMPT], [0, callAnswered("opal-1")], [61, WAKE]))[0];
    expect(timedOut()).toMatchObject({
      agentId: FIRST,
      priority: "medium",
      data: {
        error_type: "agent_timed_out",
        error_message: "Integration health is over its limit of 60 s.",
        affected_agents: [FIRST],
        action_required: false,
        recovery_action: "rerun",
      },
    });
    const known = timedOut(knowing(PLAN, hadResult(FIRST, 1)));
    expect(known?.data).toMatchObject({ recovery_action: "cached_data" });
  });

  test("with no recovery asks for people", () => {
    const [error] = errors(story([1, agentFailed("geo_audit")]));
    expect(error).toMatchObject({
      agentId: "geo_audit",
      priority: "high",
      data: { error_type: "agent_reported_failure", action_required: true, recovery_action: null },
    });
    expect(error?.data.resolution_steps).not.toEqual([]);
  });

  test("is none for an agent that has its result all the same", () => {
    expect(errors(story([1, agentCompleted(FIRST)], [2, agentFailed(FIRST)], [3, quarantined(FIRST)]))).toEqual([]);
  });

  test("is critical when a credential was refused, and names it", () => {
    const refused = callFailed("http_auth", { httpStatus: 401 });
    const found = errors(given().and([0, START], [0, BEGIN_ATTEMPT], [1, refused]));
    expect(found.map(({ priority, data }) => [data.error_type, priority])).toEqual([
      ["opal_http_auth", "high"],
      ["credential_refused", "critical"],
      ["workflow_failed", "critical"],
    ]);
    expect(found[1]?.data.error_message).toBe("OPAL_STRATEGY_WORKFLOW_AUTH_KEY was not accepted.");
  });

  test("is told of a run that ended badly, and of none that was cancelled", () => {
    const [timedOut] = errors(story([600, ended("timed_out", "inactivity")]));
    expect(timedOut).toMatchObject({ priority: "critical", data: { error_type: "workflow_timed_out" } });
    expect(timedOut?.data.affected_agents).toHaveLength(9);
    expect(errors(story([600, ended("cancelled", "cancelled_by_operator")]))).toEqual([]);
  });
});

describe("the end of a run", () => {
  const signals = ["workflow_completed", "force_sync_completed"];
  const ends = (given: Given) => told(given).filter(({ event }) => signals.includes(event.name));

  test("is signalled once in both ways, whatever comes later", () => {
    const past: Past[] = [
      [9, agentCompleted(FIRST)],
      [9, ended("completed", "all_agents_completed")],
      [20, heard("late")],
      [21, { type: "result_attached", agentId: "geo_audit", deliveryId: "whd_2", result: result() }],
    ];
    const found = ends(given(...running(only(FIRST)), ...past));
    expect(found.map(({ seq, event }) => [seq, event.name])).toEqual([
      [5, "workflow_completed"],
      [5, "force_sync_completed"],
    ]);
    expect(found[0]?.event).toMatchObject({
      priority: "high",
      data: {
        event_type: "workflow_completed",
        workflowStatus: "completed",
        reason: "all_agents_completed",
        completed_agents: 1,
        total_agents: 1,
        duration_ms: 9_000,
      },
    });
  });

  test("says how it ended", () => {
    const [end] = ends(story([5, ended("failed", "no_agent_completed")]));
    expect(end?.event).toMatchObject({ priority: "critical", data: { workflowStatus: "failed", can_retry: true } });
  });

  test("of OPAL's own workflow is no force sync's", () => {
    const foreign = given(
      [0, { type: "adopted", ...PLAN, remoteId: "opal-7" }],
      [5, ended("completed", "all_agents_completed")],
    );
    expect(ends(foreign).map(({ event }) => event.name)).toEqual(["workflow_completed"]);
  });
});

test("every event names the run by all its ids, as far as they are known by then", () => {
  const all = told(story([1, bound("opal-1")], [2, agentStarted(FIRST)]));
  const { sessionId, workflowId } = PLAN;
  expect(all.every(({ event }) => event.sessionId === sessionId)).toBe(true);
  expect(all[0]?.event.workflowIds).toEqual([workflowId]);
  const last = all.at(-1)?.event;
  expect(last?.workflowIds).toEqual([workflowId, "opal-1"]);
  expect(last && liveEventAnswer(last)).toMatchObject({
    type: "workflow_progress_update",
    session_id: sessionId,
    workflow_id: workflowId,
    workflow_ids: [workflowId, "opal-1"],
    agent_id: null,
    timestamp: "2026-01-05T09:00:02.000Z",
  });
});

test("a log told in parts says the same as one told at once", () => {
  const whole = given().and(
    [0, START],
    [0, BEGIN_ATTEMPT],
    [0, callAnswered("opal-1")],
    [61, WAKE],
    [200, WAKE],
    [700, WAKE],
  );
  const { log } = whole;
  for (let cut = 0; cut <= log.length; cut++) {
    const first = newsOf(NO_RUN, log.slice(0, cut), log.slice(cut));
    const second = newsOf(first.run, log.slice(cut));
    expect([...first.news, ...second.news]).toEqual(told(whole));
  }
});
