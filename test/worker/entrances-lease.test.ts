// Every entrance starts its run by the one engine: same lease, same keys, same refusals.
import { afterEach, describe, expect, test } from "vitest";
import { API_KEY, call, cancel, eventually, opalLedger, send, status } from "../support/worker/client.ts";
import { settled, startOver, workspaceObject } from "../support/worker/objects.ts";

afterEach(startOver);

const TRIGGER = { path: "/api/force-sync/trigger", code: 200, body: {}, other: { sync_scope: "full" } };
const NEW = [
  { path: "/api/opal/sync", code: 200, body: {}, other: { sync_scope: "odp_only" } },
  {
    path: "/api/orchestrations/trigger",
    code: 200,
    body: { workflow_name: "strategy_workflow" },
    other: { workflow_name: "strategy_workflow", client_name: "Somebody else" },
  },
  {
    path: "/api/opal/trigger",
    code: 201,
    body: {
      ...{ workflow_type: "quick_assessment", priority: "medium", context: { business_objectives: ["More leads"] } },
    },
    other: {
      ...{ workflow_type: "quick_assessment", priority: "medium", context: { business_objectives: ["Fewer leads"] } },
    },
  },
] as const;
const ENTRANCES = [TRIGGER, ...NEW];

async function runCount(): Promise<number> {
  return (await workspaceObject().overview()).runs.length;
}

describe.for(NEW)("POST $path", ({ path, code, body, other }) => {
  const start = (headers: HeadersInit = {}, sent: unknown = body) => call("POST", path, { body: sent, headers });

  test("starts one run and calls OPAL once", async () => {
    const { status: answered, body: run, headers } = await start();
    expect([answered, run.success]).toEqual([code, true]);
    expect(headers.get("Location")).toBe(`/api/force-sync/status/${run.session_id}`);
    expect(headers.get("Cache-Control")).toBe("no-store");
    const running = await eventually(
      () => status(run.session_id),
      (now) => now.state === "running",
    );
    expect(running).toMatchObject({ correlation_id: run.correlation_id, triggered_by: "development key" });
    expect([(await opalLedger(run.session_id)).length, await runCount()]).toEqual([1, 1]);
  });

  test.for(ENTRANCES)("is refused while a run of $path is under way, and refuses in turn", async (first) => {
    const held = await call("POST", first.path, { body: first.body });
    expect(held.status).toBe(first.code);
    const refused = await start();
    expect(refused.status).toBe(409);
    expect(refused.headers.get("Content-Type")).toBe("application/problem+json");
    expect(refused.body).toMatchObject({ success: false, error: "conflict", code: "run_active" });
    expect(refused.body).toMatchObject({ message: expect.any(String), active_session: held.body.session_id });
    expect(await runCount()).toBe(1);
    await cancel(held.body.session_id);
    await settled(held.body.session_id);
    const { body: mine } = await start();
    const inTurn = await call("POST", first.path, { body: first.body });
    expect([inTurn.status, inTurn.body.active_session]).toEqual([409, mine.session_id]);
  });

  test("of many at once, through every entrance, starts one", async () => {
    const answers = await Promise.all(
      [...ENTRANCES, ...ENTRANCES].map((entrance) => call("POST", entrance.path, { body: entrance.body })),
    );
    expect(answers.filter((answer) => answer.status === 409)).toHaveLength(answers.length - 1);
    expect(await runCount()).toBe(1);
  });

  test("answers the same to the same key, and refuses it for another request or entrance", async () => {
    const key = { "Idempotency-Key": "the-callers-own" };
    const first = await start(key);
    expect(first.headers.has("Idempotent-Replayed")).toBe(false);
    const again = await start(key);
    expect([again.status, again.headers.get("Idempotent-Replayed")]).toEqual([code, "true"]);
    expect(again.body).toMatchObject({ session_id: first.body.session_id, status: first.body.status });
    const another = await start(key, other);
    const elsewhere = await call("POST", TRIGGER.path, { body: {}, headers: key });
    for (const refused of [another, elsewhere]) {
      expect([refused.status, refused.body.code]).toEqual([422, "idempotency_key_reused"]);
    }
    expect(await runCount()).toBe(1);
  });

  test("waits for its turn when it may, and then refuses the next one", async () => {
    const { body: holder } = await call("POST", TRIGGER.path, { body: {} });
    const waiting = await start({}, { ...body, on_busy: "queue" });
    expect(waiting.status).toBe(code === 201 ? 201 : 202);
    expect((await status(waiting.body.session_id)).state).toBe("queued");
    expect((await start({}, { ...body, on_busy: "queue" })).body.code).toBe("queue_full");
    await cancel(holder.session_id);
    await eventually(
      () => status(waiting.body.session_id),
      (run) => run.state === "running",
    );
    expect(await opalLedger(waiting.body.session_id)).toHaveLength(1);
  });

  test("is refused while all triggering is switched off", async () => {
    await workspaceObject().switchOff("admin", "Maintenance");
    const refused = await start();
    expect([refused.status, refused.body.code]).toEqual([503, "triggering_disabled"]);
    expect(refused.body).toMatchObject({ success: false, error: "service_unavailable", disabled_by: "admin" });
    expect(await runCount()).toBe(0);
  });

  test("is refused to nobody", async () => {
    const headers = { "Content-Type": "application/json" };
    const refused = await send(path, { method: "POST", headers, body: JSON.stringify(body) });
    expect([refused.status, refused.body.code]).toEqual([401, "authentication_failed"]);
    expect(refused.headers.get("WWW-Authenticate")).toContain("Bearer");
    expect(await runCount()).toBe(0);
  });

  test.for([
    ["no JSON", "{workflow", "application/json", 400, "unreadable_body"],
    ["a form", "a=b", "application/x-www-form-urlencoded", 415, "unsupported_media_type"],
    ["more than 64 KiB", JSON.stringify(" ".repeat(64 * 1024)), "application/json", 413, "payload_too_large"],
    ["a list", "[]", "application/json", 400, "validation_failed"],
    [
      "a field that nobody knows",
      JSON.stringify({ ...body, nonsense: 1 }),
      "application/json",
      400,
      "validation_failed",
    ],
  ] as const)("refuses %s", async ([, sent, type, expected, problem]) => {
    const headers = { Authorization: `Bearer ${API_KEY}`, "Content-Type": type };
    const refused = await send(path, { method: "POST", headers, body: sent });
    expect([refused.status, refused.body.code]).toEqual([expected, problem]);
    expect(await runCount()).toBe(0);
  });

  test("points at a field that nobody knows, and at a key with spaces", async () => {
    expect((await start({}, { ...body, "a/b": 1 })).body.errors).toEqual([
      { pointer: "/a~1b", detail: "is not a known field" },
    ]);
    const refused = await start({ "Idempotency-Key": "with spaces" });
    expect([refused.status, refused.body.errors[0].pointer]).toEqual([400, "Idempotency-Key"]);
  });
});
