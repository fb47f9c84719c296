// What is shown of waits, re-runs, results that stand in and refused credentials, and the words for it.
import { describe, expect, test } from "vitest";
import type { EndReason, EndStatus, PostponedBecause } from "../../../src/sync/run/events.ts";
import type { CarriedResult, Lineage, RunRequest } from "../../../src/sync/run/request.ts";
import { viewRun } from "../../../src/sync/run/view.ts";
import {
  accepted,
  adopted,
  agentCompleted,
  agentStarted,
  agentTimedOut,
  at,
  bound,
  CREDENTIAL,
  called,
  callFell,
  credentialRefused,
  ended,
  fallbackUsed,
  given,
  type Past,
  PLAN,
  postponed,
  quarantined,
  requested,
  rerunRequested,
  result,
  running,
} from "../../support/node/given.ts";

const FIRST = "integration_health";
const view = (...past: readonly Past[]) => viewRun(given(...past).run());
const agent = (id: string, ...past: readonly Past[]) => view(...past).agents.find((shown) => shown.id === id);

const again: Past[] = [
  ...running(),
  [0, bound("opal-1")],
  [60, agentTimedOut(FIRST, 60_000)],
  [60, rerunRequested(1, [FIRST])],
];

describe("a run that waits for leave to call", () => {
  test.each<[PostponedBecause, string]>([
    ["breaker_open", "Waiting for the circuit breaker: OPAL has not been answering."],
    ["breaker_probing", "Waiting for the circuit breaker: another call is trying whether OPAL answers again."],
    ["switched_off", "Waiting: triggering is switched off."],
    ["lease_lost", "Waiting: another run holds the workspace's lease."],
    ["workspace_unreachable", "Waiting for leave to call OPAL."],
  ])("says why and until when: %s", (because, message) => {
    expect(view([0, requested()], [0, postponed(30, because)])).toMatchObject({
      ...{ status: "requested", attempts: [], nextAttemptAt: at(30), message },
      postponed: { until: at(30), because },
    });
  });

  test("says so instead of telling the failure before", () => {
    const failed: Past[] = [
      [0, called(1)],
      [1, callFell(1, "http_5xx", 3, 503)],
      [3, postponed(30)],
    ];
    expect(view([0, requested()], ...failed).message).toBe(
      "Waiting for the circuit breaker: OPAL has not been answering.",
    );
  });

  test("says no more of it once it calls", () => {
    expect(view([0, requested()], [0, postponed(30)], [30, called(1)])).toMatchObject({
      ...{ postponed: null, message: "Calling OPAL, attempt 1 of 4." },
    });
  });

  test("does not wait any more when it has ended", () => {
    expect(view([0, requested()], [0, postponed(30)], [5, ended("cancelled", "cancelled_by_operator")])).toMatchObject({
      ...{ postponed: null, nextAttemptAt: null, message: "Cancelled by an operator." },
    });
  });
});

describe("a run whose agent runs once more", () => {
  test("says which one", () => {
    expect(view(...again)).toMatchObject({
      status: "running",
      nextAttemptAt: at(60),
      message: "Taking longer than expected, running once more: Integration health.",
      reruns: [{ rerun: 1, agents: [FIRST], because: "agent_timed_out", isReduced: true, isOver: false }],
    });
  });

  test("says who works beside it", () => {
    expect(view(...again, [61, agentStarted("content_review")]).message).toBe(
      "Working: Content review. Taking longer than expected, running once more: Integration health.",
    );
  });

  test("says whose result could not be read", () => {
    const unreadable: Past[] = [
      [70, quarantined("geo_audit")],
      [70, rerunRequested(2, ["geo_audit"], "invalid_result")],
    ];
    expect(view(...running(), ...unreadable).message).toBe(
      "The result could not be read, running once more: GEO audit.",
    );
    expect(view(...again, ...unreadable, [70, postponed(90)]).message).toBe(
      [
        "Taking longer than expected, running once more: Integration health.",
        "The result could not be read, running once more: GEO audit.",
        "Waiting for the circuit breaker: OPAL has not been answering.",
      ].join(" "),
    );
  });

  test("says for whom an earlier result stands in, also while that agent runs once more", () => {
    const standing: Past[] = [
      [60, agentTimedOut(FIRST, 60_000)],
      [60, fallbackUsed(FIRST)],
    ];
    expect(view(...running(), ...standing).message).toBe("An earlier result stands in for: Integration health.");
    expect(view(...running(), ...standing, [61, rerunRequested(1, [FIRST], "asked_for")]).message).toBe(
      "Taking longer than expected, running once more: Integration health. An earlier result stands in for: Integration health.",
    );
  });

  test("says that the call for it has to wait", () => {
    expect(view(...again, [60, postponed(90, "switched_off")])).toMatchObject({
      nextAttemptAt: at(90),
      message:
        "Taking longer than expected, running once more: Integration health. Waiting: triggering is switched off.",
    });
  });

  test("shows the agent with its deadline once OPAL has accepted that, and without an end", () => {
    expect(agent(FIRST, ...again)).toMatchObject({
      state: "rerunning",
      deadlineAt: null,
      endedAt: null,
      confidence: null,
    });
    const working: Past[] = [
      [61, called(2, 1)],
      [62, accepted(2)],
    ];
    expect(agent(FIRST, ...again, ...working)).toMatchObject({ state: "rerunning", deadlineAt: at(122) });
  });

  test("counts the calls of its start and of its re-runs in one list, each with its purpose", () => {
    expect(view(...again, [60, called(2, 1)]).attempts).toMatchObject([
      { attempt: 1, rerun: null, state: "accepted" },
      { attempt: 2, rerun: 1, state: "calling" },
    ]);
  });

  test("shows no agent as running once more when it has ended", () => {
    const over = view(...again, [90, ended("cancelled", "cancelled_by_operator")]);
    expect(over.agents.map(({ state }) => state)).toEqual(["timed_out", ...Array(8).fill("skipped")]);
  });
});

test("a run that OPAL had accepted does not tell its end by a re-run's failed call", () => {
  const failed: Past[] = [
    [60, called(2, 1)],
    [61, callFell(2, "http_4xx", null, 422)],
    [61, ended("failed", "no_agent_completed")],
  ];
  expect(view(...again, ...failed).message).toBe("No agent completed.");
});

describe("an agent's re-runs", () => {
  test("are counted, whoever asked for them, beside how many there may be", () => {
    expect(agent(FIRST, ...running())).toMatchObject({ reruns: 0, rerunsAllowed: 2 });
    expect(agent(FIRST, ...again)).toMatchObject({ reruns: 1, rerunsAllowed: 2 });
    const twice: Past[] = [
      [61, { type: "rerun_over", rerun: 1 }],
      [62, rerunRequested(2, [FIRST, "geo_audit"], "asked_for")],
    ];
    expect(agent(FIRST, ...again, ...twice)).toMatchObject({ reruns: 2 });
    expect(agent("content_review", ...again, ...twice)).toMatchObject({ reruns: 0 });
  });
});

describe("a result that stands in", () => {
  const standing: Past[] = [
    [60, agentTimedOut(FIRST, 60_000)],
    [60, fallbackUsed(FIRST, { confidence: 0.72 })],
  ];

  test("is shown beside the agent, never as its own", () => {
    expect(agent(FIRST, ...running(), ...standing)).toMatchObject({
      ...{ state: "timed_out", confidence: null, resultId: null, isBelowThreshold: false },
      fallback: {
        method: "cached_data",
        fromSessionId: "sync-1767600000000-zzzzz",
        result: { bodyId: "whd_0.result", confidence: 0.72 },
      },
    });
    expect(view(...running(), ...standing)).toMatchObject({ completedAgents: 0, progressPercent: 0 });
  });

  test("stays shown while the agent runs once more", () => {
    expect(agent(FIRST, ...running(), ...standing, [61, rerunRequested(1, [FIRST], "asked_for")])).toMatchObject({
      ...{ state: "rerunning", fallback: { method: "cached_data" } },
    });
  });

  test("is gone once the agent has delivered", () => {
    expect(agent(FIRST, ...running(), ...standing, [70, agentCompleted(FIRST)])).toMatchObject({
      ...{ state: "completed", isLate: true, fallback: null },
    });
  });

  test("is counted in the words for the end", () => {
    const other: Past[] = [
      [70, quarantined("geo_audit")],
      [70, fallbackUsed("geo_audit")],
    ];
    const end: Past = [80, ended("partially_completed", "some_agents_completed")];
    expect(view(...running(), ...standing, end).message).toBe(
      "Some agents gave no result. Earlier results stand in for 1 of them, marked as cached.",
    );
    expect(view(...running(), ...standing, ...other, end).message).toBe(
      "Some agents gave no result. Earlier results stand in for 2 of them, marked as cached.",
    );
    expect(view(...running(), end).message).toBe("Some agents gave no result.");
  });

  test("for an agent that has none is none", () => {
    expect(agent(FIRST, ...running(), [60, agentTimedOut(FIRST, 60_000)])).toMatchObject({ fallback: null });
    expect(agent("geo_audit", ...running())).toMatchObject({ fallback: null, reason: null });
  });
});

describe("a refused credential", () => {
  const stopped: Past = [3, ended("failed", "credential_refused")];

  test("is shown by its name and never by its value, with the way on", () => {
    const calling: Past[] = [
      [0, requested()],
      [0, called(1)],
      [3, callFell(1, "http_auth", null, 403)],
    ];
    expect(view(...calling, [3, credentialRefused(403)], stopped)).toMatchObject({
      credential: { credential: CREDENTIAL.name, fingerprint: CREDENTIAL.fingerprint, httpStatus: 403, at: at(3) },
      message: `A credential was refused; the run was stopped. ${CREDENTIAL.name} was not accepted (HTTP 403). Check it, then resume the run.`,
      isResumable: true,
    });
  });

  test("that an agent reported has no status", () => {
    expect(view(...running(), [3, credentialRefused(null, "geo_audit")], stopped).message).toBe(
      `A credential was refused; the run was stopped. ${CREDENTIAL.name} was not accepted. Check it, then resume the run.`,
    );
  });

  test("is not in the words for another end", () => {
    const partly: Past = [90, ended("partially_completed", "some_agents_completed")];
    expect(view(...again, [61, credentialRefused()], partly)).toMatchObject({
      ...{ message: "Some agents gave no result.", isResumable: true },
    });
  });

  test("is shown beside who has to look at it", () => {
    const told: Past = [3, { type: "escalated", because: "credential_refused", agentId: null, count: 1 }];
    expect(view(...running(), [3, credentialRefused()], told, stopped).escalations).toEqual([
      { because: "credential_refused", agentId: null, count: 1, at: at(3) },
    ]);
  });
});

describe("a run that was not accepted in time", () => {
  test("tells its last failure, when it had one", () => {
    const late: Past = [1_800, ended("failed", "start_deadline")];
    const failed: Past[] = [
      [0, called(1)],
      [1, callFell(1, "http_429", 1_900, 429)],
    ];
    expect(view([0, requested()], ...failed, late).message).toBe(
      "OPAL did not accept the run in time. Last attempt: OPAL asked us to slow down (HTTP 429).",
    );
    expect(view([0, requested()], [0, postponed(1_900)], late).message).toBe("OPAL did not accept the run in time.");
  });
});

test("a run that was withdrawn says so", () => {
  expect(view([0, requested()], [0, ended("cancelled", "withdrawn_from_queue")]).message).toBe(
    "Withdrawn while it waited for its turn.",
  );
});

describe("another attempt", () => {
  const ends: readonly (readonly [EndStatus, EndReason, boolean])[] = [
    ["completed", "all_agents_completed", false],
    ["partially_completed", "some_agents_completed", true],
    ["failed", "no_agent_completed", true],
    ["cancelled", "cancelled_by_operator", true],
    ["cancelled", "withdrawn_from_queue", true],
    ["timed_out", "inactivity", true],
  ];

  test.each(ends)("may follow unless all agents completed: %s, %s", (status, reason, isRetriable) => {
    expect(view(...running(), [90, ended(status, reason)])).toMatchObject({ isRetriable, isResumable: false });
    expect(view(...running(), [80, credentialRefused()], [90, ended(status, reason)])).toMatchObject({
      ...{ isRetriable, isResumable: isRetriable },
    });
  });

  test("may not follow while the run goes on", () => {
    expect(view([0, requested()])).toMatchObject({ isRetriable: false, isResumable: false });
    expect(view(...running(), [80, credentialRefused()])).toMatchObject({ isRetriable: false, isResumable: false });
  });

  test("of a workflow that OPAL started by itself is not ours to make", () => {
    const foreign: Past[] = [
      [0, adopted("opal-1")],
      [80, credentialRefused(null, "geo_audit")],
      [90, ended("failed", "credential_refused")],
    ];
    expect(view(...foreign)).toMatchObject({ isRetriable: false, isResumable: false });
  });
});

test("what the request says of its origin is shown", () => {
  const lineage: Lineage = { rootId: "sync-1", attempt: 2, retryOf: "sync-1", how: "retry", failedOnly: true };
  const carried: CarriedResult = { sessionId: "sync-1", agentId: "geo_audit", result: result(), at: at(-90) };
  const request: RunRequest = {
    ...PLAN,
    ...({ source: "scheduled", priority: "high", timeoutOverrideMs: 90_000 } as const),
    ...{ agentFilter: [FIRST], lineage, carriedOver: [carried] },
  };
  expect(view([0, requested(request)])).toMatchObject({
    ...{ source: "scheduled", priority: "high", agentFilter: [FIRST], timeoutOverrideMs: 90_000 },
    ...{ lineage, carriedOver: [carried] },
  });
  expect(view([0, requested()])).toMatchObject({
    source: "force_sync",
    lineage: null,
    carriedOver: [],
    agentFilter: null,
  });
});
