// The deprecated sync entrance: what it answers, how it says that it is on its way out, how it proves its settings.

import { createExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, describe, expect, test } from "vitest";
import { app } from "../../src/app.ts";
import { API_KEY, call, ORIGIN, send, status } from "../support/worker/client.ts";
import { startOver, workspaceObject } from "../support/worker/objects.ts";

afterEach(startOver);

const PATH = "/api/opal/sync";
const AUTHORIZED = { Authorization: `Bearer ${API_KEY}` };

function expectDeprecated(headers: Headers): void {
  expect(headers.get("Deprecation")).toBe("@1795219200");
  expect(headers.get("Sunset")).toBe("Tue, 30 Nov 2027 00:00:00 GMT");
  expect(headers.get("Link")).toBe('</api/force-sync/trigger>; rel="successor-version"');
}

describe("a sync", () => {
  test("is answered with every key", async () => {
    const answer = await call("POST", PATH, { body: {} });
    const { session_id: id } = answer.body;
    expect(answer.status).toBe(200);
    expect(answer.body).toEqual({
      ...{ success: true, sync_id: id, session_id: expect.stringMatching(/^sync-\d{13}-[a-z0-9]{5}$/) },
      correlation_id: `force-${id}`,
      message: expect.any(String),
      sync_details: {
        internal_workflow: { enabled: true, workflow_id: id.replace("sync", "workflow") },
        external_opal: { triggered: false, workflow_id: null, ai_agents_count: 9 },
      },
      ...{ status: "initiated", workflows_triggered: ["strategy_workflow"], agents_synced: [], retry_attempts: 0 },
      ...{ completion_time: null, platforms_included: ["ODP", "Content Recs", "CMS PaaS", "CMP"] },
      ...{ status_url: `/api/force-sync/status/${id}`, polling_url: `/api/force-sync/status/${id}` },
      deprecation: { successor: "/api/force-sync/trigger", sunset: "2027-11-30T00:00:00.000Z" },
    });
    expectDeprecated(answer.headers);
    expect(await status(id)).toMatchObject({ sync_scope: "priority_platforms", trigger_source: "force_sync" });
  });

  test("needs no body, and passes on what it is given", async () => {
    const answer = await send(PATH, { method: "POST", headers: AUTHORIZED });
    expect(answer.status).toBe(200);
    await call("DELETE", answer.body.status_url);
    const body = {
      sync_scope: "odp_only",
      agent_filter: ["geo_audit"],
      client_context: { client_name: "ok" },
      force_restart: true,
    };
    const named = await call("POST", PATH, { body });
    expect(named.body).toMatchObject({
      platforms_included: ["ODP"],
      sync_details: { external_opal: { ai_agents_count: 1 } },
    });
    expect(await status(named.body.sync_id)).toMatchObject({ client_name: "ok", agent_filter: ["geo_audit"] });
  });

  test("of another workflow is refused", async () => {
    const refused = await call("POST", PATH, { body: { workflow_name: "another" } });
    expect([refused.status, refused.body.code]).toEqual([403, "workflow_not_allowed"]);
    expectDeprecated(refused.headers);
    expect((await workspaceObject().overview()).runs).toEqual([]);
  });

  test("with a wrong field is refused by name", async () => {
    const refused = await call("POST", PATH, { body: { sync_scope: "everything" } });
    expect(refused.status).toBe(400);
    expect(refused.body).toMatchObject({ success: false, error: "validation_failed", message: expect.any(String) });
    expect(refused.body.errors).toEqual([{ pointer: "/sync_scope", detail: expect.any(String) }]);
    expectDeprecated(refused.headers);
  });
});

test.for([
  ["a run under way", 409, () => call("POST", PATH, { body: {} })],
  ["no credentials", 401, () => send(PATH, { method: "POST" })],
  ["no credentials to read", 401, () => send(PATH, {})],
  [
    "no JSON",
    400,
    () => send(PATH, { method: "POST", headers: { ...AUTHORIZED, "Content-Type": "application/json" }, body: "{" }),
  ],
  ["a method that is none of its own", 404, () => call("PUT", PATH)],
] as const)("a refusal says too that the entrance is deprecated: %s", async ([, expected, ask]) => {
  await call("POST", PATH, { body: {} });
  const refused = await ask();
  expect(refused.status).toBe(expected);
  expectDeprecated(refused.headers);
});

describe("its settings", () => {
  test("are proved by name to whoever is signed in", async () => {
    const answer = await call("GET", PATH);
    expect(answer.status).toBe(200);
    expect(answer.body).toEqual({
      success: true,
      workflow_security: {
        ...{ allowed_workflow: "strategy_workflow", account_validation: true, security_note: expect.any(String) },
      },
      environment: "development",
      configuration: { opal_webhook_url: "ok", opal_auth_key: "ok", webhook_secret: "ok", session_secret: "ok" },
    });
    expectDeprecated(answer.headers);
    expect((await workspaceObject().overview()).runs).toEqual([]);
  });

  async function misconfigured(method: string, changes: Readonly<Record<string, unknown>>) {
    const response = await app.fetch(
      new Request(`${ORIGIN}${PATH}`, { method }),
      { ...env, ...changes },
      createExecutionContext(),
    );
    const text = await response.text();
    return { status: response.status, headers: response.headers, text, body: JSON.parse(text) };
  }

  test.for(["GET", "POST"])("that are wrong are named to anybody, without their values: %s", async (method) => {
    const answer = await misconfigured(method, {
      OPAL_WEBHOOK_URL: "no-address-at-all",
      OPAL_STRATEGY_WORKFLOW_AUTH_KEY: "too-short-a-key",
    });
    expect(answer.status).toBe(500);
    expect(answer.body).toMatchObject({
      ...{ success: false, error: "Configuration Error", message: "Environment validation failed" },
      code: "configuration_error",
    });
    const named = answer.body.problems.map((problem: string) => problem.split(" ")[0]);
    expect(named).toEqual(["OPAL_WEBHOOK_URL", "OPAL_STRATEGY_WORKFLOW_AUTH_KEY"]);
    expect(answer.text).not.toMatch(/no-address-at-all|too-short-a-key/);
    expectDeprecated(answer.headers);
  });

  test("that mix up a workspace and its secret show neither", async () => {
    const secret = "0123456789abcdef0123456789abcdef01234567";
    const answer = await misconfigured("GET", { OSA_WORKSPACE_SECRETS: JSON.stringify({ [secret]: "acme" }) });
    expect(answer.body.problems).toEqual(["OSA_WORKSPACE_SECRETS is wrong"]);
    expect(answer.text).not.toContain(secret);
  });
});
