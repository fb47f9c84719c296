import { afterEach, describe, expect, test } from "vitest";
import {
  API_KEY,
  call,
  cancel,
  eventually,
  opalLedger,
  runningSync,
  send,
  status,
  trigger,
} from "../support/worker/client.ts";
import { fixLuck, stopClock } from "../support/worker/faults.ts";
import { passTimeUntil, sessionObject, startOver } from "../support/worker/objects.ts";

afterEach(startOver);

/** The one call that OPAL received for a run. */
async function callFor(sessionId: string) {
  const [received] = await eventually(
    () => opalLedger(sessionId),
    (calls) => calls.length > 0,
  );
  if (received === undefined) throw new Error("OPAL was not called");
  return { ...received, document: JSON.parse(received.body) };
}

describe("OPAL receives", () => {
  test("our key, a signature over the very bytes, and our ids in body and headers", async () => {
    const run = await runningSync();
    const { headers, document, isSigned } = await callFor(run.session_id);
    expect(isSigned).toBe(true);
    expect(headers).toMatchObject({
      authorization: "Bearer test-opal-bearer-key-of-forty-characters",
      "content-type": "application/json",
      "idempotency-key": run.session_id,
      "x-correlation-id": run.correlation_id,
    });
    expect(document).toMatchObject({
      workflow_name: "strategy_workflow",
      correlation_id: run.correlation_id,
      metadata: { correlation_id: run.correlation_id, session_id: run.session_id },
    });
  });

  test("who the sync is for", async () => {
    const client_context = { client_name: "Größe & Söhne ok", industry: "retail" };
    const { body } = await call("POST", "/api/force-sync/trigger", { body: { client_context } });
    const { document, isSigned } = await callFor(body.session_id);
    expect(document).toMatchObject({ client_name: client_context.client_name, input_data: client_context });
    expect(isSigned).toBe(true);
  });

  test("the same Idempotency-Key, correlation id and client on every attempt, each signed anew", async () => {
    stopClock();
    fixLuck(0);
    const { body } = await trigger("503 reset 429 ok");
    // After three failures the circuit breaker makes the fourth attempt wait.
    await passTimeUntil(
      [sessionObject(body.session_id)],
      () => status(body.session_id),
      (run) => run.state === "running",
    );
    const calls = await opalLedger(body.session_id);
    expect(calls.map((received) => received.step)).toEqual(["503", "reset", "429", "ok"]);
    expect(new Set(calls.map((received) => received.headers["idempotency-key"]))).toEqual(new Set([body.session_id]));
    expect(new Set(calls.map((received) => received.correlationId))).toEqual(new Set([body.correlation_id]));
    expect(calls.every((received) => received.isSigned)).toBe(true);
    expect(calls.map((received) => JSON.parse(received.body).metadata.attempt)).toEqual([1, 2, 3, 4]);
  });

  test("nothing of the caller: no address, no browser, no cookie, no key", async () => {
    const personal = {
      "CF-Connecting-IP": "203.0.113.9",
      "X-Forwarded-For": "203.0.113.9",
      "X-Real-IP": "203.0.113.9",
      "User-Agent": "An Operators Browser",
      "Accept-Language": "tlh",
      Cookie: "somebody=else-entirely",
      Referer: "https://intranet.example/dashboards",
    };
    const answer = await send("/api/force-sync/trigger", {
      method: "POST",
      headers: { Authorization: `Bearer ${API_KEY}`, ...personal },
    });
    const { headers, body } = await callFor(answer.body.session_id);
    const everything = JSON.stringify(headers) + body;
    for (const value of [...Object.values(personal), API_KEY]) expect(everything).not.toContain(value);
  });

  test.for([
    ["quick", "priority_platforms"],
    ["full", "all_platforms"],
    ["priority_platforms", "priority_platforms"],
    ["odp_only", "odp_only"],
    ["content_platforms", "content_platforms"],
  ] as const)("the scope %s as %s", async ([ours, atOpal]) => {
    const { body } = await call("POST", "/api/force-sync/trigger", { body: { sync_scope: ours } });
    expect((await callFor(body.session_id)).document.input_data.sync_scope).toBe(atOpal);
    expect((await status(body.session_id)).sync_scope).toBe(ours);
    await cancel(body.session_id);
  });
});
