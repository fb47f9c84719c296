// OPAL_DEBUG_MODE: one line for each delivery, and nothing in it that was secret or said in confidence.
import { createExecutionContext, waitOnExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, expect, test, vi } from "vitest";
import { app } from "../../src/app.ts";
import { agentEvent, runningSync, SECRET, signature, WEBHOOKS } from "../support/worker/client.ts";
import { startOver } from "../support/worker/objects.ts";

afterEach(startOver);

const TOKEN = "test-tools-token-of-at-least-forty-letters";
const CANARY = "canary-that-must-not-sing";

/** Everything the Worker itself writes to the log while it answers these requests. */
async function linesOf(requests: readonly Request[], debugMode: string): Promise<Record<string, unknown>[]> {
  const lines: string[] = [];
  for (const level of ["debug", "info", "warn", "error"] as const) {
    vi.spyOn(console, level).mockImplementation((line: string) => {
      lines.push(line);
    });
  }
  for (const request of requests) {
    const context = createExecutionContext();
    expect((await app.fetch(request, { ...env, OPAL_DEBUG_MODE: debugMode }, context)).status).toBeLessThan(400);
    await waitOnExecutionContext(context);
  }
  return lines.map((line) => JSON.parse(line));
}

async function signedRequest(path: string, payload: unknown): Promise<Request> {
  const body = JSON.stringify(payload);
  const headers = {
    "Content-Type": "application/json",
    "X-OSA-Signature": await signature(body),
    Authorization: `Bearer ${CANARY}`,
  };
  return new Request(`http://osa.localhost${path}`, { method: "POST", headers, body });
}

async function requests(): Promise<Request[]> {
  const run = await runningSync();
  const secretive = { agent_data: { summary: CANARY, error: CANARY }, token: CANARY };
  const body = agentEvent(run, "content_review", "failed", secretive);
  const call = { ...agentEvent(run, "geo_audit"), agent_name: "geo_audit", execution_results: { note: CANARY } };
  return [
    await signedRequest(WEBHOOKS, body),
    await signedRequest(WEBHOOKS, body),
    await signedRequest(WEBHOOKS, {
      ...agentEvent(run, "geo_audit"),
      workflow_id: `my ${CANARY}`,
      correlation_id: null,
    }),
    await signedRequest("/api/webhooks/ga4", { event_type: "conversion_update", property_id: CANARY, data: {} }),
    new Request("http://osa.localhost/api/tools/osa_send_data_to_osa_webhook", {
      method: "POST",
      headers: { "Content-Type": "application/json", Authorization: `Bearer ${TOKEN}` },
      body: JSON.stringify({ parameters: call, auth: { credentials: { token: CANARY } } }),
    }),
  ];
}

test("off, it writes no such line", async () => {
  for (const mode of ["", "false"]) {
    const lines = await linesOf(await requests(), mode);
    expect(lines.filter(({ level }) => level === "debug")).toEqual([]);
    expect(lines.length).toBeGreaterThan(0);
    await startOver();
  }
});

test("on, it says of each delivery what it was read to be and what became of it, and nothing more", async () => {
  const given = await requests();
  const signatures = given.map((request) => request.headers.get("X-OSA-Signature")?.split("v1=")[1] ?? "none at all");
  const lines = await linesOf(given, "true");
  const debug = lines.filter(({ level }) => level === "debug");
  expect(debug).toMatchObject([
    {
      ...{ event: "delivery", workspace: "default", source: "opal", about: "agent", agent: "content_review" },
      ...{ outcome: "failed", became: "recorded", verdict: "processed", secret: "current", bytes: expect.any(Number) },
      ...{ delivery_id: expect.stringMatching(/^whd_/), correlated: true, request_id: expect.any(String) },
    },
    { became: "duplicate", agent: "content_review" },
    { became: expect.stringMatching(/held|recorded/), agent: "geo_audit", remote_id: "(odd)", correlated: false },
    { source: "ga4", about: "notice", event_type: "conversion_update", became: "recorded", verdict: "quarantined" },
    { source: "opal_tool:osa_send_data_to_osa_webhook", agent: "geo_audit", secret: "tools token" },
  ]);
  const text = JSON.stringify(lines);
  for (const secret of [CANARY, SECRET, TOKEN, ...signatures]) expect(text).not.toContain(secret);
});
