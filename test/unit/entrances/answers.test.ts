// What the sibling entrances answer.
import { describe, expect, test } from "vitest";
import {
  configurationAnswer,
  configurationRefusal,
  legacySyncAnswer,
  opalTriggerAnswer,
  orchestrationAnswer,
  orchestrationDescription,
  platformsOf,
} from "../../../src/entrances/answers.ts";
import type { Settings } from "../../../src/env.ts";
import type { GrantedSync } from "../../../src/workspace/granted.ts";

const AT = Date.parse("2026-10-24T12:00:00Z");

const granted: GrantedSync = {
  ...{ sessionId: "sync-1700000000000-abcde", outcome: "started", at: AT, scope: "priority_platforms" },
  ...{ expectedAgents: ["geo_audit", "cmp_organizer"], attempt: 1, retryOf: null, cancelled: null },
  estimate: { known: false, reason: "not_accepted_yet" },
  record: { estimates: 0, endedByP50Share: null, endedByP90Share: null, medianErrorMs: null },
};
const queued: GrantedSync = { ...granted, outcome: "queued" };
const IDS = {
  session_id: "sync-1700000000000-abcde",
  correlation_id: "force-sync-1700000000000-abcde",
  workflow_id: "workflow-1700000000000-abcde",
};
const STATUS_URL = "/api/force-sync/status/sync-1700000000000-abcde";

describe("the legacy sync", () => {
  test("answers with every key, and claims nothing of OPAL", () => {
    expect(legacySyncAnswer(granted)).toEqual({
      success: true,
      sync_id: IDS.session_id,
      session_id: IDS.session_id,
      correlation_id: IDS.correlation_id,
      message: expect.any(String),
      sync_details: {
        internal_workflow: { enabled: true, workflow_id: IDS.workflow_id },
        external_opal: { triggered: false, workflow_id: null, ai_agents_count: 2 },
      },
      status: "initiated",
      workflows_triggered: ["strategy_workflow"],
      agents_synced: [],
      retry_attempts: 0,
      completion_time: null,
      platforms_included: ["ODP", "Content Recs", "CMS PaaS", "CMP"],
      status_url: STATUS_URL,
      polling_url: STATUS_URL,
      deprecation: { successor: "/api/force-sync/trigger", sunset: "2027-11-30T00:00:00.000Z" },
    });
  });

  test("has the same keys for a run that waits, and says that it does", () => {
    expect(Object.keys(legacySyncAnswer(queued))).toEqual(Object.keys(legacySyncAnswer(granted)));
    expect(legacySyncAnswer(queued).message).not.toBe(legacySyncAnswer(granted).message);
  });

  test.for([
    ["quick", ["ODP", "Content Recs", "CMS PaaS", "CMP"]],
    ["priority_platforms", ["ODP", "Content Recs", "CMS PaaS", "CMP"]],
    ["full", ["ODP", "Content Recs", "CMS PaaS", "CMP", "WebX"]],
    ["odp_only", ["ODP"]],
    ["content_platforms", ["Content Recs", "CMS PaaS"]],
    ["unknown", []],
  ] as const)("of the scope %s includes %j", ([scope, platforms]) => {
    expect(platformsOf(scope)).toEqual(platforms);
  });
});

describe("the configuration", () => {
  const settings: Settings = {
    environment: "staging",
    opal: { url: "https://opal.test/start", bearerKey: "key", timeoutMs: 1, order: "sequence" },
    workspace: "default",
    webhookSecrets: (name) => (name === "default" ? [{ name: "current", value: "hush" }] : undefined),
    acceptsLegacySignatures: false,
    sessionSecret: undefined,
    toolsToken: undefined,
    toolsScopes: [],
    intake: { perSecond: 1, burst: 1 },
    eventRetentionDays: 30,
    isDebugging: false,
    sourcesWithSecrets: [],
    development: undefined,
    deadlineScale: 1,
  };

  test("is proved by name, never by value", () => {
    const answer = configurationAnswer(settings, "default");
    expect(answer).toEqual({
      success: true,
      workflow_security: {
        ...{ allowed_workflow: "strategy_workflow", account_validation: true, security_note: expect.any(String) },
      },
      environment: "staging",
      configuration: { opal_webhook_url: "ok", opal_auth_key: "ok", webhook_secret: "ok", session_secret: "not_set" },
    });
    expect(JSON.stringify(answer)).not.toMatch(/hush|opal\.test/);
  });

  test("of a workspace without a webhook secret is not validated", () => {
    expect(configurationAnswer(settings, "acme")).toMatchObject({
      workflow_security: { account_validation: false, security_note: expect.stringContaining("lacks") },
      configuration: { webhook_secret: "not_set" },
    });
  });

  test("that is wrong is told by the settings' names", () => {
    const problems = ["OPAL_WEBHOOK_URL Invalid URL", "OSA_WEBHOOK_SHARED_SECRET is missing"];
    expect(configurationRefusal(problems)).toEqual({
      ...{ ok: false, code: "configuration_error", detail: "Environment validation failed", members: { problems } },
    });
  });

  test("does not repeat what stands in the workspaces' secrets", () => {
    const problems = ["OSA_WORKSPACE_SECRETS 0123456789abcdef must have at least 32 characters"];
    expect(configurationRefusal([...problems, ...problems]).members).toEqual({
      problems: ["OSA_WORKSPACE_SECRETS is wrong"],
    });
  });
});

describe("an orchestration", () => {
  test("is answered with our ids, beside the caller's own", () => {
    expect(orchestrationAnswer(granted, "mine")).toEqual({
      ...{ success: true, message: expect.any(String), ...IDS, client_session_id: "mine" },
      ...{ workflow_name: "strategy_workflow", status: "started", status_url: STATUS_URL },
    });
    expect(orchestrationAnswer(queued, undefined)).toMatchObject({ client_session_id: null, status: "queued" });
  });

  const closed = { state: "closed", since: null, failures: 0, successes: 0, retryAt: null } as const;
  const free = { switchedOff: null, breaker: closed, activeSessionId: null };
  const open = { ...closed, state: "open", since: AT, retryAt: AT + 1 } as const;
  const switchedOff = { by: "admin", at: AT, reason: "Maintenance" };

  test.for([
    [free, true, null, "can be started"],
    [{ ...free, activeSessionId: "sync-1" }, false, "run_active", "sync-1"],
    [{ ...free, breaker: open, activeSessionId: "sync-1" }, false, "breaker_open", "2026-10-24T12:00:00.001Z"],
    [{ ...free, breaker: { ...open, retryAt: null } }, true, null, "can be started"],
    [{ ...free, breaker: { ...open, state: "half_open" as const } }, true, null, "can be started"],
    [{ switchedOff, breaker: open, activeSessionId: "sync-1" }, false, "triggering_disabled", "Maintenance"],
  ] as const)("can be started as the workspace is: %j", ([overview, ready, not_ready, word]) => {
    const message = expect.stringContaining(word);
    expect(orchestrationDescription(overview)).toMatchObject({ ready, not_ready, message });
  });

  test("describes itself", () => {
    expect(orchestrationDescription(free)).toMatchObject({
      ...{ success: true, endpoint: "/api/orchestrations/trigger", workflow_name: "strategy_workflow" },
      accepts: { method: "POST", required: ["workflow_name"] },
    });
  });
});

describe("an analysis", () => {
  test("is answered with where to follow it, seen from outside", () => {
    expect(opalTriggerAnswer(granted, "https://osa.test", null)).toEqual({
      ...{ success: true, message: expect.any(String), ...IDS, status: "initiated" },
      estimated_completion_time: null,
      estimated_end: {
        ...{ p50: null, p90: null, based_on_runs: 0, overdue: false, reason: "OPAL has not accepted the run yet." },
      },
      estimate_record: { estimates: 0, ended_by_p50: null, ended_by_p90: null, median_error_ms: null },
      agents_scheduled: ["geo_audit", "cmp_organizer"],
      status_url: `/api/opal/status/${IDS.session_id}`,
      webhook_url: "https://osa.test/api/webhooks/opal-workflow",
      monitoring_url: `https://osa.test/engine/admin/runs/${IDS.session_id}`,
    });
  });

  test("says when it will probably be done, as soon as that is known", () => {
    const estimate = { known: true, p50At: AT, p90At: AT + 1, basedOn: 3, isOverdue: false } as const;
    expect(opalTriggerAnswer({ ...granted, estimate }, "https://osa.test", null)).toMatchObject({
      estimated_completion_time: "2026-10-24T12:00:00.000Z",
      estimated_end: { p90: "2026-10-24T12:00:00.001Z", based_on_runs: 3 },
    });
  });

  test("names the receiver of a workspace that is not the default one, and says that it waits", () => {
    expect(opalTriggerAnswer(queued, "https://osa.test", "acme")).toMatchObject({
      ...{ status: "queued", webhook_url: "https://osa.test/api/webhooks/opal-workflow/acme" },
    });
  });
});
