import { abortAllDurableObjects } from "cloudflare:test";
import { afterEach, describe, expect, test, vi } from "vitest";
import {
  agentEvent,
  allAgentsReport,
  call,
  callsGivenUp,
  cancel,
  eventually,
  opalLedger,
  runningSync,
  status,
  trigger,
  webhook,
} from "../support/worker/client.ts";
import { advanceClock, fixLuck, stopClock } from "../support/worker/faults.ts";
import {
  alarmOf,
  eventTypes,
  ring,
  sessionObject,
  settled,
  startOver,
  workspaceObject,
} from "../support/worker/objects.ts";

afterEach(startOver);

async function freeLease(): Promise<void> {
  await eventually(
    () => workspaceObject().overview(),
    (overview) => overview.activeSessionId === null,
  );
}

describe("cancelling", () => {
  test("before the first call: OPAL is never called", async () => {
    stopClock();
    // Alarms follow the real clock, which is now an hour behind.
    advanceClock(60 * 60_000);
    const { body } = await trigger();
    expect((await cancel(body.session_id)).body).toMatchObject({ confirmed: true, state: "cancelled" });
    await ring(sessionObject(body.session_id));
    expect(await opalLedger(body.session_id)).toEqual([]);
    expect(await eventTypes(body.session_id)).toEqual(["requested", "cancel_requested", "ended"]);
  });

  test("while the run waits for its next attempt: confirmed at once, and OPAL gets no more calls", async () => {
    stopClock();
    fixLuck(0.9);
    const { body } = await trigger("503 ok");
    await eventually(
      () => status(body.session_id),
      (run) => run.attempts[0]?.state === "failed",
    );
    const answer = await cancel(body.session_id);
    expect(answer.status).toBe(200);
    expect(answer.body).toMatchObject({
      ...{ success: true, confirmed: true, cancelled: true, status: "failed", state: "cancelled" },
      ...{ session_id: body.session_id, reason: "cancelled_by_operator" },
    });
    await settled(body.session_id);
    expect(await alarmOf(sessionObject(body.session_id))).toBeNull();
    advanceClock(60 * 60_000);
    await ring(sessionObject(body.session_id));
    expect(await opalLedger(body.session_id)).toHaveLength(1);
    expect((await status(body.session_id)).state).toBe("cancelled");
  });

  test("during a call: the call is given up, and the cancel is confirmed when it has ended", async () => {
    const { body } = await trigger("hang ok");
    await eventually(
      () => opalLedger(body.session_id),
      (calls) => calls.length === 1,
    );
    const answer = await cancel(body.session_id);
    expect(answer.body).toMatchObject({ confirmed: true, state: "cancelled" });
    await eventually(
      () => callsGivenUp(body.session_id),
      (times) => times === 1,
    );
    const run = await status(body.session_id);
    expect(run.attempts).toMatchObject([{ state: "failed", error_class: "aborted", next_attempt_at: null }]);
    expect(await opalLedger(body.session_id)).toHaveLength(1);
  });

  test("while OPAL's answer does not come to its end: the call is given up just so", async () => {
    const { body } = await trigger("stall");
    await eventually(
      () => opalLedger(body.session_id),
      (calls) => calls.length === 1,
    );
    const startedAt = performance.now();
    expect((await cancel(body.session_id)).body).toMatchObject({ confirmed: true, state: "cancelled" });
    expect(performance.now() - startedAt).toBeLessThan(1_000);
  });

  test("while OPAL runs it: nothing is sent, the run is over", async () => {
    const run = await runningSync();
    expect((await cancel(run.session_id)).body).toMatchObject({ confirmed: true, state: "cancelled" });
    expect(await opalLedger(run.session_id)).toHaveLength(1);
    expect((await status(run.session_id)).agents[0]).toMatchObject({ status: "skipped" });
  });

  test("twice is answered twice with the same end", async () => {
    const run = await runningSync();
    const first = await cancel(run.session_id);
    const second = await cancel(run.session_id);
    expect([second.status, second.body]).toEqual([200, first.body]);
    expect((await eventTypes(run.session_id)).filter((type) => type === "ended")).toHaveLength(1);
  });

  test("twenty times at once ends the run once", async () => {
    const run = await runningSync();
    const answers = await Promise.all(Array.from({ length: 20 }, () => cancel(run.session_id)));
    expect(new Set(answers.map((answer) => answer.status))).toEqual(new Set([200]));
    const types = await eventTypes(run.session_id);
    expect(types.filter((type) => type === "cancel_requested" || type === "ended")).toEqual([
      "cancel_requested",
      "ended",
    ]);
  });

  test("a run that has ended by itself is refused, and says how it ended", async () => {
    const run = await runningSync();
    await allAgentsReport(run);
    const answer = await cancel(run.session_id);
    expect([answer.status, answer.body.code, answer.body.state]).toEqual([409, "run_ended", "completed"]);
    expect((await status(run.session_id)).state).toBe("completed");
  });

  test("frees the lease for the next run", async () => {
    const run = await runningSync();
    expect((await trigger()).status).toBe(409);
    await cancel(run.session_id);
    await freeLease();
    const next = await trigger();
    expect([next.status, next.body.session_id === run.session_id]).toEqual([200, false]);
  });
});

describe("a call that does not end when it is given up", () => {
  /** OPAL's answer, in the test's hands; it comes whether or not anybody still waits for it. */
  function stubbornOpal(): (answer: Response) => void {
    let answerNow: (answer: Response) => void = () => {};
    const answer = new Promise<Response>((resolve) => {
      answerNow = resolve;
    });
    vi.spyOn(globalThis, "fetch").mockImplementationOnce(() => answer);
    return answerNow;
  }

  test("leaves the cancel unconfirmed, also when asked again, until it has ended", async () => {
    const answerNow = stubbornOpal();
    const { body } = await trigger();
    await eventually(
      () => eventTypes(body.session_id),
      (types) => types.includes("attempt_started"),
    );
    const answers = await Promise.all([cancel(body.session_id), cancel(body.session_id)]);
    for (const answer of answers) {
      expect(answer.status).toBe(200);
      expect(answer.body).toMatchObject({ confirmed: false, state: "requested", cancelling: true });
    }
    expect((await trigger()).status).toBe(409);
    answerNow(new Response(null, { status: 200 }));
    const run = await eventually(
      () => status(body.session_id),
      (now) => now.state !== "requested",
    );
    expect(run).toMatchObject({ state: "cancelled", attempts: [{ state: "accepted" }] });
    expect((await cancel(body.session_id)).body).toMatchObject({ confirmed: true });
    await freeLease();
  });

  test("and is forgotten in a crash ends the run as cancelled all the same", async () => {
    stubbornOpal();
    const { body } = await trigger();
    await eventually(
      () => eventTypes(body.session_id),
      (types) => types.includes("attempt_started"),
    );
    const unconfirmed = cancel(body.session_id);
    await eventually(
      () => eventTypes(body.session_id),
      (types) => types.includes("cancel_requested"),
    );
    await abortAllDurableObjects();
    await unconfirmed;
    expect(await status(body.session_id)).toMatchObject({
      state: "cancelled",
      attempts: [{ error_class: "interrupted", next_attempt_at: null }],
    });
    await freeLease();
  });
});

describe("what comes after a cancel", () => {
  test("is kept and shown, and brings nothing back to life", async () => {
    const run = await runningSync();
    await webhook(agentEvent(run, "integration_health", "started"));
    await cancel(run.session_id);
    const late = await webhook(agentEvent(run, "integration_health"));
    expect(late.status).toBe(202);
    expect(late.body).toMatchObject({ status: "stored", verdict: "late", reason: "run_ended" });
    const over = await webhook({ event_type: "workflow.completed", correlation_id: run.correlation_id });
    expect(over.status).toBe(202);

    const now = await status(run.session_id);
    expect(now).toMatchObject({ state: "cancelled", late_results: 1, completed_agents: 0, deliveries: { late: 2 } });
    const { events } = (await call("GET", `/api/force-sync/events/${run.session_id}`)).body;
    const attached = events.find((event: { type: string }) => event.type === "result_attached");
    expect(attached).toMatchObject({ agentId: "integration_health", deliveryId: late.body.webhook_id });
    const [kept] = await sessionObject(run.session_id).body(attached.result.bodyId);
    expect(new TextDecoder().decode(kept)).toContain("What integration_health found.");
  });

  test("is kept even if it is the whole rest of the run", async () => {
    const run = await runningSync();
    await cancel(run.session_id);
    await allAgentsReport(run);
    expect(await status(run.session_id)).toMatchObject({ state: "cancelled", late_results: 9, progress: 0 });
    await settled(run.session_id);
    expect((await workspaceObject().overview()).activeSessionId).toBeNull();
  });
});
