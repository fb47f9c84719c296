// OPAL reads which functions there are and calls them: data arrives as by webhook, and answers come from what is stored.
import { createExecutionContext, waitOnExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, describe, expect, test } from "vitest";
import { app } from "../../src/app.ts";
import {
  type Answer,
  CHAIN,
  call,
  type RunNames,
  result,
  runningSync,
  send,
  status,
  webhook,
} from "../support/worker/client.ts";
import { asAdmin, holderIs } from "../support/worker/control.ts";
import { sessionObject, startOver } from "../support/worker/objects.ts";

afterEach(startOver);

const TOKEN = "test-tools-token-of-at-least-forty-letters";
const AGENT = "content_review";

type Body = Answer["body"];
type Fields = Readonly<Record<string, unknown>>;

function post(path: string, body: unknown, token: string | undefined = TOKEN): Promise<Answer> {
  const headers = { "Content-Type": "application/json", ...(token === "" ? {} : { Authorization: `Bearer ${token}` }) };
  return send(path, { method: "POST", headers, body: typeof body === "string" ? body : JSON.stringify(body) });
}

const tool = (name: string, parameters: Fields) => post(`/api/tools/${name}`, { parameters });
const remoteOf = (run: RunNames) => `opal-${run.session_id}`;

function sent(run: RunNames, agent: string, more: Fields = {}): Fields {
  const metadata = {
    execution_status: "completed",
    execution_time_ms: 900,
    timestamp: "2026-11-01T10:00:00Z",
    success: true,
  };
  return { workflow_id: remoteOf(run), agent_name: agent, execution_results: result(agent), metadata, ...more };
}

const entryOf = (agent: string) => ({
  ...{ agent_id: agent, agent_name: agent, execution_results: result(agent), output_data: {} },
  metadata: { success: true, execution_time_ms: 5, timestamp: "2026-11-01T10:00:00Z" },
});

function agentOf(run: Body, agent = AGENT): Body {
  return run.agents.find((candidate: Body) => candidate.agent_id === agent);
}

/** A run that all its agents reported to by one call. */
async function completedRun(): Promise<Body> {
  const run = await runningSync();
  await tool("osa_workflow_data", { workflow_id: remoteOf(run), agent_data: CHAIN.map(entryOf) });
  return status(run.session_id);
}

describe("discovery", () => {
  test("is public, the same at both addresses, and kept for five minutes", async () => {
    const [plain, nested] = await Promise.all([send("/discovery", {}), send("/api/opal/discovery", {})]);
    expect([plain.status, plain.headers.get("Cache-Control")]).toEqual([200, "public, max-age=300"]);
    expect(nested).toMatchObject({ status: 200, body: plain.body });
    expect(plain.body.functions).toHaveLength(6);
  });

  test("advertises functions that can be called just so", async () => {
    const run = await runningSync();
    const values: Fields = {
      ...sent(run, AGENT),
      ...{ agent_id: AGENT, agent_data: result(AGENT), agent_results: result(AGENT), execution_status: "completed" },
      ...{ progress_percentage: 100, execution_order: 2, data_quality_score: 0.9, timestamp: "2026-11-01T10:00:00Z" },
      ...{ client_name: "Acme", business_objectives: ["Grow"], workflow_timestamp: "2026-11-01T10:00:00Z" },
      ...{ workflow_execution_time_ms: 900, requesting_agent: "roadmap_generator", include_agents: [AGENT] },
      ...{ validation_criteria: { present: true }, minimum_quality_score: 0.5 },
      ...{ compilation_format: "comprehensive", include_quality_metrics: true },
    };
    const { functions } = (await send("/discovery", {})).body;
    for (const { name, endpoint, http_method: method, parameters } of functions) {
      expect(method).toBe("POST");
      const named = Object.fromEntries(
        parameters.map(({ name: parameter, type }: Body) => {
          const value = parameter === "agent_data" && type === "array" ? [entryOf("geo_audit")] : values[parameter];
          expect([name, parameter, wireTypesOf(value)]).toEqual([name, parameter, expect.arrayContaining([type])]);
          return [parameter, value];
        }),
      );
      const needed = Object.fromEntries(
        parameters.filter(({ required }: Body) => required).map(({ name: key }: Body) => [key, named[key]]),
      );
      for (const given of [named, needed]) {
        const auth = { provider: "OptiID", credentials: { token: "x" } };
        const answer = await post(endpoint, { parameters: given, auth });
        expect([name, answer.status, answer.body.success]).toEqual([name, 200, true]);
        expect(answer.body).toMatchObject(
          "webhook_id" in answer.body
            ? { status: expect.stringMatching(/^(processed|duplicate)$/) }
            : { status: "running" },
        );
      }
    }
    expect(agentOf(await status(run.session_id)).status).toBe("completed");
    expect(agentOf(await status(run.session_id), "geo_audit").status).toBe("completed");
  });

  test("leads to the functions from the folder of either address", async () => {
    const run = await runningSync();
    const answer = await post("/api/opal/api/tools/osa_retrieve_workflow_context", { workflow_id: run.session_id });
    expect(answer).toMatchObject({ status: 200, body: { session_id: run.session_id } });
  });
});

function wireTypesOf(value: unknown): string[] {
  if (Array.isArray(value)) return ["array"];
  return typeof value === "number" ? ["number", ...(Number.isInteger(value) ? ["integer"] : [])] : [typeof value];
}

describe("the enhanced list", () => {
  const ask = (search: string, token = TOKEN) =>
    send(`/api/opal/enhanced-tools${search}`, { headers: { Authorization: `Bearer ${token}` } });

  test("tells OPAL and operators of the functions, all or of one category", async () => {
    expect((await ask("")).body).toMatchObject({ total_count: 6, workspace_id: "default" });
    const reporting = await ask("?tool_category=reporting&include_deprecated=true");
    expect(reporting.body.tools.map((tool: Body) => tool.category)).toEqual(["reporting", "reporting"]);
    expect(await call("GET", "/api/opal/enhanced-tools")).toMatchObject({ status: 200, body: { total_count: 6 } });
  });

  test("is not for strangers, and names what is wrong in a question", async () => {
    expect((await send("/api/opal/enhanced-tools", {})).status).toBe(401);
    expect((await ask("", "wrong")).status).toBe(401);
    for (const search of ["?tool_category=cooking", "?include_deprecated=perhaps"]) {
      expect(await ask(search)).toMatchObject({ status: 400, body: { code: "validation_failed" } });
    }
  });
});

describe("the token", () => {
  const question = { workflow_id: "anything" };

  test.for(["", "wrong", `${TOKEN}x`, "test-api-key-with-operator-rights"])("%j opens nothing", async (token) => {
    for (const path of ["/api/tools/osa_compile_final_results", "/api/tools/nothing", "/api/opal/osa-workflow"]) {
      const answer = await post(path, question, token);
      expect(answer).toMatchObject({ status: 401, body: { code: "authentication_failed" } });
    }
  });

  test("opens nothing but the functions", async () => {
    const answer = await send("/api/force-sync/runs", { headers: { Authorization: `Bearer ${TOKEN}` } });
    expect(answer.status).toBe(401);
  });

  test("that nobody configured leaves the functions closed and discovery open", async () => {
    const context = createExecutionContext();
    const without = { ...env, OPAL_TOOLS_TOKEN: "" };
    const request = (path: string, method: string) =>
      new Request(`http://osa.localhost${path}`, { method, headers: { Authorization: "Bearer anything" } });
    const closed = await app.fetch(request("/api/tools/osa_workflow_data", "POST"), without, context);
    const open = await app.fetch(request("/discovery", "GET"), without, context);
    await waitOnExecutionContext(context);
    expect(closed.status).toBe(503);
    expect(await closed.json()).toMatchObject({
      code: "service_unavailable",
      detail: expect.stringContaining("OPAL_TOOLS_TOKEN"),
    });
    expect(open.status).toBe(200);
  });
});

describe("the token's scopes", () => {
  const run = { session_id: "sync-x", correlation_id: "force-sync-x" };
  /** Calls with the required parameters; what they answer beyond the scope does not matter here. */
  async function callAll(scopes: string): Promise<Map<string, Response>> {
    const context = createExecutionContext();
    const { tools } = (await send("/api/opal/enhanced-tools", { headers: { Authorization: `Bearer ${TOKEN}` } })).body;
    const answers = new Map<string, Response>();
    for (const { name, endpoint, auth_requirements: needed } of tools) {
      const request = new Request(`http://osa.localhost${endpoint}`, {
        method: "POST",
        headers: { Authorization: `Bearer ${TOKEN}`, "Content-Type": "application/json" },
        body: JSON.stringify(sent(run, AGENT, { agent_id: AGENT, agent_results: {}, agent_data: [entryOf(AGENT)] })),
      });
      const answer = await app.fetch(request, { ...env, OPAL_TOOLS_SCOPES: scopes }, context);
      answers.set(`${name} (${needed[0].scope_bundle})`, answer);
    }
    await waitOnExecutionContext(context);
    return answers;
  }

  test.for(["deliver", "read"])(
    "one of %s alone opens the functions advertised with it, and no other",
    async (scope) => {
      const answers = await callAll(scope);
      expect(answers.size).toBe(6);
      for (const [name, answer] of answers) {
        const body: Body = await answer.json();
        const isOpen = name.endsWith(`(${scope})`);
        expect([name, answer.status === 403]).toEqual([name, !isOpen]);
        if (isOpen) continue;
        const needed = scope === "deliver" ? "read" : "deliver";
        expect(body).toMatchObject({
          ...{ code: "access_denied", required_permissions: [needed], current_permissions: [scope] },
        });
        expect(answer.headers.get("WWW-Authenticate")).toBe(
          `Bearer realm="osa-edge-tools", error="insufficient_scope", scope="${needed}"`,
        );
      }
      expect((await call("GET", "/api/force-sync/held")).body.total).toBe(scope === "deliver" ? 3 : 0);
    },
  );

  test("both open everything, and so does saying nothing of them", async () => {
    for (const scopes of ["deliver read", "read deliver", ""]) {
      const statuses = [...(await callAll(scopes)).values()].map(({ status: code }) => code);
      expect([scopes, statuses.filter((code) => code === 401 || code === 403)]).toEqual([scopes, []]);
    }
  });
});

describe("data for one agent under that agent's address", () => {
  const put = (agent: string, body: unknown, token?: string) => post(`/api/opal/agent-data/${agent}`, body, token);
  const dataOf = (run: RunNames, more: Fields = {}) => ({
    ...{ workflow_id: remoteOf(run), execution_results: result(AGENT), metadata: { success: true } },
    ...more,
  });

  test("is taken in as by a function, whatever alias the address has", async () => {
    const run = await runningSync();
    const answer = await put("Content-Review", dataOf(run, { agent_name: "Content Review Agent" }));
    expect(answer).toMatchObject({
      ...{ status: 200, body: { success: true, status: "processed", agent_id: AGENT, verdict: "processed" } },
    });
    expect(answer.body).toMatchObject({
      correlation_id: run.correlation_id,
      webhook_id: expect.stringMatching(/^whd_/),
    });
    expect(agentOf(await status(run.session_id)).status).toBe("completed");
    const [delivery] = await sessionObject(run.session_id).deliveries();
    expect(delivery).toMatchObject({ source: "opal_agent_data", secret: "tools token" });
    expect((await put(AGENT, dataOf(run, { agent_name: "Content Review Agent" }))).body).toMatchObject({
      ...{ status: "duplicate", first_webhook_id: answer.body.webhook_id },
    });
  });

  test("may bring its results as output_data, or say that the agent failed", async () => {
    const run = await runningSync();
    const output = { execution_results: {}, output_data: result(AGENT) };
    expect((await put(AGENT, dataOf(run, output))).body).toMatchObject({ verdict: "processed" });
    await put("geo_audit", dataOf(run, { metadata: { success: false, error_message: "no sitemap" } }));
    const after = await status(run.session_id);
    expect([agentOf(after).status, agentOf(after, "geo_audit").status]).toEqual(["completed", "failed"]);
  });

  test("is refused for an agent nobody knows, and each wrong field is named", async () => {
    const run = await runningSync();
    expect(await put("astrologer", dataOf(run))).toMatchObject({ status: 404, body: { code: "resource_not_found" } });
    const pointers = async (body: unknown) => {
      const answer = await put(AGENT, body);
      expect(answer).toMatchObject({ status: 400, body: { code: "validation_failed" } });
      return answer.body.errors.map(({ pointer }: Body) => pointer);
    };
    expect(await pointers({})).toEqual(["/workflow_id", "/execution_results", "/metadata"]);
    expect(await pointers(dataOf(run, { execution_results: "text", output_data: [] }))).toEqual([
      ...["/execution_results", "/output_data"],
    ]);
    expect(await pointers(dataOf(run, { agent_id: "geo_audit" }))).toEqual(["/agent_id"]);
    expect(await pointers({ parameters: { workflow_id: "x", metadata: {} } })).toEqual([
      "/parameters/execution_results",
    ]);
    expect(await sessionObject(run.session_id).deliveries()).toHaveLength(0);
  });

  test("needs the token, JSON, and no more than a webhook may have", async () => {
    expect((await put(AGENT, {}, "wrong")).status).toBe(401);
    expect((await put(AGENT, {}, "")).status).toBe(401);
    const headers = { "Content-Type": "text/plain", Authorization: `Bearer ${TOKEN}` };
    const address = `/api/opal/agent-data/${AGENT}`;
    expect((await send(address, { method: "POST", headers, body: "{}" })).status).toBe(415);
    expect((await put(AGENT, { filler: "x".repeat(10 * 1024 * 1024) })).status).toBe(413);
  });
});

describe("data that comes by a function", () => {
  test("is taken in as a webhook is, and answered as one", async () => {
    const run = await runningSync();
    const answer = await tool("osa_send_data_to_osa_webhook", sent(run, AGENT));
    expect(answer).toMatchObject({
      status: 200,
      body: {
        ...{ success: true, status: "processed", webhook_id: expect.stringMatching(/^whd_\w{20}$/) },
        ...{ correlation_id: run.correlation_id, processing_time_ms: expect.any(Number), verdict: "processed" },
        events_triggered: expect.arrayContaining(["delivery_recorded", "agent_completed"]),
      },
    });
    const agent = agentOf(await status(run.session_id));
    expect(agent.status).toBe("completed");
    expect((await call("GET", agent.result_url)).body).toMatchObject({ output: result(AGENT) });
    const [delivery] = await sessionObject(run.session_id).deliveries();
    expect(delivery).toMatchObject({ source: "opal_tool:osa_send_data_to_osa_webhook", secret: "tools token" });
  });

  test("completes a run, agent by agent, whichever function brings it", async () => {
    const run = await runningSync();
    for (const [index, agent] of CHAIN.entries()) {
      const workflow = { workflow_id: remoteOf(run) };
      const answer = await [
        () => tool("osa_send_data_to_osa_webhook", sent(run, agent)),
        () => tool("osa_store_workflow_data", { ...workflow, agent_id: agent, agent_results: result(agent) }),
        () => post("/api/opal/osa-workflow", { ...workflow, agent_data: [entryOf(agent)] }),
      ][index % 3]?.();
      expect(answer).toMatchObject({ status: 200, body: { status: "processed" } });
    }
    expect(await status(run.session_id)).toMatchObject({ state: "completed", completed_agents: 9, progress: 100 });
  });

  test("completes a run by one call for all nine agents, which sent again is nine duplicates", async () => {
    const run = await runningSync();
    const body = { workflow_id: remoteOf(run), agent_data: CHAIN.map(entryOf), client_name: "Acme" };
    const first = await post("/api/opal/osa-workflow", body);
    expect(first).toMatchObject({
      status: 200,
      body: { status: "processed", processed: 9, correlation_id: run.correlation_id },
    });
    expect(first.body.deliveries.map((delivery: Body) => delivery.agent_id)).toEqual(CHAIN);
    const done = await status(run.session_id);
    expect(done).toMatchObject({ state: "completed", completed_agents: 9 });
    const again = await tool("osa_workflow_data", body);
    expect(again).toMatchObject({ status: 200, body: { status: "duplicate", duplicate: 9 } });
    const ids = (answer: Answer, name: string) => answer.body.deliveries.map((delivery: Body) => delivery[name]);
    expect(ids(again, "first_webhook_id")).toEqual(ids(first, "webhook_id"));
    expect(await status(run.session_id)).toMatchObject({ seq: done.seq, deliveries: { duplicate: 9 } });
  });

  test("is the same call with other credentials, which are kept nowhere", async () => {
    const run = await runningSync();
    const withToken = (token: string) => ({
      parameters: sent(run, AGENT),
      auth: { provider: "x", credentials: { token } },
    });
    const path = "/api/tools/osa_send_data_to_osa_webhook";
    const first = await post(path, withToken("hunter2-first"));
    expect((await post(path, withToken("hunter2-second"))).body).toMatchObject({
      ...{ status: "duplicate", first_webhook_id: first.body.webhook_id },
    });
    const stored = await sessionObject(run.session_id).body(first.body.webhook_id);
    const text = stored.map((part) => new TextDecoder().decode(part)).join("");
    expect(text).toContain("What content_review found.");
    expect(text).not.toContain("hunter2");
  });

  test("reads the same when it is replayed", async () => {
    const run = await completedRun();
    const replayed = await asAdmin("POST", "/api/orchestrations/replay", {
      ...{ workflow_id: run.session_id, dry_run: true, replay_options: { force_reprocess: true } },
    });
    expect(replayed.status).toBe(200);
    expect(JSON.stringify(replayed.body)).toContain('"unchanged":9');
  });

  test("of an odd shape is stored and marked, and completes nothing", async () => {
    const run = await runningSync();
    const odd: readonly [string, Fields][] = [
      ["osa_send_data_to_osa_webhook", {}],
      ["osa_send_data_to_osa_webhook", { agent_name: 7, metadata: { execution_status: "completed" } }],
      ["osa_send_data_to_osa_webhook", { agent_name: "nobody", metadata: { execution_status: "completed" } }],
      ["osa_store_workflow_data", { agent_id: AGENT, agent_results: null }],
      ["osa_workflow_data", { agent_data: "text" }],
      ["osa_workflow_data", { agent_data: [] }],
    ];
    for (const [name, parameters] of odd) {
      const answer = await tool(name, { workflow_id: run.session_id.replace("sync-", "workflow-"), ...parameters });
      expect(answer).toMatchObject({ status: 202, body: { success: true, status: "stored" } });
    }
    expect(await status(run.session_id)).toMatchObject({ state: "running", completed_agents: 0 });
    expect(await sessionObject(run.session_id).deliveries()).toHaveLength(odd.length);
  });

  test("of a result nobody knows is quarantined", async () => {
    const run = await runningSync();
    const answer = await tool("osa_send_data_to_osa_webhook", sent(run, AGENT, { execution_results: { odd: true } }));
    expect(answer).toMatchObject({ status: 200, body: { verdict: "quarantined" } });
  });

  test("of a workflow that nobody knows yet is held for it", async () => {
    const answer = await tool("osa_send_data_to_osa_webhook", {
      ...sent({ session_id: "x", correlation_id: "x" }, AGENT),
    });
    expect(answer).toMatchObject({ status: 202, body: { status: "stored" } });
    expect((await call("GET", "/api/force-sync/held")).body).toMatchObject({ total: 1 });
  });

  test("is refused without a workflow id, and when it cannot be read", async () => {
    const path = "/api/tools/osa_send_data_to_osa_webhook";
    for (const parameters of [{}, { workflow_id: "" }, { workflow_id: null }, { workflow_id: {} }]) {
      expect(await post(path, { parameters })).toMatchObject({
        ...{ status: 400, body: { code: "validation_failed", errors: [{ pointer: "/parameters/workflow_id" }] } },
      });
      expect((await post(path, parameters)).body.errors).toMatchObject([{ pointer: "/workflow_id" }]);
    }
    expect(await post(path, "{")).toMatchObject({ status: 400, body: { code: "unreadable_body" } });
    expect(await post(path, "[]")).toMatchObject({ status: 400, body: { code: "validation_failed" } });
    expect(await post("/api/tools/osa_unknown", {})).toMatchObject({
      status: 404,
      body: { code: "resource_not_found" },
    });
    expect((await call("GET", "/api/force-sync/held")).body).toMatchObject({ total: 0 });
  });

  test("may be as large as a webhook, a question may not, and both must be JSON", async () => {
    const padding = "x".repeat(70 * 1024);
    const run = await runningSync();
    const large = sent(run, AGENT, { execution_results: { ...result(AGENT), padding } });
    expect((await tool("osa_send_data_to_osa_webhook", large)).body.status).toBe("processed");
    const question = { workflow_id: run.session_id, padding };
    expect((await tool("osa_compile_final_results", question)).body.code).toBe("payload_too_large");
    const tooLarge = { ...large, padding: "x".repeat(10 * 1024 * 1024) };
    expect((await tool("osa_send_data_to_osa_webhook", tooLarge)).status).toBe(413);
    const headers = { "Content-Type": "text/plain", Authorization: `Bearer ${TOKEN}` };
    const plain = { method: "POST", headers, body: JSON.stringify(large) };
    expect((await send("/api/tools/osa_send_data_to_osa_webhook", plain)).status).toBe(415);
  });
});

describe("a question about a run", () => {
  const READING = ["osa_retrieve_workflow_context", "osa_validate_workflow_data", "osa_compile_final_results"] as const;

  test.for(READING)("%s: is answered by any of its ids, and 404 for a run that never was", async (name) => {
    const run = await completedRun();
    for (const id of [run.session_id, run.correlation_id, run.workflow_id, remoteOf(run)]) {
      const answer = await tool(name, { workflow_id: id });
      expect(answer).toMatchObject({ status: 200, body: { session_id: run.session_id, workflow_id: id } });
    }
    for (const id of ["nobody-knows", "sync-1763000000000-abcde", "x".repeat(500)]) {
      expect(await tool(name, { workflow_id: id })).toMatchObject({ status: 404, body: { code: "session_not_found" } });
    }
    expect(await tool(name, {})).toMatchObject({
      ...{ status: 400, body: { errors: [{ pointer: "/parameters/workflow_id" }] } },
    });
  });

  test("context tells of the agents that completed, or of those asked for", async () => {
    const run = await runningSync();
    await tool("osa_send_data_to_osa_webhook", sent(run, AGENT));
    const context = (more: Fields) => tool("osa_retrieve_workflow_context", { workflow_id: run.session_id, ...more });
    expect((await context({})).body).toMatchObject({
      ...{ status: "running", completed_agents: 1, requesting_agent: null },
      agents: [
        { agent_id: AGENT, state: "completed", confidence: 0.9, summary: { headline: "What content_review found." } },
      ],
    });
    const asked = (await context({ include_agents: ["geo_audit", "Content-Review", "nobody"], requesting_agent: "x" }))
      .body;
    expect(asked).toMatchObject({ requesting_agent: "x", unknown_agents: ["nobody"] });
    expect(asked.agents).toMatchObject([
      { agent_id: AGENT, state: "completed" },
      { agent_id: "geo_audit", state: expect.stringMatching(/^(waiting|running)$/), confidence: null, summary: null },
    ]);
  });

  test("validation holds results against each agent's threshold, or against the one given", async () => {
    const run = await completedRun();
    const validate = (more: Fields) => tool("osa_validate_workflow_data", { workflow_id: run.session_id, ...more });
    const own = (await validate({})).body;
    expect(own).toMatchObject({ valid: false, valid_agents: 8, expected_agents: 9 });
    expect(agentOf(own, "integration_health")).toMatchObject({
      ...{ present: true, family_known: true, confidence: 0.9, required_confidence: 0.95, valid: false },
      problems: ["confidence 0.9 is below 0.95"],
    });
    expect((await validate({ minimum_quality_score: 0.9 })).body).toMatchObject({ valid: true, valid_agents: 9 });
    expect((await validate({ minimum_quality_score: 91 })).body).toMatchObject({ valid: false, valid_agents: 0 });
    expect((await validate({ validation_criteria: { confidence: false, taste: true } })).body).toMatchObject({
      ...{ valid: true, criteria_applied: ["present", "family"], criteria_unknown: ["taste"] },
    });
    expect((await validate({ minimum_quality_score: "high" })).status).toBe(400);
  });

  test("a compilation holds what was handed over, names who is missing, and nothing else", async () => {
    const run = await runningSync();
    await tool("osa_send_data_to_osa_webhook", sent(run, AGENT));
    await tool("osa_send_data_to_osa_webhook", sent(run, "geo_audit", { execution_results: SHARED }));
    await tool("osa_send_data_to_osa_webhook", sent(run, "cmp_organizer", { execution_results: { odd: true } }));
    const compile = async (format?: string, more: Fields = {}) =>
      (
        await tool("osa_compile_final_results", {
          ...{ workflow_id: run.session_id, ...(format ? { compilation_format: format } : {}), ...more },
        })
      ).body;
    const brief = await compile();
    expect(brief).toMatchObject({ compilation_format: "executive_summary", is_final: false, complete: false });
    expect(brief.sections).toEqual([
      expect.objectContaining({ agent_id: AGENT, headline: "What content_review found.", cached: false }),
      expect.objectContaining({ agent_id: "geo_audit", headline: "Be cited", confidence: 0.85 }),
    ]);
    expect(brief.sections[1]).not.toHaveProperty("insights");
    expect(brief.missing_agents.map((agent: Body) => agent.agent_id)).toEqual(
      CHAIN.filter((agent) => agent !== AGENT && agent !== "geo_audit"),
    );
    expect(agentOf({ agents: brief.missing_agents }, "cmp_organizer")).toMatchObject({ quarantined: true });
    const detailed = await compile("detailed_brief");
    expect(detailed.sections[0]).not.toHaveProperty("insights");
    expect(detailed.sections[1]).toMatchObject({ insights: SHARED.insights, next_steps: SHARED.nextSteps });
    expect(detailed.sections[1]).not.toHaveProperty("output");
    const whole = await compile("comprehensive", { include_quality_metrics: true });
    expect(whole.sections.map((section: Body) => section.output)).toEqual([result(AGENT), SHARED]);
    expect(whole.quality_metrics).toMatchObject({
      expected_agents: 9,
      agents_with_results: 2,
      average_confidence: 0.875,
    });
    expect((await compile("poem")).code).toBe("validation_failed");
  });

  test("marks what stands in from an earlier run wherever it shows it", async () => {
    const earlier = await completedRun();
    await holderIs(null);
    const run = await runningSync();
    await tool("osa_send_data_to_osa_webhook", sent(run, AGENT, { execution_results: { odd: true } }));
    const cached = { cached: true, origin: "cached", from_session_id: earlier.session_id };
    const { body: compiled } = await tool("osa_compile_final_results", { workflow_id: run.session_id });
    expect(compiled).toMatchObject({
      cached_agents: [AGENT],
      complete: false,
      sections: [{ agent_id: AGENT, ...cached }],
    });
    const { body: validated } = await tool("osa_validate_workflow_data", { workflow_id: run.session_id });
    expect(agentOf(validated)).toMatchObject({ present: false, valid: false, ...cached });
    const { body: context } = await tool("osa_retrieve_workflow_context", { workflow_id: run.session_id });
    expect(context.agents).toEqual([]);
    const asked = { workflow_id: run.session_id, include_agents: [AGENT] };
    expect((await tool("osa_retrieve_workflow_context", asked)).body.agents).toMatchObject([cached]);
  });

  test("tells of what came by webhook as well", async () => {
    const run = await runningSync();
    await webhook({
      workflow_id: remoteOf(run),
      agent_id: AGENT,
      execution_status: "success",
      agent_data: result(AGENT),
    });
    const { body } = await tool("osa_compile_final_results", { workflow_id: remoteOf(run) });
    expect(body.sections).toMatchObject([{ agent_id: AGENT, headline: "What content_review found." }]);
  });
});

const SHARED = {
  hero: { title: "GEO audit", promise: "Be cited", metrics: [{ label: "Score", value: "72/100" }], confidence: 85 },
  overview: { summary: "Fair", keyPoints: ["Citations are rare"] },
  insights: [{ title: "Schema", description: "Missing on 40 % of pages" }],
  opportunities: [{ label: "Add schema" }],
  nextSteps: [{ label: "Audit templates" }],
  meta: { tier: "optimization" },
};
