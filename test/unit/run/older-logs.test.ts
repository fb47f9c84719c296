// Logs from before rules, readings and re-runs were recorded: they can still be read, folded, shown and gone on with.
import { describe, expect, test } from "vitest";
import { deadlines } from "../../../src/sync/run/deadlines.ts";
import { decide } from "../../../src/sync/run/decide.ts";
import { type RunEvent, runEvent } from "../../../src/sync/run/events.ts";
import { explainAgent, explainRun } from "../../../src/sync/run/explain.ts";
import { fold } from "../../../src/sync/run/reduce.ts";
import type { KnownRun } from "../../../src/sync/run/state.ts";
import { viewRun } from "../../../src/sync/run/view.ts";
import { callFailed, deliver, says, WAKE } from "../../support/node/given.ts";

const T = 1_767_603_600_000;

const FACTS = `"workspace":"default","sessionId":"sync-1767603600000-abcde","correlationId":"force-sync-1767603600000-abcde",
  "workflowId":"workflow-1767603600000-abcde","scope":"quick","client":{"name":"Acme","industry":"Retail"},"actor":"operator",
  "workflow":{"order":"sequence","agents":[
    {"id":"integration_health","phase":1,"limitMs":60000,"usualMs":40000,"confidenceThreshold":0.95},
    {"id":"geo_audit","phase":1,"limitMs":150000,"usualMs":60000,"confidenceThreshold":0.85},
    {"id":"cmp_organizer","phase":1,"limitMs":180000,"usualMs":50000,"confidenceThreshold":0.8}]},
  "limits":{"runMs":1800000,"inactivityMs":600000,"closingMs":30000,"callMs":45000}`;

const RESULT = `"bytes":200,"sha256":"aa","insights":1,"recommendations":2,"reportedAt":null`;

/** Exactly as version 1 wrote them, one event a line. */
const LOG = `
{"type":"requested",${FACTS},"seq":1,"at":1767603600000,"version":1}
{"type":"attempt_started","attempt":1,"seq":2,"at":1767603600001,"version":1}
{"type":"attempt_failed","attempt":1,"failure":"http_5xx","httpStatus":503,"retryAt":1767603602000,"seq":3,"at":1767603601000,"version":1}
{"type":"attempt_started","attempt":2,"seq":4,"at":1767603602000,"version":1}
{"type":"delivery_recorded","deliveryId":"whd_1","remoteId":"opal-1","agentId":"integration_health","source":"opal","eventType":"agent.started","bytes":90,"sha256":"bb","verdict":"processed","reason":null,"receivedAt":1767603603000,"secret":"current","seq":5,"at":1767603603000,"version":1}
{"type":"remote_bound","remoteId":"opal-1","boundBy":"correlation","seq":6,"at":1767603603000,"version":1}
{"type":"accepted_by_delivery","deliveryId":"whd_1","seq":7,"at":1767603603000,"version":1}
{"type":"agent_started","agentId":"integration_health","deliveryId":"whd_1","seq":8,"at":1767603603000,"version":1}
{"type":"attempt_accepted","attempt":2,"httpStatus":202,"seq":9,"at":1767603604000,"version":1}
{"type":"agent_timed_out","agentId":"integration_health","limitMs":60000,"seq":10,"at":1767603663000,"version":1}
{"type":"delivery_recorded","deliveryId":"whd_2","remoteId":"opal-1","agentId":"integration_health","source":"opal","eventType":"agent.completed","bytes":90,"sha256":"cc","verdict":"late","reason":"agent_given_up","receivedAt":1767603670000,"secret":"current","seq":11,"at":1767603670000,"version":1}
{"type":"agent_completed","agentId":"integration_health","deliveryId":"whd_2","result":{"bodyId":"whd_2.result","family":"shared","confidence":0.97,${RESULT}},"seq":12,"at":1767603670000,"version":1}
{"type":"delivery_recorded","deliveryId":"whd_3","remoteId":"opal-1","agentId":"geo_audit","source":"opal","eventType":"agent.completed","bytes":90,"sha256":"dd","verdict":"quarantined","reason":"unrecognised_result","receivedAt":1767603700000,"secret":"current","seq":13,"at":1767603700000,"version":1}
{"type":"agent_completed","agentId":"geo_audit","deliveryId":"whd_3","result":{"bodyId":"whd_3.result","family":"unrecognised","confidence":null,${RESULT}},"seq":14,"at":1767603700000,"version":1}
{"type":"delivery_recorded","deliveryId":"whd_4","remoteId":"opal-1","agentId":"cmp_organizer","source":"opal","eventType":"agent.failed","bytes":90,"sha256":"ee","verdict":"processed","reason":null,"receivedAt":1767603720000,"secret":"current","seq":15,"at":1767603720000,"version":1}
{"type":"agent_failed","agentId":"cmp_organizer","deliveryId":"whd_4","reason":"reported_failure","result":{"bodyId":"whd_4.result","family":"none","confidence":null,${RESULT}},"seq":16,"at":1767603720000,"version":1}
{"type":"ended","status":"partially_completed","reason":"some_agents_completed","seq":17,"at":1767603720000,"version":1}
{"type":"delivery_recorded","deliveryId":"whd_5","remoteId":"opal-1","agentId":"cmp_organizer","source":"opal","eventType":"agent.completed","bytes":90,"sha256":"ff","verdict":"late","reason":"run_ended","receivedAt":1767603800000,"secret":"current","seq":18,"at":1767603800000,"version":1}
{"type":"result_attached","agentId":"cmp_organizer","deliveryId":"whd_5","result":{"bodyId":"whd_5.result","family":"shared","confidence":0.8,${RESULT}},"seq":19,"at":1767603800000,"version":1}
`;

const log: readonly RunEvent[] = LOG.trim()
  .split("\n{")
  .map((line, index) => runEvent.parse(JSON.parse(index === 0 ? line : `{${line}`)));

function runAfter(seq: number): KnownRun {
  const run = fold(log.slice(0, seq));
  if (run.status === "absent") throw new Error("there is no run");
  return run;
}

test("is read with what was not recorded left open", () => {
  expect(log).toHaveLength(19);
  for (const event of log) expect(event).toMatchObject({ version: 1, rule: "unrecorded", causedBy: null });
  expect(log[0]).toMatchObject({
    ...{ source: "force_sync", priority: "normal", agentFilter: null, timeoutOverrideMs: null, lineage: null },
    ...{ carriedOver: [], agentPasts: [], limits: { startMs: 2_100_000, runMs: 1_800_000 } },
  });
  expect(log[1]).toMatchObject({ type: "attempt_started", rerun: null });
  expect(log[4]).toMatchObject({ type: "delivery_recorded", reading: null });
  expect(log[5]).toMatchObject({ type: "remote_bound", rerun: null });
  expect(log[6]).toMatchObject({ type: "accepted_by_delivery", rerun: null });
});

test("folds to the run that it told of", () => {
  expect(runAfter(19)).toMatchObject({
    ...{ status: "partially_completed", reason: "some_agents_completed", origin: "ours", seq: 19 },
    ...{ requestedAt: T, acceptedAt: T + 3_000, endedAt: T + 120_000, updatedAt: T + 200_000 },
    ...{ remoteIds: ["opal-1"], doubleStarts: 0, phase: 1, attachedCount: 1, lastDeliveryAt: T + 200_000 },
    ...{ postponed: null, reruns: [], escalations: [], credential: null, retriedAs: [] },
    deliveries: { processed: 2, late: 2, ignored: 0, quarantined: 1 },
    reportedEnds: ["integration_health", "geo_audit", "cmp_organizer"],
    attempts: [
      { attempt: 1, rerun: null, state: "failed", failure: "http_5xx", httpStatus: 503, retryAt: T + 2_000 },
      { attempt: 2, rerun: null, state: "accepted", httpStatus: 202 },
    ],
    agents: {
      integration_health: { state: "completed", late: true, startedAt: T + 3_000, endedAt: T + 70_000, rerun: null },
      geo_audit: { state: "completed", late: false, endedAt: T + 100_000 },
      cmp_organizer: { state: "failed", reason: "reported_failure", fallback: null },
    },
  });
});

describe("is shown", () => {
  test("without what its time did not know", () => {
    expect(viewRun(runAfter(19))).toMatchObject({
      ...{ source: "force_sync", priority: "normal", lineage: null, retriedAs: [], carriedOver: [], reruns: [] },
      ...{ postponed: null, escalations: [], credential: null, isResumable: false, isRetriable: true },
      message: "Some agents gave no result.",
    });
  });

  test("with a result of an unknown shape marked as such, though its agent counted as completed then", () => {
    const view = viewRun(runAfter(19));
    expect(view.agents.find(({ id }) => id === "geo_audit")).toMatchObject({
      ...{ state: "completed", isQuarantined: true, fallback: null, reruns: 0 },
    });
    expect(view.agents.filter(({ isQuarantined }) => isQuarantined)).toHaveLength(1);
  });

  test("with explanations that say that nothing was recorded", () => {
    expect(explainRun(log.slice(0, 17))).toMatchObject([{ seq: 17, type: "ended", rule: "unrecorded" }]);
    expect(explainAgent(log, "geo_audit")).toMatchObject([{ seq: 14, rule: "unrecorded" }]);
  });
});

describe("can be gone on with", () => {
  test("while it waits for a retry", () => {
    const waiting = runAfter(3);
    expect(deadlines(waiting)).toEqual([
      { what: "attempt", at: T + 2_000, rerun: null },
      { what: "start", at: T + 2_100_000 },
    ]);
    const called = decide(waiting, { type: "begin_attempt" }, T + 2_000);
    if (!called.ok) throw new Error("it should be called");
    expect(called.events).toMatchObject([{ type: "attempt_started", attempt: 2, version: 2, causedBy: 3 }]);
    const failed = decide(called.run, callFailed("http_5xx", { jitter: 0.5 }), T + 3_000);
    expect(failed).toMatchObject({ events: [{ type: "attempt_failed", retryAt: T + 5_000, causedBy: 4 }] });
  });

  test("while it runs: an agent over its limit is run once more by today's rules", () => {
    const decision = decide(runAfter(9), WAKE, T + 63_000);
    expect(decision).toMatchObject({
      events: [
        { type: "agent_timed_out", agentId: "integration_health", rule: "agent_limit", causedBy: 8 },
        { type: "rerun_requested", agents: ["integration_health"], causedBy: 10 },
      ],
    });
  });

  test("while it runs: a result that was quarantined then gives way to a valid one", () => {
    const decision = decide(runAfter(14), deliver(says("geo_audit", "completed", { sha256: "ab" })), T + 110_000);
    expect(decision).toMatchObject({
      events: [{ type: "delivery_recorded" }, { type: "agent_completed" }],
      run: { agents: { geo_audit: { result: { family: "shared" } } } },
    });
  });

  test("after its end: it can be repeated", () => {
    const decision = decide(
      runAfter(19),
      { type: "mark_retried", bySessionId: "sync-2", attempt: 2, how: "retry", actor: "operator" },
      T + 900_000,
    );
    expect(decision).toMatchObject({ run: { retriedAs: [{ sessionId: "sync-2" }] } });
  });
});

test("a workflow that OPAL started by itself is read as well", () => {
  const adopted = runEvent.parse(
    JSON.parse(`{"type":"adopted",${FACTS},"remoteId":"opal-7","seq":1,"at":${T},"version":1}`),
  );
  expect(fold([adopted])).toMatchObject({ status: "running", origin: "foreign", remoteIds: ["opal-7"], acceptedAt: T });
});

test("an event of a type that nobody knows is refused where the log is read", () => {
  expect(runEvent.safeParse({ type: "invented_later", seq: 2, at: 1, version: 9 }).success).toBe(false);
});
