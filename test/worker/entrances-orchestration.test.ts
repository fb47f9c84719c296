// Starting the workflow by its name.
import { afterEach, describe, expect, test } from "vitest";
import { call, eventually, opalLedger, send, status } from "../support/worker/client.ts";
import { startOver, workspaceObject } from "../support/worker/objects.ts";

afterEach(startOver);

const PATH = "/api/orchestrations/trigger";
const NAMED = { workflow_name: "strategy_workflow" };

test("a start is answered with our ids beside the caller's own, and OPAL hears of its client and agents", async () => {
  const body = { ...NAMED, session_id: "their-session", client_name: "ok Acme", agent_filter: ["geographic_audit"] };
  const answer = await call("POST", PATH, { body });
  const { session_id: id } = answer.body;
  expect(answer.status).toBe(200);
  expect(answer.body).toEqual({
    ...{ success: true, message: expect.any(String), session_id: expect.stringMatching(/^sync-/) },
    ...{
      correlation_id: `force-${id}`,
      workflow_id: id.replace("sync", "workflow"),
      client_session_id: "their-session",
    },
    ...{ workflow_name: "strategy_workflow", status: "started", status_url: `/api/force-sync/status/${id}` },
  });
  const run = await eventually(
    () => status(id),
    (now) => now.state === "running",
  );
  expect(run).toMatchObject({ client_name: "ok Acme", agent_filter: ["geo_audit"], trigger_source: "api" });
  expect(JSON.parse((await opalLedger(id))[0]?.body ?? "")).toMatchObject({ client_name: "ok Acme" });
  expect((await call("GET", "/api/force-sync/status/their-session")).status).toBe(404);
});

test("a start that waits says so", async () => {
  await call("POST", PATH, { body: NAMED });
  const waiting = await call("POST", PATH, { body: { ...NAMED, on_busy: "queue" } });
  expect([waiting.status, waiting.body.status, waiting.body.client_session_id]).toEqual([202, "queued", null]);
});

test.for([
  [{ workflow_name: "another_workflow" }, 403, undefined],
  [{ workflow_name: "" }, 403, undefined],
  [{}, 400, "/workflow_name"],
  [{ ...NAMED, session_id: "../other" }, 400, "/session_id"],
  [{ ...NAMED, agent_filter: ["nobody"] }, 400, "/agent_filter/0"],
  [{ ...NAMED, sync_scope: "full" }, 400, "/sync_scope"],
] as const)("%j is refused with %i", async ([body, expected, pointer]) => {
  const refused = await call("POST", PATH, { body });
  expect([refused.status, refused.body.errors?.[0].pointer]).toEqual([expected, pointer]);
  if (expected === 403) expect(refused.body).toMatchObject({ code: "workflow_not_allowed", error: "access_denied" });
  expect((await workspaceObject().overview()).runs).toEqual([]);
});

describe("the description", () => {
  test("says whether a run could start now, and starts none", async () => {
    const idle = await call("GET", PATH);
    expect(idle.status).toBe(200);
    expect(idle.body).toMatchObject({
      ...{ success: true, endpoint: PATH, workflow_name: "strategy_workflow", ready: true, not_ready: null },
      accepts: { required: ["workflow_name"] },
    });
    const { body: run } = await call("POST", PATH, { body: NAMED });
    expect((await call("GET", PATH)).body).toMatchObject({
      ...{ ready: false, not_ready: "run_active", message: expect.stringContaining(run.session_id) },
    });
    await workspaceObject().switchOff("admin", "Maintenance");
    expect((await call("GET", PATH)).body).toMatchObject({
      ...{ ready: false, not_ready: "triggering_disabled", message: "Maintenance" },
    });
    expect((await workspaceObject().overview()).runs).toHaveLength(1);
  });

  test("is not for everybody", async () => {
    expect((await send(PATH, {})).status).toBe(401);
  });
});
