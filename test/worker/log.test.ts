import { abortAllDurableObjects } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import {
  ACME_SECRET,
  API_KEY,
  agentEvent,
  allAgentsReport,
  call,
  cancel,
  hmac,
  ORIGIN,
  PREVIOUS_SECRET,
  runningSync,
  SECRET,
  send,
  signature,
  trigger,
  unixSeconds,
  WEBHOOKS,
  webhook,
} from "../support/worker/client.ts";
import { breakD1, fixLuck } from "../support/worker/faults.ts";
import { settled, startOver } from "../support/worker/objects.ts";

const LEVELS = ["debug", "info", "log", "warn", "error", "trace"] as const;
const lines: { readonly level: string; readonly text: string }[] = [];

beforeEach(() => {
  lines.length = 0;
  for (const level of LEVELS) {
    vi.spyOn(console, level).mockImplementation((...said: unknown[]) => {
      lines.push({ level, text: said.map(String).join(" ") });
    });
  }
});
afterEach(startOver);

function written(event: string): Record<string, unknown>[] {
  return lines.map((line) => JSON.parse(line.text)).filter((line) => line.event === event);
}

describe("every request is one line", () => {
  test.for([
    ["GET", "/api/health", 200, "info"],
    ["GET", "/api/force-sync/runs", 200, "info"],
    ["GET", "/api/force-sync/status/nobody", 404, "info"],
    ["GET", "/api/nothing-here", 404, "info"],
    ["PUT", "/api/health", 404, "info"],
    ["POST", "/api/webhooks/opal-workflow", 415, "info"],
    ["GET", "/api/webhooks/opal-workflow", 200, "info"],
  ] as const)("%s %s: %i", async ([method, path, status, level]) => {
    const answer = await call(method, path, { headers: { "X-Correlation-ID": "the-request" } });
    expect(answer.status).toBe(status);
    expect(written("request")).toEqual([
      {
        ...{ level, event: "request", request_id: "the-request", method, path, status },
        duration_ms: expect.any(Number),
        ...(path.startsWith("/api/force-sync") ? { principal: "development key" } : {}),
      },
    ]);
    expect(answer.headers.get("X-Correlation-Id")).toBe("the-request");
  });

  test("also when it fails, on the error level", async () => {
    const repair = breakD1();
    expect((await call("GET", "/api/force-sync/runs")).status).toBe(503);
    repair();
    expect(written("request")).toMatchObject([
      { level: "error", status: 503, request_id: expect.stringMatching(/^req-/) },
    ]);
  });

  test("with an id of our own where the caller's could break a line or a page", async () => {
    for (const odd of ['"}{"level":"error"', "<script>", "x".repeat(129), "two words"]) {
      const answer = await call("GET", "/api/health", { headers: { "X-Correlation-ID": odd } });
      expect(answer.headers.get("X-Correlation-Id")).toMatch(/^req-\d+-[a-z0-9]{16}$/);
    }
  });
});

test("a refused signature leaves its reason in the log, and nothing else does", async () => {
  const answer = await webhook("{}", { at: unixSeconds() - 400, headers: { "CF-Connecting-IP": "203.0.113.9" } });
  expect(answer.status).toBe(401);
  expect(written("hmac_verification_failure")).toMatchObject([
    { level: "warn", reason: "timestamp_out_of_tolerance", skew_seconds: expect.any(Number), source_ip: "203.0.113.9" },
  ]);
  expect(JSON.stringify(answer.body)).not.toContain("tolerance");
});

describe("no secret is ever written", () => {
  async function signIn(): Promise<string> {
    const response = await send("/api/auth/login", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ email: "operator@osa.localhost", password: "test-password" }),
    });
    return response.headers.get("Set-Cookie")?.split(";")[0]?.split("=")[1] ?? "";
  }

  function expectNothingOf(values: readonly string[]): void {
    const everything = lines.map((line) => line.text).join("\n");
    for (const value of values) {
      expect(value.length).toBeGreaterThan(7);
      expect(everything).not.toContain(value);
    }
  }

  const SECRETS = [
    ...[SECRET, PREVIOUS_SECRET, ACME_SECRET, API_KEY, "test-password"],
    ...["test-opal-bearer-key-of-forty-characters", "test-session-secret-of-forty-characters-"],
  ];

  test("in a whole run, with retries, faults, refusals, a kill and a cancel", async () => {
    fixLuck(0);
    const cookie = await signIn();
    const headers = { Cookie: `osa_session=${cookie}`, Origin: ORIGIN };
    const run = await runningSync("503 reset ok");
    await send(`/api/force-sync/status/${run.session_id}`, { headers });
    await send("/api/force-sync/trigger", { method: "POST", headers });
    const payload = JSON.stringify(
      agentEvent(run, "geo_audit", "failed", { agent_data: { error: "their-private-words" } }),
    );
    const good = await signature(payload);
    const post = (signed: string) =>
      send(WEBHOOKS, {
        method: "POST",
        headers: { "Content-Type": "application/json", "X-OSA-Signature": signed },
        body: payload,
      });
    await post(good);
    await post(good.replace("v1=", "v1=0"));
    await post(`t=${unixSeconds()},v1=${await hmac(payload, SECRET)}`);
    await call("GET", "/api/force-sync/status/x", { headers: { Authorization: "Bearer somebody-elses-key" } });
    await send(`/api/force-sync/status/${run.session_id}`, { headers: { Cookie: `osa_session=${cookie}x` } });
    await abortAllDurableObjects();
    await allAgentsReport(run);
    await settled(run.session_id);
    const { body: next } = await trigger("hang");
    await cancel(next.session_id);
    await trigger("401");

    expect(lines.length).toBeGreaterThan(40);
    for (const line of lines)
      expect(JSON.parse(line.text)).toMatchObject({ level: line.level, event: expect.any(String) });
    expectNothingOf([
      ...SECRETS,
      cookie,
      good.slice(-64),
      "somebody-elses-key",
      "their-private-words",
      "What geo_audit found",
    ]);
  });

  test("while D1 is down and the configuration is broken", async () => {
    const repair = breakD1();
    const run = await runningSync();
    await allAgentsReport(run);
    await call("GET", "/api/force-sync/runs");
    repair();
    const { app } = await import("../../src/app.ts");
    const placeholder = "change-me-to-a-secret-of-your-own-please";
    const broken = { ...env, OSA_WEBHOOK_SHARED_SECRET: placeholder, SESSION_SECRET: "short-one" };
    const response = await app.request("/api/health", {}, broken);
    expect(response.status).toBe(500);
    const [line] = written("configuration_error");
    expect(line?.error).toContain("OSA_WEBHOOK_SHARED_SECRET");
    expectNothingOf([...SECRETS, placeholder, "short-one"]);
  });
});
