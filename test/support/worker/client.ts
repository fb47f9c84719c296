// What the worker tests say to the product, and what they read back. Everything goes through the Worker's front door.
import { env, exports } from "cloudflare:workers";
import type { LedgerEntry } from "../ledger.ts";

export const SECRET = "test-webhook-secret-of-forty-characters-";
export const PREVIOUS_SECRET = "test-previous-secret-of-forty-characters";
export const ACME_SECRET = "test-secret-of-the-acme-workspace-forty-";
export const API_KEY = "test-api-key-with-operator-rights";
export const ORIGIN = "http://osa.localhost";

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: tests read whatever came back and assert on it.
  readonly body: any;
}

export async function call(
  method: string,
  path: string,
  options: { body?: unknown; headers?: HeadersInit } = {},
): Promise<Answer> {
  const headers = new Headers({
    Authorization: `Bearer ${API_KEY}`,
    ...Object.fromEntries(new Headers(options.headers)),
  });
  const init: RequestInit = { method, headers };
  if (options.body !== undefined) {
    headers.set("Content-Type", "application/json");
    init.body = JSON.stringify(options.body);
  }
  return read(await exports.default.fetch(`${ORIGIN}${path}`, init));
}

export async function send(path: string, init: RequestInit): Promise<Answer> {
  return read(await exports.default.fetch(`${ORIGIN}${path}`, init));
}

async function read(response: Response): Promise<Answer> {
  const text = await response.text();
  const isJson = response.headers.get("Content-Type")?.includes("json");
  return { status: response.status, headers: response.headers, body: isJson ? JSON.parse(text) : text };
}

/** Starts a run whose OPAL behaves as `opal` says (see node/opal-server.ts). */
export function trigger(opal = "ok", headers: HeadersInit = {}): Promise<Answer> {
  return call("POST", "/api/force-sync/trigger", { body: { client_context: { client_name: opal } }, headers });
}

export async function status(id: string): Promise<Answer["body"]> {
  return (await call("GET", `/api/force-sync/status/${id}`)).body;
}

/** Asks again until `isDone` says yes; fails after `limitMs`. */
export async function eventually<Value>(
  read: () => Promise<Value>,
  isDone: (value: Value) => boolean,
  limitMs = 8_000,
): Promise<Value> {
  const startedAt = performance.now();
  for (;;) {
    const value = await read();
    if (isDone(value)) return value;
    if (performance.now() - startedAt > limitMs) throw new Error(`not reached in time: ${JSON.stringify(value)}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Starts a run and waits until OPAL has accepted it. */
export async function runningSync(opal = "ok"): Promise<Answer["body"]> {
  const { body } = await trigger(opal);
  return eventually(
    () => status(body.session_id),
    (run) => run.state === "running",
  );
}

/** The calls OPAL received for one run. */
export async function opalLedger(sessionId: string): Promise<LedgerEntry[]> {
  const response = await fetch(`${env.TEST_OPAL_URL}/ledger?key=${sessionId}`);
  return response.json();
}

/** The calls OPAL received for one client, whatever their runs. */
export async function opalLedgerOfClient(name: string): Promise<LedgerEntry[]> {
  const response = await fetch(`${env.TEST_OPAL_URL}/ledger?client=${encodeURIComponent(name)}`);
  return response.json();
}

/** How many of a run's hanging calls OPAL saw given up. */
export async function callsGivenUp(sessionId: string): Promise<number> {
  const response = await fetch(`${env.TEST_OPAL_URL}/hung-up?key=${sessionId}`);
  const keys: string[] = await response.json();
  return keys.length;
}

export function cancel(id: string): Promise<Answer> {
  return call("DELETE", `/api/force-sync/status/${id}`);
}

/** Every agent of the chain reports its start and its end. */
export async function allAgentsReport(run: RunNames): Promise<void> {
  for (const agent of CHAIN) {
    await webhook(agentEvent(run, agent, "started"));
    await webhook(agentEvent(run, agent));
  }
}

/** The signature header's value for a body, in the documented form. */
export async function signature(body: string | Uint8Array, secret = SECRET, at = unixSeconds()): Promise<string> {
  return `t=${at},v1=${await hmac(concat(bytesOf(`${at}.`), bytesOf(body)), secret)}`;
}

export async function hmac(signed: string | Uint8Array, secret: string): Promise<string> {
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const key = await crypto.subtle.importKey("raw", bytesOf(secret), algorithm, false, ["sign"]);
  const digest = await crypto.subtle.sign("HMAC", key, bytesOf(signed));
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export function unixSeconds(): number {
  return Math.floor(Date.now() / 1000);
}

export function bytesOf(body: string | Uint8Array): Uint8Array {
  return typeof body === "string" ? new TextEncoder().encode(body) : body;
}

function concat(head: Uint8Array, tail: Uint8Array): Uint8Array {
  const all = new Uint8Array(head.length + tail.length);
  all.set(head);
  all.set(tail, head.length);
  return all;
}

export interface WebhookOptions {
  readonly secret?: string;
  /** Unix seconds signed and sent. */
  readonly at?: number;
  readonly workspace?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export const WEBHOOKS = "/api/webhooks/opal-workflow";

/** Posts a body, signed in the documented form. Text and bytes go as they are, anything else as JSON. */
export async function webhook(payload: unknown, options: WebhookOptions = {}): Promise<Answer> {
  const isRaw = typeof payload === "string" || payload instanceof Uint8Array;
  const body = isRaw ? payload : JSON.stringify(payload);
  const path = options.workspace ? `${WEBHOOKS}/${options.workspace}` : WEBHOOKS;
  const signed = await signature(body, options.secret, options.at);
  const headers = { "Content-Type": "application/json", "X-OSA-Signature": signed, ...options.headers };
  return send(path, { method: "POST", headers, body });
}

export const CHAIN = [
  "integration_health",
  "content_review",
  "geo_audit",
  "audience_suggester",
  "experiment_blueprinter",
  "personalization_idea_generator",
  "customer_journey",
  "roadmap_generator",
  "cmp_organizer",
] as const;

export interface RunNames {
  readonly session_id: string;
  readonly correlation_id: string;
}

/** A webhook of the `execution_status` family about one agent of a run. */
export function agentEvent(
  run: RunNames,
  agentId: string,
  executionStatus = "completed",
  more: Readonly<Record<string, unknown>> = {},
) {
  return {
    workflow_id: `opal-${run.session_id}`,
    execution_id: `execution-of-${agentId}`,
    execution_status: executionStatus,
    agent_id: agentId,
    agent_data: executionStatus === "completed" ? result(agentId) : {},
    metadata: { timestamp: new Date().toISOString(), confidence_score: 0.97, data_sources: [] },
    correlation_id: run.correlation_id,
    ...more,
  };
}

/** A result in the execution_results family. */
export function result(agentId: string) {
  return {
    summary: `What ${agentId} found.`,
    recommendations: ["Do the first thing", "Then the second"],
    confidence_score: 0.9,
    insights: { first: "an insight" },
  };
}
